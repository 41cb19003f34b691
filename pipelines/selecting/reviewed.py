"""What reviewers decided of images, as far as it says which of them people label next."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from datasets.coco import Image
from datasets.decisions import Decision, marked

MIDDLE, BEST = 3, 5
"""Ratings: an image that nobody rated counts as the middle one."""


class Ranked(Protocol):
    """Whatever stands for one image."""

    @property
    def sha256(self) -> str: ...


_Ranked = TypeVar("_Ranked", bound=Ranked)


def not_excluded(images: Iterable[Image], decisions: Mapping[str, Decision]) -> list[Image]:
    """The images that reviewers did not exclude, nor what they are derived from."""
    excluded = marked(decisions, "exclude")
    return [image for image in images if image.sha256 not in excluded and image.derived_from not in excluded]


def ratings_of(images: Iterable[Image], decisions: Mapping[str, Decision]) -> dict[str, int]:
    """The rating, 1 (poor) to 5, of each image that has one, or else that of what it is derived from, by SHA-256."""
    rated = {sha256: decision.quality for sha256, decision in decisions.items() if decision.quality is not None}
    found = ((image.sha256, rated.get(image.sha256) or rated.get(image.derived_from or "")) for image in images)
    return {sha256: rating for sha256, rating in found if rating}


def to_rank(budget: int, ratings: Mapping[str, int]) -> int:
    """How many images have to be ranked for `weigh` to find the first `budget`: none behind them comes in."""
    return math.ceil(budget * BEST / MIDDLE) if ratings else budget


def weigh(ranked: Sequence[_Ranked], ratings: Mapping[str, int], *, budget: int) -> list[_Ranked]:
    """The first `budget` when each image's place is divided by its rating, 1 (poor) to 5; by default by the middle."""
    places = {image.sha256: place / ratings.get(image.sha256, MIDDLE) for place, image in enumerate(ranked, start=1)}
    return sorted(ranked, key=lambda image: places[image.sha256])[:budget]
