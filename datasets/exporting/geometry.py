"""Shapes as other formats want them. Boxes are xywh pixels, polygons x1, y1, x2, y2, … in pixels."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from datasets.coco import Annotation, BboxXywh, Image, Rle
from datasets.errors import BadDataset
from datasets.validation.rle import Mask as RunLengths
from datasets.validation.rle import read_mask

Mask = NDArray[np.uint8]
Polygon = tuple[float, ...]


def rotation_of(annotation: Annotation) -> float:
    """Degrees, clockwise on the screen, about the box's middle; 0 where nobody said a number."""
    try:
        degrees = float(annotation.attributes.get("rotation", 0))
    except ValueError:
        return 0.0
    return degrees if math.isfinite(degrees) else 0.0


def upright_box(annotation: Annotation) -> BboxXywh:
    """The box, or the upright one around it where it is rotated."""
    x, y, width, height = annotation.bbox_xywh
    degrees = rotation_of(annotation)
    if not degrees or annotation.segmentation:
        return annotation.bbox_xywh
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    wide, high = width * cos + height * sin, width * sin + height * cos
    return x + (width - wide) / 2, y + (height - high) / 2, wide, high


def clipped(bbox_xywh: BboxXywh, image: Image) -> BboxXywh | None:
    """The part of a box inside its image; None when nothing is."""
    x, y, width, height = bbox_xywh
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + width, image.width), min(y + height, image.height)
    if right <= left or bottom <= top:
        return None
    if (left, top, right, bottom) == (x, y, x + width, y + height):
        return bbox_xywh  # as given: a difference of sums would change its last digits
    return left, top, right - left, bottom - top


def corners(annotation: Annotation) -> Polygon:
    """The four corners of a box as it is rotated."""
    x, y, width, height = annotation.bbox_xywh
    turn = math.radians(rotation_of(annotation))
    cos, sin = math.cos(turn), math.sin(turn)
    middle_x, middle_y = x + width / 2, y + height / 2
    offsets = [(-width, -height), (width, -height), (width, height), (-width, height)]
    return tuple(
        value
        for across, down in offsets
        for value in (middle_x + (across * cos - down * sin) / 2, middle_y + (across * sin + down * cos) / 2)
    )


def decode_mask(rle: Rle, image: Image) -> Mask:
    """A mask's pixels: (H, W) of 0 and 1. Raises BadDataset when it is broken, or not of its image's size."""
    return pixels_of(runs_of_mask(rle, image))


def runs_of_mask(rle: Rle, image: Image) -> RunLengths:
    """A mask's run lengths. Raises BadDataset when it is broken, or not of its image's size."""
    if rle.size != (image.height, image.width):
        size = f"{rle.size[1]} x {rle.size[0]}, its image {image.width} x {image.height}"
        raise BadDataset(f"a mask on image {image.sha256[:16]} is {size}; mend it or remove it")
    try:
        return read_mask({"size": list(rle.size), "counts": rle.counts})
    except ValueError as error:
        raise BadDataset(f"a mask on image {image.sha256[:16]} is broken: {error}; mend it or remove it") from None


def runs_of_polygons(polygons: Sequence[Polygon], image: Image) -> RunLengths:
    """Run lengths of the pixels that pycocotools counts as inside any of the polygons."""
    from pycocotools import mask

    parts = mask.frPyObjects([list(polygon) for polygon in polygons], image.height, image.width)
    counts = mask.merge(parts)["counts"].decode()
    return read_mask({"size": [image.height, image.width], "counts": counts})


def pixels_of(runs: RunLengths) -> Mask:
    """(H, W) of 0 and 1; in numpy, since pycocotools' own decoder (2.0.11) warns of numpy 2."""
    columns = np.repeat((np.arange(len(runs.runs)) & 1).astype(np.uint8), runs.runs)
    return np.ascontiguousarray(columns.reshape(runs.width, runs.height).T)


def bounds(mask: Mask) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the set pixels, the last two exclusive; None for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def outlines(mask: Mask) -> tuple[list[Polygon], int]:
    """The outer outlines of a mask's parts, within a quarter of a pixel, and how many holes they cover.

    OpenCV's contours run through the middles of pixels, which takes half a pixel off each side; on a mask of twice the
    size it is a quarter.
    """
    import cv2

    found = bounds(mask)
    if found is None:
        return [], 0
    left, top, right, bottom = found
    crop = np.kron(mask[top:bottom, left:right], np.ones((2, 2), np.uint8))
    contours, hierarchy = cv2.findContours(crop, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = [contour for contour, (_, _, _, parent) in zip(contours, hierarchy[0], strict=True) if parent < 0]
    polygons = [((contour[:, 0, :] + 0.5) / 2 + (left, top)).ravel().tolist() for contour in outer]
    return [tuple(polygon) for polygon in polygons], len(contours) - len(outer)


def join_polygons(polygons: Sequence[Polygon]) -> Polygon:
    """One polygon from several, each tied to the first by a bridge of no width at the nearest corners."""
    joined = np.reshape(polygons[0], (-1, 2))
    for polygon in polygons[1:]:
        part = np.reshape(polygon, (-1, 2))
        distances = ((joined[:, None] - part[None]) ** 2).sum(axis=2)
        at, start = np.unravel_index(distances.argmin(), distances.shape)
        ring = np.concatenate([part[start:], part[: start + 1]])
        joined = np.concatenate([joined[: at + 1], ring, joined[at:]])
    return tuple(joined.ravel().tolist())


def row_runs(mask: Mask) -> list[int]:
    """Run lengths of a mask row by row, beginning with that of zeros."""
    flat = mask.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs: list[int] = np.diff(np.concatenate([[0], edges, [len(flat)]])).tolist()
    return [0, *runs] if flat[0] else runs
