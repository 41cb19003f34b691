"""What people label next: the `selection:` part of the project file."""

from typing import Literal, Self

from pydantic import Field, model_validator

from datasets.taxonomy import Settings

StrategyName = Literal["mix", "random", "families", "uncertainty", "disagreement", "diversity", "rarity"]


class SignalWeights(Settings):
    """How much each signal counts in the mix; one that there are no models for is left out."""

    uncertainty: float = Field(1.0, ge=0)
    disagreement: float = Field(0.5, ge=0)
    rarity: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _one_counts(self) -> Self:
        if not any(self.model_dump().values()):
            raise ValueError("all weights are 0; let one signal count, or choose the strategy diversity")
        return self


class StopSettings(Settings):
    """When labelling more costs more than it brings; quality is in points of 0.01."""

    minutes_per_image: float = Field(1.0, gt=0, description="what labelling one image takes")
    minutes_per_point: float = Field(60.0, gt=0, description="what a point of quality is worth, in the same minutes")


class SelectionSettings(Settings):
    """How images are chosen under a budget."""

    strategy: StrategyName = "mix"
    mix: SignalWeights = SignalWeights()
    sharpness: float = Field(2.0, ge=0, le=8, description="in the mix, signals to this power weigh against distance")
    control_share: float = Field(0.1, ge=0, le=1, description="part of a mix that is drawn at random, to compare with")
    per_family: int = Field(1, gt=0, description="at most so many images of one family in a selection")
    least_score: float = Field(0.05, ge=0, le=1, description="detections below it are not looked at")
    stop: StopSettings = StopSettings()
