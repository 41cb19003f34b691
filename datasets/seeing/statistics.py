"""A dataset in numbers. Deleted images are counted as such and nowhere else. Pixels are those of upright images."""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from datasets.coco import Dataset, Image
from datasets.rights.licenses import disagreement, stated_licenses
from datasets.seeing import measures
from datasets.seeing.columns import Columns, drawn_as, to_columns
from datasets.seeing.measures import Histogram


@dataclass(frozen=True)
class ClassRow:
    """One class. `objects` counts its boxes or, for the class of a whole image, its tags.

    `images` show it, `image_share` of all in [0, 1], by `split`; `median_share` is of the image's area, in [0, 1].
    `present`, `partly`, `absent` and `unknown` (see `measures.knowledge`) add up to all images.
    """

    name: str
    kind: str
    objects: int
    images: int
    image_share: float
    splits: dict[str, int]
    median_share: float | None
    present: int
    partly: int
    absent: int
    unknown: int


@dataclass(frozen=True)
class SplitRow:
    """What lies on one side of the split, or (`none`) on neither."""

    name: str
    images: int
    annotations: int
    tags: int
    families: int


@dataclass(frozen=True)
class SourceRow:
    """What one source gave: images, objects (its originals), and the names of the classes that it looked for."""

    name: str
    images: int
    objects: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Families:
    """Photographs that must stay together. `across` names those with images on both sides of the split."""

    count: int
    sizes: Histogram
    largest: tuple[tuple[str, int], ...]
    across: tuple[str, ...]


@dataclass(frozen=True)
class Statistics:
    """All numbers of a dataset. Histograms' units stand in `measures`.

    `image_sizes` are the commonest (width, height, images); `co_occurrence` is (category id, category id, images) for
    classes that meet in an image; `heat` is rows of cells, see `measures.heat_map`. `licenses` counts an image under
    each licence that is stated for it. `copies` and `near` are images that have some, `near_pairs` pairs of them.
    """

    images: int
    annotations: int
    tags: int
    empty: int
    deleted: int
    derived: int
    merged: int
    copies: int
    near: int
    near_pairs: int
    splits: tuple[SplitRow, ...]
    classes: tuple[ClassRow, ...]
    families: Families
    sources: tuple[SourceRow, ...]
    unsourced: int
    licenses: dict[str, int]
    license_disagreements: int
    drawn_as: dict[str, int]
    drawn_by: dict[str, int]
    crowds: int
    image_sizes: tuple[tuple[int, int, int], ...]
    megapixels: Histogram
    box_sides: Histogram
    box_shares: Histogram
    coco_sizes: dict[str, int]
    aspect_ratios: Histogram
    objects_per_image: Histogram
    co_occurrence: tuple[tuple[int, int, int], ...]
    heat: tuple[tuple[float, ...], ...]


def statistics(dataset: Dataset) -> Statistics:
    """Count and measure a dataset: some two seconds for 500,000 annotations."""
    columns = to_columns(dataset)
    images, annotations = columns.images, columns.annotations
    met = tuple((one + 1, other + 1, count) for one, other, count in measures.co_occurrence(columns))
    sizes = Counter((image.width, image.height) for image in images)
    licenses = Counter(name for image in images for name in stated_licenses(image) or ("unknown",))
    return Statistics(
        images=len(images),
        annotations=len(annotations),
        tags=columns.tags.size,
        empty=len(images) - np.unique(columns.image_of).size,
        deleted=len(dataset.images) - len(images),
        derived=sum(image.derived_from is not None for image in images),
        merged=sum(len(annotation.origins) > 1 for annotation in annotations),
        copies=sum(bool(image.copies) for image in images),
        near=sum(bool(image.near) for image in images),
        near_pairs=len({frozenset((image.sha256, other)) for image in images for other in image.near}),
        splits=_splits(columns),
        classes=_classes(dataset, columns, {one: count for one, other, count in met if one == other}),
        families=_families(images),
        sources=_sources(dataset, columns),
        unsourced=sum(not image.views for image in images),
        licenses=dict(sorted(licenses.items(), key=lambda item: (-item[1], item[0]))),
        license_disagreements=sum(disagreement(image) is not None for image in images),
        drawn_as=dict(Counter(map(drawn_as, annotations)).most_common()),
        drawn_by=dict(Counter(annotation.source for annotation in annotations).most_common()),
        crowds=sum(annotation.iscrowd for annotation in annotations),
        image_sizes=tuple((*size, count) for size, count in sizes.most_common(12)),
        megapixels=measures.megapixels(columns),
        box_sides=measures.box_sides(columns),
        box_shares=measures.box_shares(columns),
        coco_sizes=measures.coco_sizes(columns),
        aspect_ratios=measures.aspect_ratios(columns),
        objects_per_image=measures.objects_per_image(columns),
        co_occurrence=met,
        heat=tuple(map(tuple, measures.heat_map(columns).round(6).tolist())),
    )


def to_json(found: Statistics) -> dict[str, Any]:
    """The numbers for a script."""
    return asdict(found)


def _split_name(image: Image) -> str:
    return image.split or "none"


def _splits(columns: Columns) -> tuple[SplitRow, ...]:
    objects = np.bincount(columns.image_of, minlength=len(columns.images))
    names = sorted({_split_name(image) for image in columns.images}, key=("train", "test", "none").index)
    rows = []
    for name in names:
        inside = [
            (image, int(count))
            for image, count in zip(columns.images, objects, strict=True)
            if _split_name(image) == name
        ]
        tags = sum(len(image.tags) for image, _ in inside)
        families = len({image.family for image, _ in inside})
        rows.append(SplitRow(name, len(inside), sum(count for _, count in inside), tags, families))
    return tuple(rows)


def _classes(dataset: Dataset, columns: Columns, images_of: dict[int, int]) -> tuple[ClassRow, ...]:
    drawn = np.concatenate([columns.class_of, columns.tags % columns.classes])
    objects = np.bincount(drawn, minlength=columns.classes)
    known, shares, splits = measures.knowledge(columns), measures.median_shares(columns), _splits_by_class(columns)
    return tuple(
        ClassRow(
            category.name,
            category.kind,
            int(objects[row]),
            images_of.get(row + 1, 0),
            images_of.get(row + 1, 0) / max(len(columns.images), 1),
            {name: int(counts[row]) for name, counts in splits.items()},
            shares[row],
            *map(int, known[row]),
        )
        for row, category in enumerate(dataset.taxonomy.categories)
    )


def _splits_by_class(columns: Columns) -> dict[str, Any]:
    rows, classes = np.divmod(columns.present, columns.classes)
    names = np.array([_split_name(image) for image in columns.images], dtype=object)
    return {
        name: np.bincount(classes[names[rows] == name], minlength=columns.classes)
        for name in ("train", "test", "none")
        if name in names
    }


def _families(images: tuple[Image, ...]) -> Families:
    sizes = Counter(image.family for image in images)
    pairs = {(image.family, image.split) for image in images if image.split}
    across = Counter(family for family, _ in pairs)
    return Families(
        count=len(sizes),
        sizes=measures.histogram(np.array(list(sizes.values()), float), np.arange(1.0, 13.0)),
        largest=tuple(sizes.most_common(5)),
        across=tuple(sorted(family for family, sides in across.items() if sides > 1)),
    )


def _sources(dataset: Dataset, columns: Columns) -> tuple[SourceRow, ...]:
    objects: Counter[str] = Counter()
    images: dict[str, set[str]] = defaultdict(set)
    looked_for: dict[str, set[int]] = defaultdict(set)
    for annotation in columns.annotations:
        for origin in annotation.origins:
            objects[origin.source] += 1
            images[origin.source].add(annotation.sha256)
    for image in columns.images:
        for view in image.views:
            images[view.source].add(image.sha256)
            looked_for[view.source].update(view.category_ids)
    return tuple(
        SourceRow(name, len(found), objects[name], tuple(map(dataset.taxonomy.name, sorted(looked_for[name]))))
        for name, found in sorted(images.items(), key=lambda item: (-len(item[1]), item[0]))
    )
