"""Splits: whole families on one side, assigned once; an old image never moves.

New families are taken in the order of a hash, and each goes where its rarest class is short, so that both sides get
their share of every class. What was assigned before is an input and stays as it is.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace
from pydantic import Field

from datasets.coco import Dataset, Image, Split, make_dataset
from datasets.merging.groups import connected
from datasets.taxonomy import Settings


class SplitSettings(Settings):
    """`test_fraction`: the share of families, in (0, 1), that are kept for testing."""

    test_fraction: float = Field(default=0.2, gt=0, lt=1)


@dataclass(frozen=True)
class Assigned:
    """A dataset whose images have a side, save those of tied families; which families were new, and which are tied."""

    dataset: Dataset
    new: Mapping[str, Split]
    tied: tuple[str, ...]


@dataclass(frozen=True)
class Leaks:
    """What the test side shares with the train side: families, and pairs of images that show one photograph."""

    families: tuple[str, ...]
    near: tuple[tuple[str, str], ...]


def assign_splits(
    dataset: Dataset, *, known: Mapping[str, Split], seed: int, settings: SplitSettings | None = None
) -> Assigned:
    """Give every family without a side one; `known` has the sides of old images by SHA-256, before the images' own.

    An old image keeps its side, and where it is now a copy of a larger one, that one has it. New images of a family
    follow its old ones; where these are on both sides, the family is tied: its new images get no side. Families whose
    images show one photograph count as one, named by the first of them.
    """
    settings = settings or SplitSettings()
    family_of = joined_families(dataset.images)
    sides: dict[str, set[Split]] = defaultdict(set)
    for image in dataset.images:
        sides[family_of[image.sha256]].update(_old_sides(image, known))
    new = _assign_new({family for family, found in sides.items() if not found}, family_of, dataset, seed, settings)
    side_of = {family: next(iter(found)) for family, found in sides.items() if len(found) == 1} | new
    images = (
        _on_side(image, _one(_old_sides(image, known)) or side_of.get(family_of[image.sha256]))
        for image in dataset.images
    )
    tied = tuple(sorted(family for family, found in sides.items() if len(found) > 1))
    return Assigned(make_dataset(dataset.taxonomy, images, dataset.annotations), new, tied)


def _on_side(image: Image, side: Split | None) -> Image:
    """The image with its side, which a merge takes from its views where it has some."""
    return replace(image, split=side, views=tuple(replace(view, split=side) for view in image.views))


def joined_families(images: Sequence[Image]) -> dict[str, str]:
    """The car that each image shows, by SHA-256: its family, and those that show one photograph with it.

    A merge keeps families apart that are on both sides already.
    """
    family_of = {image.sha256: image.family for image in images}
    edges = ((image.family, family_of[other]) for image in images for other in image.near if other in family_of)
    first = {family: min(group) for group in connected(edges) for family in group}
    return {sha256: first.get(family, family) for sha256, family in family_of.items()}


def _old_sides(image: Image, known: Mapping[str, Split]) -> set[Split]:
    """The side that an image and its copies have; both, where they are on both."""
    pictures = (image.sha256, *(copy.sha256 for copy in image.copies))
    return {known[sha256] for sha256 in pictures if sha256 in known} or ({image.split} if image.split else set())


def _one(sides: set[Split]) -> Split | None:
    return next(iter(sides)) if len(sides) == 1 else None


def _assign_new(
    wanted: set[str], family_of: Mapping[str, str], dataset: Dataset, seed: int, settings: SplitSettings
) -> dict[str, Split]:
    """Families in the order of their hash; each to the test side while its rarest class has too little there."""
    held: dict[str, Counter[int]] = defaultdict(Counter)
    for image in dataset.images:
        family = family_of[image.sha256]
        if family in wanted:
            classes = [annotation.category_id for annotation in dataset.annotations_of.get(image.sha256, ())]
            held[family].update({_ANY: 1} | Counter([*classes, *(tag.category_id for tag in image.tags)]))
    total: Counter[int] = Counter()
    for counts in held.values():
        total.update(counts)
    seen: Counter[int] = Counter()
    tested: Counter[int] = Counter()
    sides: dict[str, Split] = {}
    for family in sorted(held, key=lambda family: (unit_hash(family, seed=seed), family)):
        counts = held[family]
        rarest = min(
            (category_id for category_id in counts if category_id != _ANY), key=_by_rarity(total), default=_ANY
        )
        seen.update(counts)
        due = settings.test_fraction * seen[rarest] - tested[rarest]
        sides[family] = "test" if due > counts[rarest] / 2 else "train"
        if sides[family] == "test":
            tested.update(counts)
    return sides


_ANY = 0  # no class has this id: it counts images


def _by_rarity(total: Mapping[int, int]) -> Callable[[int], tuple[int, int]]:
    return lambda category_id: (total[category_id], category_id)


def find_leaks(dataset: Dataset) -> Leaks:
    """Families on both sides, and images on different sides that are known to show one photograph."""
    sides: dict[str, set[Split]] = defaultdict(set)
    for image in dataset.images:
        sides[image.family].update([image.split] if image.split else [])
    pairs = {
        (min(image.sha256, other), max(image.sha256, other))
        for image in dataset.images
        for other in image.near
        if other in dataset.by_sha256 and _apart(image, dataset.by_sha256[other])
    }
    return Leaks(tuple(sorted(family for family, found in sides.items() if len(found) > 1)), tuple(sorted(pairs)))


def _apart(one: Image, other: Image) -> bool:
    return {one.split, other.split} == {"train", "test"}


def split_of(family: str, *, seed: int, settings: SplitSettings) -> Split:
    """The side of a family that nothing else is known of. Families are independent, so adding some moves none."""
    return "test" if unit_hash(family, seed=seed) < settings.test_fraction else "train"


def unit_hash(text: str, *, seed: int) -> float:
    """A uniform number in [0, 1) that only the text and the seed decide."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8]) / 2**64
