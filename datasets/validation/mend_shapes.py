"""Repairs of sizes, boxes, polygons, masks, areas and iscrowd. Boxes are xywh, all in pixels."""

import math
from collections.abc import Iterator
from typing import Any

from datasets.geometry import bounds, clip_box, clip_polygon
from datasets.records import BboxXywh
from datasets.rle import parse_mask
from datasets.validation.boxes import SLACK
from datasets.validation.columns import MOST_SIDE
from datasets.validation.draft import Draft
from datasets.validation.images import Picture
from datasets.validation.mend_ids import Known, Mender, Rows, as_integer
from datasets.validation.text import is_finite, is_number

Size = tuple[float, float]
_NOWHERE: Size = (math.inf, math.inf)


def mend_sizes(draft: Draft, rows: Rows, known: Known) -> None:
    for row, image in draft.live("images", rows.get("images", ())):
        declared = [_side(image.get(key)) for key in ("width", "height")]
        picture = known.pictures.get(str(image.get("file_name")))
        if None in declared and picture is not None:
            declared = list(_upright(picture))
        for key, side in zip(("width", "height"), declared, strict=True):
            if side is not None:
                draft.put("bad-size", "images", row, key, side)


def _side(value: Any) -> int | None:
    number = value if type(value) is int else as_integer(value)
    return number if number is not None and 0 < number <= MOST_SIDE else None


def _upright(picture: Picture) -> tuple[int, int]:
    size = (picture.width, picture.height)
    return (size[1], size[0]) if picture.orientation >= 5 else size


def sizes_by_image(draft: Draft, known: Known) -> dict[Any, Size | None]:
    """Declared size by image id: without bounds where it is unknown, None where the image's pixels contradict it."""
    sizes: dict[Any, Size | None] = {}
    for _, image in draft.everything("images"):
        width, height = _side(image.get("width")), _side(image.get("height"))
        size: Size | None = _NOWHERE if width is None or height is None else (width, height)
        picture = known.pictures.get(str(image.get("file_name")))
        if picture is not None and size not in (_NOWHERE, (picture.width, picture.height), _upright(picture)):
            size = None
        sizes.setdefault(image.get("id"), size)
    return sizes


def mend_boxes(code: str, *, needs_size: bool = False) -> Mender:
    """Clip a box, or take the extent of the annotation's shape; what has neither is dropped.

    What is wrong only by the image's size is left where the image's pixels contradict that size.
    """

    def mend(draft: Draft, rows: Rows, known: Known) -> None:
        sizes = sizes_by_image(draft, known)
        for row, annotation in draft.live("annotations", rows.get("annotations", ())):
            image_id = annotation.get("image_id")
            size = sizes.get(image_id, _NOWHERE) if isinstance(image_id, int) else _NOWHERE
            if size is None and needs_size:
                continue
            found = (_part_inside(bbox_xywh, size or _NOWHERE) for bbox_xywh in _candidates(annotation))
            bbox_xywh = next((bbox_xywh for bbox_xywh in found if bbox_xywh is not None), None)
            if bbox_xywh is None:
                draft.drop(code, "annotations", row)
            else:
                draft.put(code, "annotations", row, "bbox", list(bbox_xywh))
                draft.reshaped.add(draft.origins["annotations"][row])

    return mend


def _candidates(annotation: dict[str, Any]) -> Iterator[BboxXywh]:
    """What an annotation's box may be: as it is, as numbers where it is texts, its polygons' or its mask's extent."""
    bbox = annotation.get("bbox")
    if isinstance(bbox, list) and len(bbox) == 4:
        x, y, width, height = map(_number, bbox)
        if is_finite(x) and is_finite(y) and is_finite(width) and is_finite(height):
            yield x, y, width, height
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, list):
        around = bounds([side for polygon in segmentation if is_polygon(polygon) for side in polygon])
        if around is not None:
            yield around
    if isinstance(segmentation, dict):
        try:
            around = parse_mask(segmentation).bbox_xywh
        except ValueError:  # a broken mask has no extent, and a finding of its own
            return
        if around is not None:
            yield around


def _number(value: Any) -> float | None:
    if is_number(value):
        return value  # type: ignore[no-any-return]
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _part_inside(bbox_xywh: BboxXywh, size: Size) -> BboxXywh | None:
    """The part of a box inside an image of (width, height), or the whole when only its SLACK reaches out."""
    x, y, width, height = bbox_xywh
    inside = clip_box(bbox_xywh, *size)
    whole = x >= -SLACK and y >= -SLACK and x + width <= size[0] + SLACK and y + height <= size[1] + SLACK
    return bbox_xywh if inside and whole else inside


def is_polygon(value: Any) -> bool:
    """Whether it is x, y, x, y... of three points or more."""
    return isinstance(value, list) and len(value) >= 6 and len(value) % 2 == 0 and all(map(is_finite, value))


def keep_polygons(code: str) -> Mender:
    """Keep those parts of a segmentation that are polygons."""

    def mend(draft: Draft, rows: Rows, _known: Known) -> None:
        for row, annotation in draft.live("annotations", rows.get("annotations", ())):
            segmentation = annotation.get("segmentation")
            parts = segmentation if isinstance(segmentation, list) else []
            parts = [parts] if is_polygon(parts) else parts
            draft.put(code, "annotations", row, "segmentation", [part for part in parts if is_polygon(part)])
            draft.reshaped.add(draft.origins["annotations"][row])

    return mend


def clip_polygons(draft: Draft, rows: Rows, known: Known) -> None:
    sizes = sizes_by_image(draft, known)
    for row, annotation in draft.live("annotations", rows.get("annotations", ())):
        image_id = annotation.get("image_id")
        size = sizes.get(image_id) if isinstance(image_id, int) else None
        if size is None:
            continue
        clipped = (clip_polygon(tuple(part), *size) for part in annotation["segmentation"] if is_polygon(part))
        draft.put("polygon-outside", "annotations", row, "segmentation", [list(part) for part in clipped if part])
        draft.reshaped.add(draft.origins["annotations"][row])


def drop_masks(draft: Draft, rows: Rows, _known: Known) -> None:
    for row, _ in draft.live("annotations", rows.get("annotations", ())):
        draft.put("rle-broken", "annotations", row, "segmentation", [])
        draft.reshaped.add(draft.origins["annotations"][row])


def mend_crowds(draft: Draft, rows: Rows, _known: Known) -> None:
    for row, annotation in draft.live("annotations", rows.get("annotations", ())):
        given = annotation.get("iscrowd")
        is_mask = isinstance(annotation.get("segmentation"), dict)
        told = {"true": 1, "1": 1, "1.0": 1}.get(str(given).strip().lower(), 0 if _says_no(given) else int(is_mask))
        draft.put("bad-iscrowd", "annotations", row, "iscrowd", told)


def _says_no(value: Any) -> bool:
    return str(value).strip().lower() in ("false", "0", "0.0")


def mend_areas(code: str) -> Mender:
    """Write the shape's area in square pixels."""

    def mend(draft: Draft, rows: Rows, known: Known) -> None:
        for row, annotation in draft.live("annotations", rows.get("annotations", ())):
            area = float(known.shapes.high[row])
            if not is_finite(annotation.get("area")) or annotation["area"] != area:
                draft.put(code, "annotations", row, "area", area if math.isfinite(area) else 0.0)

    return mend


def mend_reshaped_areas(draft: Draft, known: Known) -> None:
    """Write the area of every annotation whose shape was changed."""
    origins = draft.origins["annotations"]
    rows = [row for row, origin in enumerate(origins) if origin in draft.reshaped]
    mend_areas("area-mismatch")(draft, {"annotations": rows}, known)
    draft.reshaped.clear()
