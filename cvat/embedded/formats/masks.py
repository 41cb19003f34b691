"""Masks: CVAT's run lengths (by row in a box, both corners included), pixels, and COCO's (by column in the image)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvat.embedded.labeled import Element
from datasets.crops import run_lengths

Pixels = NDArray[np.bool_]

#: Beyond any image, and within what OpenCV can draw.
_FAR = 2**20


def pixels_of(points: Sequence[float], *, height: int, width: int) -> Pixels:
    """CVAT's mask in an image of (height, width); what lies outside is cut off."""
    *runs, left, top, right, bottom = (int(value) for value in points)
    box = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(bottom - top + 1, right - left + 1)
    image = np.zeros((height, width), dtype=bool)
    inside = box[max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)]
    if inside.size:
        row, column = max(top, 0), max(left, 0)
        image[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return image


def points_of(image: Pixels) -> list[float] | None:
    """Pixels (height, width) as CVAT's mask; None where none is on."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    if not len(rows):
        return None
    top, bottom, left, right = (int(value) for value in (rows[0], rows[-1], columns[0], columns[-1]))
    box = image[top : bottom + 1, left : right + 1]
    return [float(value) for value in (*run_lengths(box.ravel()), left, top, right, bottom)]


def coco_rle(image: Pixels) -> dict[str, Any]:
    """Pixels as COCO's uncompressed run lengths."""
    return {"counts": run_lengths(image.ravel(order="F")), "size": list(image.shape)}


def draw_ellipse(ellipse: Element, *, height: int, width: int) -> Pixels:
    """An ellipse in an image of (height, width), drawn in whole pixels as CVAT does it."""
    import cv2

    cx, cy, right, top = (max(-_FAR, min(_FAR, value)) for value in ellipse.points)
    image = np.zeros((height, width), np.uint8)
    axes = (abs(round(right - cx)), abs(round(cy - top)))
    cv2.ellipse(image, (round(cx), round(cy)), axes, ellipse.rotation, 0, 360, 1, thickness=-1)
    return image.astype(bool)
