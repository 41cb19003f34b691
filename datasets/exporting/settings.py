"""What an export is asked for, and what it answers."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from datasets.coco import Split
from datasets.taxonomy import Settings

ExportFormat = Literal["coco", "yolo", "voc", "cvat", "mot", "masks", "folders"]
OnImage = Callable[[int, int], None]


class ExportSettings(Settings):
    """How a dataset is exported.

    `categories` are class names or aliases, empty for all; `split` keeps one side alone. `complete_only` leaves out
    images that were not searched for every exported class. `polygons` makes YOLO's rows outlines. `val_fraction` is the
    share of train families, in [0, 1), that YOLO validates on; `seed` decides which. `copy_images` copies where hard
    links would do.
    """

    categories: tuple[str, ...] = ()
    split: Split | None = None
    complete_only: bool = False
    polygons: bool = False
    val_fraction: float = Field(default=0.0, ge=0, lt=1)
    seed: int = 0
    copy_images: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """What a format, or most of its readers, cannot hold: how many of what, and why."""

    what: str
    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.count:,} {self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Exported:
    """How many images and annotations (tags not counted) were written, and what was not."""

    images: int
    annotations: int
    losses: tuple[Loss, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What the writer of a format did: annotations written, and what it left out or changed."""

    annotations: int
    losses: tuple[Loss, ...] = ()


def counted(told: Counter[str], sentences: Mapping[str, tuple[str, str]]) -> tuple[Loss, ...]:
    """Losses from what a writer counted; `sentences` are each one's what and why."""
    return tuple(Loss(what, told[key], why) for key, (what, why) in sentences.items() if told[key])
