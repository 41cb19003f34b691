"""Merging datasets: images by content, objects made anew from their atomic originals each time.

Every source's statements are taken apart, joined as sets, and put together again. So the order of inputs, repetition,
and merging in steps change nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from pydantic import Field, model_validator

from datasets.coco import Dataset, from_records, to_records
from datasets.collecting import no_cycle_collection
from datasets.merging.atoms import take_apart
from datasets.merging.conflicts import Conflict
from datasets.merging.drawing import draw
from datasets.merging.groups import connected
from datasets.merging.places import Frames
from datasets.merging.publishing import publish
from datasets.merging.sources import Source
from datasets.merging.statements import Statements, gather_statements, sorted_ids
from datasets.records import CocoFile, Copy, Image, Origin, View, category_records
from datasets.taxonomy import Settings, Taxonomy

Pair = tuple[str, str]


class MergeSettings(Settings):
    """When boxes of different sources are one object.

    `same_iou`: boxes of one class that overlap at least so much are one. `doubtful_iou`: those that overlap less, but
    at least so much, may be one: they stay two, and the doubt is told.
    """

    same_iou: float = Field(default=0.7, gt=0, le=1)
    doubtful_iou: float = Field(default=0.3, gt=0, le=1)

    @model_validator(mode="after")
    def _doubt_begins_below(self) -> Self:
        if self.doubtful_iou > self.same_iou:
            raise ValueError(f"doubtful_iou {self.doubtful_iou:g} is above same_iou {self.same_iou:g}; make it less")
        return self


@dataclass(frozen=True)
class Merged:
    """The merged content, its columns for the digest, and what its sources disagree about."""

    content: CocoFile
    columns: NDArray[np.int64]
    conflicts: tuple[Conflict, ...]


def merge(
    datasets: Sequence[Dataset],
    *,
    taxonomy: Taxonomy,
    settings: MergeSettings | None = None,
    scaled: Iterable[Pair] = (),
) -> Dataset:
    """One dataset of all images and annotations; see `merge_records`."""
    files = [("", to_records(dataset)) for dataset in datasets]
    return from_records(merge_records(files, taxonomy=taxonomy, settings=settings, scaled=scaled).content, taxonomy)


def merge_records(
    files: Sequence[tuple[str, CocoFile]],
    *,
    taxonomy: Taxonomy,
    settings: MergeSettings | None = None,
    scaled: Iterable[Pair] = (),
    near: Iterable[Pair] = (),
) -> Merged:
    """One dataset of all images and annotations in files of (source name, content), which are used up.

    The source's name counts for images and annotations that name none themselves. Classes are taken by name. `scaled`
    are pairs of images, by SHA-256, that are one picture in two sizes: the largest stays, with the annotations of all
    in its pixels. `near` are pairs that show one photograph otherwise: they share a family.

    An image met several times is kept once, with the statements of all its sources. Objects of one class from different
    sources that overlap enough are one, with the origins of all. Where sources disagree both views stay, the classes in
    question become unknown on that image (LVIS's not_exhaustive_category_ids), and the conflict is told.

    Raises:
        UnknownCategory: a class in use is not in the taxonomy.
    """
    with no_cycle_collection():
        return _merge(files, taxonomy, settings or MergeSettings(), scaled, near)


def _merge(
    files: Sequence[tuple[str, CocoFile]],
    taxonomy: Taxonomy,
    settings: MergeSettings,
    scaled: Iterable[Pair],
    near: Iterable[Pair],
) -> Merged:
    for _, content in files:
        _rename_categories(content, taxonomy)
    sources = [Source(name, content) for name, content in files]
    said = gather_statements(sources)
    said.scaled.update(scaled)
    for one, other in near:
        said.near[one].add(other)
        said.near[other].add(one)
    sha256s = sorted(said.pictures)
    numbers = {sha256: number for number, sha256 in enumerate(sha256s)}
    copies = _copies(said)
    frames = _frames(said, copies, numbers)
    drawing = draw(
        take_apart(sources, numbers), frames, sha256s, same_iou=settings.same_iou, doubtful_iou=settings.doubtful_iou
    )
    content, columns, conflicts = publish(said, copies, drawing, sha256s, taxonomy, same_iou=settings.same_iou)
    return Merged(content, columns, conflicts)


def _rename_categories(content: CocoFile, taxonomy: Taxonomy) -> None:
    """Number the file's classes as the project does; one that nobody uses may be missing there."""
    if content.categories == category_records(taxonomy):
        return
    new = {
        category.id: taxonomy.category_id(category.name)
        for category in content.categories
        if taxonomy.has(category.name)
    }
    used = {annotation.category_id for annotation in content.annotations} | {
        tag.category_id for image in content.images for tag in image.tags
    }
    for category in content.categories:
        if category.id in used - new.keys():
            taxonomy.category_id(category.name)  # tells
    content.categories = category_records(taxonomy)
    for annotation in content.annotations:
        annotation.category_id = new[annotation.category_id]
        if any(origin.shape for origin in annotation.origins):
            annotation.origins = tuple(_renamed_origin(origin, new) for origin in annotation.origins)
    content.images = [replace(image, **_renamed(image, new)) for image in content.images]


def _renamed_origin(origin: Origin, new: Mapping[int, int]) -> Origin:
    if origin.shape is None:
        return origin
    return replace(origin, shape=replace(origin.shape, category_id=new[origin.shape.category_id]))


def _renamed(said: Image | View, new: Mapping[int, int]) -> dict[str, object]:
    fields: dict[str, object] = {
        "tags": tuple(replace(tag, category_id=new[tag.category_id]) for tag in said.tags),
        "not_exhaustive_category_ids": _renumbered(said.not_exhaustive_category_ids, new),
    }
    if isinstance(said, View):
        return {**fields, "category_ids": _renumbered(said.category_ids, new)}
    views = tuple(replace(view, **_renamed(view, new)) for view in said.views)
    return {**fields, "neg_category_ids": _renumbered(said.neg_category_ids, new), "views": views}


def _renumbered(category_ids: Iterable[int], new: Mapping[int, int]) -> tuple[int, ...]:
    return sorted_ids(new[category_id] for category_id in category_ids if category_id in new)


def _copies(said: Statements) -> dict[str, str]:
    """For each picture that is shown on another: that one, the largest of all its sizes."""
    groups = connected((a, b) for a, b in said.scaled if a in said.pictures and b in said.pictures)
    shown = {}
    for group in groups:
        largest = min(group, key=lambda sha256: (-_pixels(said.pictures[sha256]), sha256))
        shown.update({sha256: largest for sha256 in group if sha256 != largest})
    return shown


def _pixels(picture: Copy) -> int:
    return picture.width * picture.height


def _frames(said: Statements, copies: Mapping[str, str], numbers: Mapping[str, int]) -> Frames:
    shown_on, scale = np.arange(len(numbers)), np.ones((len(numbers), 2))
    for sha256, shown in copies.items():
        shown_on[numbers[sha256]] = numbers[shown]
        scale[numbers[sha256]] = _scale(said.pictures[sha256], said.pictures[shown])
    return Frames(shown_on, scale)


def _scale(copy: Copy, shown: Copy) -> tuple[float, float]:
    return shown.width / copy.width, shown.height / copy.height
