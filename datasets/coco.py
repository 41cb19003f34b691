"""Datasets in memory, and as COCO files. Boxes are xywh: absolute pixels of the upright image, origin top left.

Beyond COCO, per image: `sha256`, `family`, `split`, `source`, `tags`, `neg_category_ids`, `not_exhaustive_category_ids`
(both as in LVIS), `views`, `copies`, `near`, `derived_from`, `deleted`; per annotation: `attributes`, `score`,
`source`, `track_id`, `origins`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, eq
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, replace
from pycocotools import mask

from datasets.errors import BadDataset
from datasets.geometry import polygon_area
from datasets.records import (
    Annotation,
    AnnotationRecord,
    AnnotationSource,
    BboxXywh,
    CocoFile,
    Copy,
    Image,
    ImageRecord,
    Origin,
    Polygons,
    Provenance,
    Rle,
    Shape,
    Split,
    Tag,
    View,
    bbox_text,
    category_records,
    parse_bbox,
    parse_segmentation,
    read_records,
    segmentation_text,
    write_records,
)
from datasets.taxonomy import Taxonomy

__all__ = [
    "Annotation", "AnnotationSource", "BboxXywh", "Copy", "Dataset", "Image", "Origin", "Polygons", "Provenance", "Rle",
    "Shape", "Split", "Tag", "View", "from_records", "make_dataset", "read_coco", "to_records",
    "with_negatives", "write_coco",
]  # fmt: skip

_FIELDS = attrgetter(*Image.__struct_fields__)
_CANONICAL = msgspec.json.Encoder(order="deterministic", enc_hook=float)  # numpy's numbers are numbers


@dataclass(frozen=True)
class Dataset:
    """Images and their annotations under one taxonomy, both in canonical order."""

    taxonomy: Taxonomy
    images: tuple[Image, ...] = ()
    annotations: tuple[Annotation, ...] = ()

    @cached_property
    def by_sha256(self) -> dict[str, Image]:
        return {image.sha256: image for image in self.images}

    @cached_property
    def annotations_of(self) -> Mapping[str, list[Annotation]]:
        """Annotations by their image's SHA-256; an image without any has an empty list."""
        grouped: dict[str, list[Annotation]] = defaultdict(list)
        for annotation in self.annotations:
            grouped[annotation.sha256].append(annotation)
        return grouped

    @cached_property
    def live(self) -> "Dataset":
        """The same without tombstones: images that annotators deleted."""
        kept = [image.sha256 for image in self.images if not image.deleted]
        return self if len(kept) == len(self.images) else self.only(kept)

    def known_category_ids(self, sha256: str) -> set[int]:
        """The classes this image was annotated for; any other class is unknown there, not absent."""
        image = self.by_sha256[sha256]
        present = {a.category_id for a in self.annotations_of.get(sha256, ())} | {t.category_id for t in image.tags}
        return (present | set(image.neg_category_ids)) - set(image.not_exhaustive_category_ids)

    def only(self, sha256s: Iterable[str]) -> "Dataset":
        """The part of it on these images."""
        wanted = set(sha256s)
        return make_dataset(
            self.taxonomy,
            (image for image in self.images if image.sha256 in wanted),
            (annotation for annotation in self.annotations if annotation.sha256 in wanted),
        )


def make_dataset(taxonomy: Taxonomy, images: Iterable[Image], annotations: Iterable[Annotation]) -> Dataset:
    """A dataset in canonical order: images by SHA-256, annotations by image, class, place, then all else."""
    return Dataset(
        taxonomy,
        tuple(sorted(images, key=lambda image: image.sha256)),
        _in_canonical_order(annotations),
    )


def _in_canonical_order(annotations: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """All else is looked at only where some share a place, for it takes longest."""
    ordered = sorted(annotations, key=_place)
    places = list(map(_place, ordered))
    if any(map(eq, places, places[1:])):
        ordered.sort(key=lambda annotation: (*_place(annotation), _CANONICAL.encode(annotation)))
    return tuple(ordered)


def _place(annotation: Annotation) -> tuple[Any, ...]:
    return (annotation.sha256, annotation.category_id, annotation.bbox_xywh)


def with_negatives(dataset: Dataset, annotated_ids: Iterable[int]) -> Dataset:
    """Say that every image was searched for these classes: the ones not found there are absent."""
    annotated = set(annotated_ids)

    def absent(image: Image) -> tuple[int, ...]:
        present = {a.category_id for a in dataset.annotations_of.get(image.sha256, ())}
        present |= {tag.category_id for tag in image.tags}
        return tuple(sorted(annotated - present))

    images = (replace(image, neg_category_ids=absent(image)) for image in dataset.images)
    return make_dataset(dataset.taxonomy, images, dataset.annotations)


def to_records(dataset: Dataset) -> CocoFile:
    """The dataset as it lies in a file, numbered in canonical order from 1."""
    image_ids = {image.sha256: number for number, image in enumerate(dataset.images, start=1)}
    return CocoFile(
        category_records(dataset.taxonomy),
        [ImageRecord(**asdict(image), id=image_ids[image.sha256]) for image in dataset.images],
        [
            _annotation_record(annotation, number, image_ids[annotation.sha256])
            for number, annotation in enumerate(dataset.annotations, start=1)
        ],
    )


def _annotation_record(annotation: Annotation, number: int, image_id: int) -> AnnotationRecord:
    return AnnotationRecord(
        id=number,
        image_id=image_id,
        category_id=annotation.category_id,
        bbox=bbox_text(annotation.bbox_xywh),
        area=_area(annotation),
        iscrowd=int(annotation.iscrowd),
        segmentation=segmentation_text(annotation.segmentation),
        source=annotation.source,
        origins=annotation.origins,
        attributes=dict(annotation.attributes) or UNSET,
        score=UNSET if annotation.score is None else annotation.score,
        track_id=UNSET if annotation.track_id is None else annotation.track_id,
    )


def _area(annotation: Annotation) -> float:
    """Square pixels of the mask, else of the polygons (each by itself), else of the box."""
    if isinstance(annotation.segmentation, Rle):
        return float(mask.area({"size": list(annotation.segmentation.size), "counts": annotation.segmentation.counts}))
    if annotation.segmentation:
        return sum(map(polygon_area, annotation.segmentation))
    return annotation.bbox_xywh[2] * annotation.bbox_xywh[3]


def from_records(content: CocoFile, taxonomy: Taxonomy) -> Dataset:
    """The inverse of `to_records`. Raises KeyError for an annotation of no image, ValueError for broken shapes."""
    sha256_of = {image.id: image.sha256 for image in content.images}
    images = [Image(*_FIELDS(image)) for image in content.images]
    annotations = [_annotation(record, sha256_of[record.image_id]) for record in content.annotations]
    return make_dataset(taxonomy, images, annotations)


def _annotation(record: AnnotationRecord, sha256: str) -> Annotation:
    return Annotation(
        sha256=sha256,
        category_id=record.category_id,
        bbox_xywh=parse_bbox(record.bbox),
        attributes=record.attributes or {},
        score=None if record.score is UNSET else record.score,
        source=record.source,
        origins=record.origins,
        segmentation=parse_segmentation(record.segmentation),
        iscrowd=bool(record.iscrowd),
        track_id=None if record.track_id is UNSET else record.track_id,
    )


def read_coco(path: Path, taxonomy: Taxonomy) -> Dataset:
    """A file written by `write_coco`. Raises BadDataset when it is missing, broken, foreign or of other classes."""
    return from_own_records(read_records(path), taxonomy, told_in=path)


def from_own_records(content: CocoFile, taxonomy: Taxonomy, *, told_in: Path) -> Dataset:
    """What `read_coco` makes of a file that was read already. Raises BadDataset likewise."""
    if content.categories != category_records(taxonomy):
        named = [category.name for category in content.categories]
        raise BadDataset(
            f"{told_in} has the classes {named}, the project has {taxonomy.names()}; make the dataset again"
        )
    try:
        return from_records(content, taxonomy)
    except (KeyError, ValueError) as error:
        raise BadDataset(
            f"{told_in} is not a Carloop dataset: {type(error).__name__} {error}; import it first"
        ) from None


def write_coco(dataset: Dataset, path: Path) -> None:
    """Write the dataset as COCO, readable by pycocotools."""
    write_records(to_records(dataset), path)
