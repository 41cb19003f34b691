"""Turning and clipping what was drawn. Boxes are xywh, polygons x1, y1, x2, y2, …, in pixels; masks are COCO's RLE."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from datasets.coco import BboxXywh, Polygons, Rle
from datasets.importing.runs import decode_mask

Points = tuple[float, ...]
Size = tuple[int, int]

# EXIF's orientations 2 to 8: a point of the raw image (size w, h) to its place in the upright one.
_UPRIGHT: dict[int, Callable[[float, float, float, float], tuple[float, float]]] = {
    1: lambda x, y, w, h: (x, y),
    2: lambda x, y, w, h: (w - x, y),
    3: lambda x, y, w, h: (w - x, h - y),
    4: lambda x, y, w, h: (x, h - y),
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (h - y, x),
    7: lambda x, y, w, h: (h - y, w - x),
    8: lambda x, y, w, h: (y, w - x),
}
_UPRIGHT_MASK: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda m: m,
    2: np.fliplr,
    3: lambda m: np.rot90(m, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda m: np.rot90(m, -1),
    7: lambda m: np.rot90(m, 2).T,
    8: np.rot90,
}


def clip_box(bbox_xywh: BboxXywh, width: float, height: float) -> BboxXywh | None:
    """The part of a box inside an image; None when there is none. A box that is inside comes back digit by digit."""
    x, y, box_width, box_height = bbox_xywh
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + box_width, float(width)), min(y + box_height, float(height))
    if not (right > left and bottom > top):
        return None
    if (left, top, right, bottom) == (x, y, x + box_width, y + box_height):
        return bbox_xywh  # as given: a difference of sums would change its last digits
    return (left, top, right - left, bottom - top)


def clip_polygon(points: Points, width: float, height: float) -> Points:
    """The part of a polygon inside an image, by Sutherland and Hodgman; empty when it has no area there."""
    if all(0 <= x <= width for x in points[::2]) and all(0 <= y <= height for y in points[1::2]):
        return points if len(points) >= 6 else ()
    corners = list(zip(points[::2], points[1::2], strict=True))
    for axis, bound, sign in ((0, 0.0, 1), (0, float(width), -1), (1, 0.0, 1), (1, float(height), -1)):
        corners = _clip_to_side(corners, axis, bound, sign)
    clipped = tuple(value for corner in corners for value in corner)
    return clipped if bounds(clipped) else ()


def _clip_to_side(
    corners: Sequence[tuple[float, float]], axis: int, bound: float, sign: int
) -> list[tuple[float, float]]:
    """What lies at or above `bound` along an axis (sign 1), or at or below it (sign -1)."""
    kept: list[tuple[float, float]] = []
    for number, corner in enumerate(corners):
        before = corners[number - 1]
        inside, was_inside = sign * (corner[axis] - bound) >= 0, sign * (before[axis] - bound) >= 0
        if inside != was_inside:
            share = (bound - before[axis]) / (corner[axis] - before[axis])
            other = before[1 - axis] + share * (corner[1 - axis] - before[1 - axis])
            kept.append((bound, other) if axis == 0 else (other, bound))
        if inside:
            kept.append(corner)
    return kept


def bounds(points: Points) -> BboxXywh | None:
    """The box around points; None when it has no area, or there are no points."""
    if not points or not all(map(math.isfinite, points)):
        return None
    left, top = min(points[::2]), min(points[1::2])
    width, height = max(points[::2]) - left, max(points[1::2]) - top
    return (left, top, width, height) if width > 0 and height > 0 else None


def turn_points(points: Points, orientation: int, raw: Size) -> Points:
    """Points of the raw image (width, height) in the upright one; `orientation` is EXIF's, 1 to 8."""
    turn = _UPRIGHT[orientation]
    pairs = zip(points[::2], points[1::2], strict=True)
    return tuple(value for x, y in pairs for value in turn(x, y, *raw))


def turn_box(bbox_xywh: BboxXywh, orientation: int, raw: Size) -> BboxXywh:
    """A box of the raw image (width, height) in the upright one."""
    x, y, width, height = bbox_xywh
    x1, y1, x2, y2 = turn_points((x, y, x + width, y + height), orientation, raw)
    return (min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1))


def turn_mask(rle: Rle, orientation: int) -> Rle:
    """A mask of the raw image in the upright one."""
    return encode_mask(_UPRIGHT_MASK[orientation](decode_mask(rle))) if orientation != 1 else rle


def encode_mask(pixels: NDArray[Any]) -> Rle:
    """A mask (height, width) of zeros and others, as run lengths."""
    encoded = coco_mask.encode(np.asfortranarray(pixels != 0, dtype=np.uint8))
    return Rle((pixels.shape[0], pixels.shape[1]), encoded["counts"].decode("ascii"))


def mask_box(rle: Rle) -> BboxXywh | None:
    """The box around a mask; None when it is empty."""
    x, y, width, height = coco_mask.toBbox({"size": list(rle.size), "counts": rle.counts.encode("ascii")}).tolist()
    return (x, y, width, height) if width > 0 and height > 0 else None


def scale_polygons(polygons: Polygons, across: float, down: float) -> Polygons:
    """Polygons in an image that is so many times as wide and as high."""
    return tuple(tuple(value * (down if at % 2 else across) for at, value in enumerate(one)) for one in polygons)


def scale_box(bbox_xywh: BboxXywh, across: float, down: float) -> BboxXywh:
    """A box in an image that is so many times as wide and as high."""
    x, y, width, height = bbox_xywh
    return (x * across, y * down, width * across, height * down)
