"""Masks as CVAT takes them from functions: crops of 0 and 1, and their bounds xyxy, both ends inside."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.crops import Crop
from training.predicting.masks import outline

Bounds = tuple[int, int, int, int]


def crop_mask(pixels: NDArray[Any]) -> Crop | None:
    """The smallest crop that holds all that is on in a picture's (height, width) pixels; None where nothing is."""
    left, top, width, height = cv2.boundingRect((pixels != 0).astype(np.uint8))
    return Crop(left, top, pixels[top : top + height, left : left + width] != 0) if width else None


def bounds_of(crop: Crop) -> Bounds:
    """Where the crop lies in the whole picture."""
    height, width = crop.pixels.shape
    return (crop.left, crop.top, crop.left + width - 1, crop.top + height - 1)


def bits_of(crop: Crop) -> NDArray[np.uint8]:
    """The crop's pixels, 0 or 1."""
    return crop.pixels.astype(np.uint8)


def cvat_mask(crop: Crop) -> tuple[int, ...]:
    """A detector's mask: the crop's values row by row, then its bounds."""
    return (*bits_of(crop).ravel().tolist(), *bounds_of(crop))


def to_points(crop: Crop) -> tuple[tuple[float, float], ...]:
    """The outer outline of the crop's largest part, in pixels of the whole picture; none for a mere speck."""
    edges = outline(crop)
    flat = edges.parts[0] if edges.parts else ()
    return tuple(zip(flat[::2], flat[1::2], strict=True))
