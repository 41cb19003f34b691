"""Where shapes lie as they are drawn: corners after turning, outlines, and the box around them, in pixels."""

import math
from collections.abc import Sequence

from datasets.geometry import extent
from datasets.labelled import BboxXyxy, LabelledObject

Points = tuple[float, ...]
_ELLIPSE_CORNERS = 64


def corners(labelled: LabelledObject) -> Points:
    """The four corners of a rectangle, or of the box of an ellipse, turned; other shapes' points as they are."""
    box = labelled.bbox_xyxy if labelled.kind in ("rectangle", "ellipse") else None
    if box is None:
        return labelled.points
    left, top, right, bottom = box
    return _turned((left, top, right, top, right, bottom, left, bottom), labelled)


def outline(labelled: LabelledObject) -> Points:
    """The polygon of a rectangle, polygon or ellipse (64 corners, which have 0.2 % less area)."""
    if labelled.kind != "ellipse":
        return corners(labelled)
    x, y, right, top = labelled.points
    turns = [2 * math.pi * step / _ELLIPSE_CORNERS for step in range(_ELLIPSE_CORNERS)]
    around = (value for turn in turns for value in (x + (right - x) * math.cos(turn), y + (y - top) * math.sin(turn)))
    return _turned(tuple(around), labelled)


def drawn_extent(labelled: LabelledObject) -> BboxXyxy | None:
    """The upright box around a shape as it is drawn; None for a tag and for what has no points."""
    if labelled.rotation and labelled.kind in ("rectangle", "ellipse"):
        return extent(outline(labelled))
    return labelled.bbox_xyxy


def _turned(points: Sequence[float], labelled: LabelledObject) -> Points:
    """Points turned clockwise about the middle of the shape's box."""
    box = labelled.bbox_xyxy
    if not labelled.rotation or box is None:
        return tuple(points)
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    cos, sin = math.cos(math.radians(labelled.rotation)), math.sin(math.radians(labelled.rotation))
    offsets = [(x - middle_x, y - middle_y) for x, y in zip(points[::2], points[1::2], strict=True)]
    return tuple(value for x, y in offsets for value in (middle_x + x * cos - y * sin, middle_y + x * sin + y * cos))
