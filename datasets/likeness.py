"""How alike two shapes are, in [0, 1]: IoU, and whether one is the other to the pixel.

Regions (rectangles, ellipses, polygons and masks, turned or not) are compared by what they cover, a cuboid by the hull
of its corners. Lines, points and skeletons cover nothing, so they count as drawn with a round pen: its radius is 10 px,
or 5 % of the diagonal of the shape's extent where that is more.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from datasets.crops import Crop, crop_of, window_of
from datasets.labelled import BboxXyxy, LabelledObject
from datasets.outlines import corners, drawn_extent, outline
from datasets.records import Rle
from datasets.rle import decode_mask

MAX_SHIFT = 1.0
"""Pixels that a corner may be moved by in an object that counts as left as it was."""
MAX_TURN = 1.0
"""Degrees, likewise."""
_REGIONS = ("rectangle", "ellipse", "polygon", "mask")
_PEN, _PEN_SHARE = 10.0, 0.05
_FLOAT_DUST = 1e-6


def family(labelled: LabelledObject) -> str:
    """Kinds of one family may stand for the same object: `region`, or each other kind for itself."""
    return "region" if labelled.kind in _REGIONS else labelled.kind


def alike_pairs(one: Sequence[LabelledObject], other: Sequence[LabelledObject]) -> Iterator[tuple[int, int, float]]:
    """Places in both, and the likeness, of every pair of one family whose extents meet; tags have none."""
    extents = [(j, family(labelled), box) for j, labelled in enumerate(other) if (box := _inked_extent(labelled))]
    for i, labelled in enumerate(one):
        if (extent := _inked_extent(labelled)) is None:
            continue
        (left, top, right, bottom), name = extent, family(labelled)
        for j, other_name, (x1, y1, x2, y2) in extents:
            if x1 < right and left < x2 and y1 < bottom and top < y2 and name == other_name:
                yield i, j, likeness(labelled, other[j])


def likeness(one: LabelledObject, other: LabelledObject) -> float:
    """The likeness of two shapes with points, whatever their kinds. Raises BadDataset for a mask that is broken."""
    if _is_upright(one) and _is_upright(other):
        return _box_iou(one.points, other.points)
    if _geometry(one) == _geometry(other):
        return 1.0
    if "mask" in (one.kind, other.kind):
        return _pixel_iou(one, other)
    region, other_region = _region(one), _region(other)
    union = region.union(other_region).area
    return float(region.intersection(other_region).area / union) if union else 0.0


def is_unmoved(one: LabelledObject, other: LabelledObject) -> bool:
    """Whether both are of one kind, with corners (a mask's edges) within 1 px and turned within 1 degree.

    Also for what annotators say of the shape itself: occluded, and what a skeleton's elements are.
    """
    if one.kind != other.kind or one.occluded != other.occluded:
        return False
    if one.kind == "mask":
        return one.points == other.points or _within_a_pixel(crop_of(one.points), crop_of(other.points))
    if one.kind == "skeleton":
        return _same_elements(one.elements, other.elements)
    turn = abs((one.rotation - other.rotation + 180) % 360 - 180)
    return turn <= MAX_TURN + _FLOAT_DUST and _are_close(corners(one), corners(other))


def _same_elements(one: Sequence[LabelledObject], other: Sequence[LabelledObject]) -> bool:
    named, others = ({element.category: element for element in elements} for elements in (one, other))
    return named.keys() == others.keys() and all(
        element.outside == others[name].outside
        and element.attributes == others[name].attributes
        and is_unmoved(element, others[name])
        for name, element in named.items()
    )


def _are_close(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) == len(other) and all(
        abs(a - b) <= MAX_SHIFT + _FLOAT_DUST for a, b in zip(one, other, strict=True)
    )


def _within_a_pixel(one: Crop, other: Crop) -> bool:
    """Whether each mask lies inside the other when that is a pixel wider on all sides."""
    from scipy.ndimage import binary_dilation

    window = _joint_window(_crop_box(one), _crop_box(other), margin=1)
    a, b = window_of(one, *window), window_of(other, *window)
    around = np.ones((3, 3), bool)
    return not (a & ~binary_dilation(b, around)).any() and not (b & ~binary_dilation(a, around)).any()


def _geometry(labelled: LabelledObject) -> tuple[object, ...]:
    return (labelled.kind, labelled.points, labelled.rotation, labelled.elements)


def _is_upright(labelled: LabelledObject) -> bool:
    return labelled.kind == "rectangle" and not labelled.rotation


def _box_iou(one: Sequence[float], other: Sequence[float]) -> float:
    (x1, y1, x2, y2), (a1, b1, a2, b2) = one, other
    overlap = max(min(x2, a2) - max(x1, a1), 0.0) * max(min(y2, b2) - max(y1, b1), 0.0)
    union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - overlap
    return overlap / union if union > 0 else float(one == other)


def _inked_extent(labelled: LabelledObject) -> BboxXyxy | None:
    """The box around a shape, with its line's width where it is a line; None for what has no place."""
    box = drawn_extent(labelled)
    if box is None or labelled.kind not in _PENNED:
        return box
    left, top, right, bottom = box
    radius = _pen(labelled)
    return (left - radius, top - radius, right + radius, bottom + radius)


def _pen(labelled: LabelledObject) -> float:
    left, top, right, bottom = labelled.bbox_xyxy or (0.0, 0.0, 0.0, 0.0)
    return max(_PEN, _PEN_SHARE * math.hypot(right - left, bottom - top))


def _region(labelled: LabelledObject) -> Any:
    """What a shape covers, as shapely has it; nothing where it has too few points."""
    import shapely  # takes a tenth of a second, and boxes need none of it

    if labelled.kind in _PENNED:
        return _PENNED[labelled.kind](labelled).buffer(_pen(labelled))
    if labelled.kind == "cuboid":
        return shapely.MultiPoint(_pairs(labelled.points)).convex_hull
    pairs = _pairs(outline(labelled))
    return shapely.make_valid(shapely.Polygon(pairs)) if len(pairs) > 2 else shapely.Polygon()


def _line(labelled: LabelledObject) -> Any:
    import shapely

    pairs = _pairs(labelled.points)
    return shapely.LineString(pairs) if len(pairs) > 1 else shapely.MultiPoint(pairs)


def _points(labelled: LabelledObject) -> Any:
    import shapely

    parts = [labelled, *(element for element in labelled.elements if not element.outside)]
    return shapely.MultiPoint([pair for part in parts for pair in _pairs(part.points)])


_PENNED: Mapping[str, Callable[[LabelledObject], Any]] = {"polyline": _line, "points": _points, "skeleton": _points}


def _pairs(points: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(points[::2], points[1::2], strict=True))


def _pixel_iou(one: LabelledObject, other: LabelledObject) -> float:
    extent, other_extent = _inked_extent(one), _inked_extent(other)
    if extent is None or other_extent is None:
        return 0.0
    window = _joint_window(extent, other_extent)
    a, b = _pixels(one, window), _pixels(other, window)
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 0.0


_Window = tuple[int, int, int, int]
"""Left, top, width and height in whole pixels."""


def _joint_window(one: BboxXyxy, other: BboxXyxy, margin: int = 0) -> _Window:
    left, top = (math.floor(min(one[axis], other[axis])) - margin for axis in (0, 1))
    right, bottom = (math.ceil(max(one[axis], other[axis])) + margin for axis in (2, 3))
    return (left, top, right - left, bottom - top)


def _crop_box(crop: Crop) -> BboxXyxy:
    height, width = crop.pixels.shape
    return (crop.left, crop.top, crop.left + width, crop.top + height)


def _pixels(labelled: LabelledObject, window: _Window) -> NDArray[np.bool_]:
    """A window's pixels (height, width) that a shape covers, as pycocotools counts them where it is no mask."""
    left, top, width, height = window
    if labelled.kind == "mask":
        return window_of(crop_of(labelled.points), *window)
    region = _region(labelled)
    rings = [ring for part in getattr(region, "geoms", [region]) for ring in _ring(part, left, top)]
    if not rings:
        return np.zeros((height, width), bool)
    merged = coco_mask.merge(coco_mask.frPyObjects(rings, height, width))
    return decode_mask(Rle((height, width), merged["counts"].decode())).pixels > 0


def _ring(part: Any, left: int, top: int) -> list[list[float]]:
    """A polygon's outer ring in a window's pixels; nothing for a stray line or point."""
    if part.geom_type != "Polygon" or part.is_empty:
        return []
    return [[value for x, y in part.exterior.coords[:-1] for value in (x - left, y - top)]]
