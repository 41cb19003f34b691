"""One annotation out of the originals of one object: the best of them as it is, with the origins of all."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from datasets.merging.atoms import shape_of
from datasets.records import (
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
    drawn_on, best = min(ordered, key=lambda one: _preference(one[1], is_own=one[0] == sha256))
    shown = scaled(best, *scales[drawn_on]) if drawn_on in scales else best
    origins = tuple(
        other.origins[0] if _is_drawn_alike(other, shown) and place == sha256 else _with_shape(other, place)
        for place, other in ordered
    )
    shown.origins = origins
    return shown


def _distinct(originals: Sequence[Original]) -> list[Original]:
    """In canonical order; an original that came by several ways is there once."""
    keyed = {_key(original[1].origins[0]): original for original in originals}
    if len(keyed) == len(originals):
        return [keyed[key] for key in sorted(keyed)]
    ordered = originals
    told = {(_key(r.origins[0]), _ENCODER.encode(shape_of(r, place))): (place, r) for place, r in ordered}
    return [told[key] for key in sorted(told)]


def _preference(record: AnnotationRecord, *, is_own: bool) -> int:
    """Who drew it, then whether there is an outline, then where: the least is best."""
    return 4 * _RANK[record.source] + 2 * (len(bytes(record.segmentation)) <= len(b"[]")) + (not is_own)


def _is_drawn_alike(one: AnnotationRecord, other: AnnotationRecord) -> bool:
    if one is other:
        return True
    return parse_bbox(one.bbox) == parse_bbox(other.bbox) and shape_of(one, "") == shape_of(other, "")


def _with_shape(record: AnnotationRecord, drawn_on: str) -> Origin:
    return replace(record.origins[0], shape=shape_of(record, drawn_on))


def _key(origin: Origin) -> tuple[str, str, str]:
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
