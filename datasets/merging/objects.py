"""One annotation out of the originals of one object: the best of them as it is, with the origins of all."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from datasets.merging.atoms import shape_of
from datasets.records import (
    NO_SEGMENTATION,
    AnnotationRecord,
    AnnotationSource,
    Origin,
    Polygons,
    Rle,
    bbox_text,
    parse_bbox,
    parse_segmentation,
    segmentation_text,
)

Original = tuple[str, AnnotationRecord]
"""The SHA-256 of the picture that it was drawn on, and what was drawn."""

_RANK: Mapping[AnnotationSource, int] = {"manual": 0, "semi-auto": 1, "auto": 2, "file": 3}
_ENCODER = msgspec.json.Encoder(order="deterministic")


def make_object(
    originals: Sequence[Original], sha256: str, scales: Mapping[str, tuple[float, float]]
) -> AnnotationRecord:
    """The annotation that stands for these originals on the picture `sha256`.

    `scales` tells (x, y) from the pixels of each copy of it to its own. What a person drew goes before a model's and a
    file's, an outline before a bare box, the picture's own before a copy's; origins drawn otherwise keep their shape.
    """
    ordered = _distinct(originals)
    ranks = [_rank(record, is_own=place == sha256) for place, record in ordered]
    drawn_on, best = ordered[ranks.index(min(ranks))]
    shown = scaled(best, *scales[drawn_on]) if drawn_on in scales else best
    shown.origins = tuple(
        other.origins[0] if other is shown else _origin(other, place, shown, sha256) for place, other in ordered
    )
    return shown


def _distinct(originals: Sequence[Original]) -> list[Original]:
    """In canonical order; an original that came by several ways is there once."""
    keyed = {_key(record): (place, record) for place, record in originals}
    if len(keyed) < len(originals):
        told = {
            (_key(record), _ENCODER.encode(shape_of(record, place))): (place, record) for place, record in originals
        }
        return [told[key] for key in sorted(told)]
    return [keyed[key] for key in sorted(keyed)]


def _rank(record: AnnotationRecord, *, is_own: bool) -> int:
    """Who drew it, then whether there is an outline, then where: the least is best."""
    return 4 * _RANK[record.source] + 2 * (record.segmentation == NO_SEGMENTATION) + (not is_own)


def _origin(record: AnnotationRecord, drawn_on: str, shown: AnnotationRecord, sha256: str) -> Origin:
    """An original's origin, with its shape unless that is what is shown on the picture `sha256`."""
    shape, origin = shape_of(record, drawn_on), record.origins[0]
    is_alike = drawn_on == sha256 and shape.bbox_xywh == parse_bbox(shown.bbox) and shape == shape_of(shown, sha256)
    return origin if is_alike else Origin(origin.source, origin.annotation_id, origin.name, shape)


def _key(record: AnnotationRecord) -> tuple[str, str, str]:
    (origin,) = record.origins
    return (origin.source, origin.annotation_id, origin.name or "")


def scaled(record: AnnotationRecord, x: float, y: float) -> AnnotationRecord:
    """The same shape in a picture that is x times as wide and y times as high. A mask becomes its box."""
    left, top, width, height = parse_bbox(record.bbox)
    segmentation = parse_segmentation(record.segmentation)
    return replace(
        record,
        bbox=bbox_text((left * x, top * y, width * x, height * y)),
        area=record.area * x * y,
        iscrowd=0 if isinstance(segmentation, Rle) else record.iscrowd,
        segmentation=segmentation_text(() if isinstance(segmentation, Rle) else _scaled(segmentation, x, y)),
    )


def _scaled(polygons: Polygons, x: float, y: float) -> Polygons:
    return tuple(tuple(value * (y if place % 2 else x) for place, value in enumerate(ring)) for ring in polygons)
