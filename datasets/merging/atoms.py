"""Annotations taken apart into their atomic originals, as columns."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import compress

import numpy as np
from msgspec import UNSET
from msgspec.structs import replace
from numpy.typing import NDArray

from datasets.digests import annotation_columns
from datasets.merging.sources import Source
from datasets.records import (
    AnnotationRecord,
    Origin,
    Shape,
    bbox_text,
    parse_bbox,
    parse_segmentation,
    segmentation_text,
)

NAMELESS = Origin("", "")
_NAMELESS = (NAMELESS,)


@dataclass(frozen=True)
class Atoms:
    """N originals: each record has exactly one origin, without a shape, and lies in the pixels of its picture.

    `pictures` (N,) are places in `sha256s`, `sources` (N,) in `source_names`; `columns` (N, 9) are a digest's, without
    the image's.
    """

    records: list[AnnotationRecord]
    pictures: NDArray[np.int64]
    sources: NDArray[np.int64]
    source_names: list[str]
    columns: NDArray[np.int64]

    @property
    def hands(self) -> NDArray[np.int64]:
        """Who drew what where: a number for each pair of source and picture, (N,)."""
        return self.sources * (int(self.pictures.max(initial=0)) + 1) + self.pictures


def take_apart(sources: Iterable[Source], picture_of: Mapping[str, int]) -> Atoms:
    """The originals of all annotations; the sources' records are used up.

    An annotation without origins is itself an original: the source's, and its number there.
    """
    records: list[AnnotationRecord] = []
    pictures: list[NDArray[np.int64]] = []
    for source in sources:
        annotations = source.content.annotations
        numbers = np.array([picture_of[image.sha256] for image in source.content.images], np.int64)
        shown_on = numbers[source.images]
        are_originals = np.array([_is_original(annotation) for annotation in annotations], bool)
        originals = list(compress(annotations, are_originals))
        _name(originals, source.name)
        made = list(_originals(compress(annotations, ~are_originals), shown_on[~are_originals], picture_of))
        records += [*originals, *(record for record, _ in made)]
        pictures += [shown_on[are_originals], np.array([picture for _, picture in made], np.int64)]
    names = [record.origins[0].source for record in records]
    source_names = sorted(set(names))
    codes = {name: code for code, name in enumerate(source_names)}
    return Atoms(
        records=records,
        pictures=np.concatenate([np.empty(0, np.int64), *pictures]),
        sources=np.array([codes[name] for name in names], np.int64),
        source_names=source_names,
        columns=annotation_columns(records),
    )


def _is_original(annotation: AnnotationRecord) -> bool:
    """Neither made of others nor drawn elsewhere."""
    origins = annotation.origins
    return not origins or (len(origins) == 1 and origins[0].shape is None)


def _name(originals: Iterable[AnnotationRecord], source: str) -> None:
    for record in originals:
        if not record.origins:
            record.origins = (Origin(source, str(record.id)),) if source else _NAMELESS


def _originals(
    annotations: Iterable[AnnotationRecord], pictures: NDArray[np.int64], picture_of: Mapping[str, int]
) -> Iterator[tuple[AnnotationRecord, int]]:
    """What made these annotations, and the picture that it was drawn on."""
    for annotation, picture in zip(annotations, pictures.tolist(), strict=True):
        for origin in annotation.origins:
            yield _original(annotation, origin), picture_of[origin.shape.sha256] if origin.shape else picture


def _original(record: AnnotationRecord, origin: Origin) -> AnnotationRecord:
    if origin.shape is None:
        return replace(record, origins=(origin,))
    shape = origin.shape
    return AnnotationRecord(
        id=0,
        image_id=0,
        category_id=shape.category_id,
        bbox=bbox_text(shape.bbox_xywh),
        area=shape.area,
        iscrowd=int(shape.iscrowd),
        segmentation=segmentation_text(shape.segmentation),
        source=shape.source,
        origins=(replace(origin, shape=None),),
        attributes=dict(shape.attributes) or UNSET,
        score=UNSET if shape.score is None else shape.score,
        track_id=UNSET if shape.track_id is None else shape.track_id,
    )


def shape_of(record: AnnotationRecord, sha256: str) -> Shape:
    """How an original was drawn, on the picture of that SHA-256; a zero has no sign."""
    x, y, width, height = parse_bbox(record.bbox)
    segmentation = parse_segmentation(record.segmentation)
    if isinstance(segmentation, tuple) and b"-0" in bytes(record.segmentation):
        segmentation = tuple(tuple(value + 0.0 for value in ring) for ring in segmentation)
    return Shape(
        sha256=sha256,
        category_id=record.category_id,
        bbox_xywh=(x + 0.0, y + 0.0, width + 0.0, height + 0.0),
        area=float(record.area),
        segmentation=segmentation,
        iscrowd=bool(record.iscrowd),
        attributes=record.attributes or {},
        score=None if record.score is UNSET else record.score,
        source=record.source,
        track_id=None if record.track_id is UNSET else record.track_id,
    )
