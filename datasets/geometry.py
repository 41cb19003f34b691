"""Boxes and polygons in the plane. Boxes are xywh, polygons x1, y1, x2, y2, …; both in pixels, origin top left."""

import math
from collections.abc import Mapping, Sequence

from datasets.records import BboxXywh

Points = Sequence[float]


def rotation_of(attributes: Mapping[str, str]) -> float:
    """Degrees that a box is turned by, clockwise on the screen, about its middle; 0 where nobody said a number."""
    try:
        degrees = float(attributes.get("rotation", 0))
    except ValueError:
        return 0.0
    return degrees if math.isfinite(degrees) else 0.0


def polygon_area(points: Points) -> float:
    """The shoelace formula: square pixels inside a polygon."""
    corners = list(zip(points[::2], points[1::2], strict=True))
    following = [*corners[1:], *corners[:1]]
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(corners, following, strict=True))) / 2


def extent(points: Points) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of points. Raises ValueError when there are none."""
    xs, ys = points[::2], points[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def bounds(points: Points) -> BboxXywh | None:
    """The box around points; None when it has no area, or there are no points."""
    if not points or not all(map(math.isfinite, points)):
        return None
    left, top, right, bottom = extent(points)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


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


def clip_polygon(points: tuple[float, ...], width: float, height: float) -> tuple[float, ...]:
    """The part of a polygon inside an image, by Sutherland and Hodgman (1974); empty when it has no area there."""
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
