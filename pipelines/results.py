"""What a round gave, as it is kept in `rounds/<n>.json` and shown in the report."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from datasets.errors import BadDataset
from datasets.files import read_json, write_json
from datasets.taxonomy import Settings

TEST, TRAIN = "test", "train"


class ShadowResult(Settings):
    """What was decided of a challenger that people see beside the champion; one that `stays` is not judged yet."""

    challenger: str
    promoted: bool
    reason: str
    stays: bool = False


class ModelResult(Settings):
    """One model after a round: what is in use and how it scores on the frozen test set, and what was decided.

    `shadow` was judged before the round's own challenger was trained; None where that is not asked for. Scores are in
    [0, 1]; one that the truth has no labels for is None. Without labels to learn from nothing is in use.
    """

    champion: str | None = None
    bundle: str | None = None
    weights: Path | None = None
    scores: Mapping[str, float | None] = {}
    by_class: Mapping[str, float] = {}
    challenger: str | None = None
    challenger_scores: Mapping[str, float | None] = {}
    promoted: bool = False
    reason: str
    shadow: ShadowResult | None = None

    @property
    def next_shadow(self) -> str | None:
        """The challenger that people see beside the champion from now on."""
        return self.shadow.challenger if self.shadow and self.shadow.stays else self.challenger


class RoundResult(Settings):
    """One finished round. Fates count objects by kind and verdict; `seconds` are by step.

    `images` is how many people corrected in this round, `labelled_images` how many there are to learn from after it.
    """

    number: int
    images: int
    labelled_images: int
    tasks: Mapping[str, int]
    dataset: str
    test_set: str
    pool: str
    fates: Mapping[str, Mapping[str, int]]
    models: Mapping[str, ModelResult]
    seconds: Mapping[str, float]

    @property
    def corrections(self) -> int:
        """Objects of any kind that the annotator moved, re-classed, deleted or added."""
        return sum(count for fates in self.fates.values() for verdict, count in fates.items() if verdict != "accepted")

    @property
    def prelabels(self) -> int:
        """Objects of any kind that the functions had put there."""
        return sum(count for fates in self.fates.values() for verdict, count in fates.items() if verdict != "added")


def write_round(rounds: Path, result: RoundResult) -> None:
    write_json(rounds / f"{result.number}.json", result.model_dump(mode="json"))


def read_round(rounds: Path, number: int) -> RoundResult | None:
    """The result of a round; None when it has not finished. Raises BadDataset when its file was changed."""
    path = rounds / f"{number}.json"
    if not path.exists():
        return None
    try:
        return RoundResult.model_validate(read_json(path))
    except ValidationError as error:
        raise BadDataset(
            f"{path} is not a round's result: {error.error_count()} errors; begin anew with --fresh"
        ) from None
