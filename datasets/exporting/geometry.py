"""Shapes as other formats want them. Boxes are xywh pixels, polygons x1, y1, x2, y2, … in pixels."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from datasets.coco import Annotation, BboxXywh, Image, Rle
from datasets.errors import BadDataset
from datasets.geometry import rotation_of
from datasets.rle import Mask, decode_mask, parse_mask

Pixels = NDArray[np.uint8]
Polygon = tuple[float, ...]


def upright_box(annotation: Annotation) -> BboxXywh:
    """The box, or the upright one around it where it is rotated."""
    x, y, width, height = annotation.bbox_xywh
    degrees = rotation_of(annotation.attributes)
    if not degrees or annotation.segmentation:
        return annotation.bbox_xywh
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    wide, high = width * cos + height * sin, width * sin + height * cos
    return x + (width - wide) / 2, y + (height - high) / 2, wide, high


def corners(annotation: Annotation) -> Polygon:
    """The four corners of a box as it is rotated."""
    x, y, width, height = annotation.bbox_xywh
    turn = math.radians(rotation_of(annotation.attributes))
    cos, sin = math.cos(turn), math.sin(turn)
    middle_x, middle_y = x + width / 2, y + height / 2
    offsets = [(-width, -height), (width, -height), (width, height), (-width, height)]
    return tuple(
        value
        for across, down in offsets
        for value in (middle_x + (across * cos - down * sin) / 2, middle_y + (across * sin + down * cos) / 2)
    )


def mask_of(rle: Rle, image: Image) -> Mask:
    """A mask, decoded. Raises BadDataset when it is broken, or not of its image's size."""
    if rle.size != (image.height, image.width):
        size = f"{rle.size[1]} x {rle.size[0]}, its image {image.width} x {image.height}"
        raise BadDataset(f"a mask on image {image.sha256[:16]} is {size}; mend it or remove it")
    try:
        return decode_mask(rle)
    except ValueError as error:
        raise BadDataset(f"a mask on image {image.sha256[:16]} is broken: {error}; mend it or remove it") from None


def mask_of_polygons(polygons: Sequence[Polygon], image: Image) -> Mask:
    """The pixels that pycocotools counts as inside any of the polygons."""
    parts = coco_mask.frPyObjects([list(polygon) for polygon in polygons], image.height, image.width)
    counts = coco_mask.merge(parts)["counts"].decode()
    return parse_mask({"size": [image.height, image.width], "counts": counts})


def cut_out(mask: Mask) -> tuple[int, int, Pixels]:
    """The left and top of what is on in a mask, and the pixels (H, W) of the box around it, (0, 0) for none."""
    left, top, width, height = map(int, mask.bbox_xywh or (0, 0, 0, 0))
    return left, top, mask.pixels[top : top + height, left : left + width]


def outlines(mask: Mask) -> tuple[list[Polygon], int]:
    """The outer outlines of a mask's parts, within a quarter of a pixel, and how many holes they cover.

    OpenCV's contours run through the middles of pixels, which takes half a pixel off each side; on a mask of twice the
    size it is a quarter.
    """
    import cv2

    left, top, pixels = cut_out(mask)
    if not pixels.size:
        return [], 0
    doubled = np.kron(pixels, np.ones((2, 2), np.uint8))
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
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


def row_runs(pixels: Pixels) -> list[int]:
    """Run lengths of a mask's pixels row by row, beginning with that of zeros."""
    flat = pixels.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs: list[int] = np.diff(np.concatenate([[0], edges, [len(flat)]])).tolist()
    return [0, *runs] if flat[0] else runs
