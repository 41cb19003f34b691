"""Turning and scaling what was drawn. Boxes are xywh, polygons x1, y1, x2, y2, …, in pixels; masks are COCO's RLE."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.coco import BboxXywh, Polygons, Rle
from datasets.rle import decode_mask, encode_pixels

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
    return encode_pixels(_UPRIGHT_MASK[orientation](decode_mask(rle).pixels)) if orientation != 1 else rle


def scale_polygons(polygons: Polygons, across: float, down: float) -> Polygons:
    """Polygons in an image that is so many times as wide and as high."""
    return tuple(tuple(value * (down if at % 2 else across) for at, value in enumerate(one)) for one in polygons)


def scale_box(bbox_xywh: BboxXywh, across: float, down: float) -> BboxXywh:
    """A box in an image that is so many times as wide and as high."""
    x, y, width, height = bbox_xywh
    return (x * across, y * down, width * across, height * down)
