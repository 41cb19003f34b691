"""Annotations taken apart into their atomic originals, as columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter

import numpy as np
from msgspec import UNSET
from msgspec.structs import replace
from numpy.typing import NDArray

from datasets.digests import annotation_columns, boxes_of, column, hundredths
from datasets.records import (
    AnnotationRecord,
    CocoFile,
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


def take_apart(files: Iterable[tuple[str, CocoFile]], picture_of: Mapping[str, int]) -> Atoms:
    """The originals of all annotations in files of (source name, content). The files' records are used up.

    An annotation without origins is itself an original: the file's source, and its number there.
    """
    records: list[AnnotationRecord] = []
    pictures: list[int] = []
    names: list[str] = []
    for name, content in files:
        place = {image.id: picture_of[image.sha256] for image in content.images}
        plain, merged = _apart(content.annotations)
        bare = [record for record in plain if not record.origins]
        for record in bare:
            record.origins = (Origin(name, str(record.id)),) if name else _NAMELESS
        records += plain
        pictures += map(place.__getitem__, map(attrgetter("image_id"), plain))
        names += [name] * len(plain) if len(bare) == len(plain) else [record.origins[0].source for record in plain]
        for record in merged:
            for origin in record.origins:
                records.append(_original(record, origin))
                pictures.append(picture_of[origin.shape.sha256] if origin.shape else place[record.image_id])
                names.append(origin.source)
    source_names = sorted(set(names))
    codes = {name: code for code, name in enumerate(source_names)}
    sources = column(map(codes.__getitem__, names), len(names))
    columns = annotation_columns(records, hundredths(boxes_of(records)))
    return Atoms(records, np.array(pictures, np.int64), sources, source_names, columns)


def _apart(records: list[AnnotationRecord]) -> tuple[list[AnnotationRecord], list[AnnotationRecord]]:
    """Those that are originals themselves, and those that were made of others or drawn elsewhere."""
    origins = list(map(attrgetter("origins"), records))
    if origins.count(()) == len(origins):
        return records, []
    whole = [len(told) < 2 and not (told and told[0].shape) for told in origins]
    return list(compress(records, whole)), [
        record for record, is_whole in zip(records, whole, strict=True) if not is_whole
    ]


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
