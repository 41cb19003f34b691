"""How models are trained and when they are promoted: the `training:` part of the project file."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from datasets.taxonomy import Settings


class DetectorSettings(Settings):
    """A YOLO trained by Ultralytics; the defaults suit some thousand photographs, with or without first weights."""

    model: str = Field(
        "yolov8n", pattern=r"^yolo(v8|11)[nsmlx]$", description="an Ultralytics architecture, without .yaml"
    )
    image_size: int = Field(640, ge=64, multiple_of=32, description="side of the square the network sees, pixels")
    epochs: int = Field(100, gt=0)
    max_steps: int | None = Field(None, gt=0, description="fewer epochs on a large set, so that steps stay near this")
    batch: int = Field(16, gt=0, description="images a step")
    optimizer: Literal["AdamW", "SGD"] = "AdamW"
    learning_rate: float = Field(0.001, gt=0, description="at its highest; it falls by a cosine")
    final_learning_rate: float = Field(0.01, gt=0, le=1, description="at the end, as a part of learning_rate")
    warmup_epochs: float = Field(3, ge=0)
    mosaic: float = Field(1.0, ge=0, le=1, description="how often four images are put together to one")
    plain_epochs: int = Field(10, ge=0, description="epochs at the end without mosaic")
    scale: float = Field(0.5, ge=0, lt=1, description="images are scaled by 1 ± this")
    translate: float = Field(0.1, ge=0, le=1, description="images are moved by up to this part of their side")
    flip: float = Field(0.5, ge=0, le=1, description="how often an image is mirrored left to right")
    threads: int | None = Field(None, gt=0, description="CPU threads; all when not given")


class ClassifierSettings(Settings):
    """A timm network with a linear head over the image tags."""

    model: str = Field("resnet18", min_length=1, description="a timm architecture")
    pretrained: bool = Field(False, description="begin with timm's published weights, which needs the internet")
    image_size: int = Field(224, ge=32, description="side of the square the network sees, pixels")
    epochs: int = Field(30, gt=0)
    max_steps: int | None = Field(None, gt=0, description="fewer epochs on a large set, so that steps stay near this")
    batch: int = Field(32, gt=1, description="images a step")
    learning_rate: float = Field(0.001, gt=0, description="at its highest; it rises, then falls by a cosine")
    weight_decay: float = Field(0.01, ge=0)
    dropout: float = Field(0.2, ge=0, lt=1, description="of the features before the head")
    brightness: float = Field(0.3, ge=0, lt=1, description="images are made lighter or darker by up to this part")
    threads: int | None = Field(None, gt=0, description="CPU threads; all when not given")


def epochs_within(settings: DetectorSettings | ClassifierSettings, *, images: int) -> int:
    """The epochs to train on that many images: as set, or fewer where `max_steps` ends them."""
    if settings.max_steps is None:
        return settings.epochs
    steps_per_epoch = math.ceil(images / settings.batch)
    return max(1, min(settings.epochs, settings.max_steps // steps_per_epoch))


class PromotionSettings(Settings):
    """When a challenger takes the champion's place."""

    min_gain: float = Field(0.0, ge=0, lt=1, description="how much better its primary metric must be")


class TrainingSettings(Settings):
    """The `training:` part of the project file."""

    detector: DetectorSettings = DetectorSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    promotion: PromotionSettings = PromotionSettings()
    thresholds: Mapping[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={}, description="by class, the score that its predictions have to exceed; published with the model"
    )
