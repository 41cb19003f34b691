"""Instance masks of YOLO's segmentation graphs: prototypes mixed by coefficients, and their outlines.

Source of the method: Bolya et al., YOLACT (2019), https://arxiv.org/abs/1904.02689
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.crops import Crop
from training.predicting.pictures import Floats, Letterbox

SIMPLIFIED_BY = 1.0
"""Pixels by which an outline may leave the mask's edge, so that people find few points to correct."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Polygons around the parts of a mask, largest first, each x1, y1, x2, y2, … in the picture's pixels.

    `holes` says whether the mask has holes, which polygons do not show.
    """

    parts: tuple[tuple[float, ...], ...]
    holes: bool

    @property
    def is_exact(self) -> bool:
        """Whether one polygon holds it all."""
        return len(self.parts) == 1 and not self.holes


def instance_masks(prototypes: Floats, coefficients: Floats, boxes_xyxy: Floats, letterbox: Letterbox) -> list[Crop]:
    """The mask within each of (N, 4) boxes of the picture, from (M, h, w) prototypes and (N, M) coefficients.

    A pixel is on where the mix, interpolated at its middle, is above 0. Crops hold only what is on; one of no pixels
    is an object without a mask.
    """
    logits = np.tensordot(coefficients, prototypes, axes=1)
    return [_mask(*pair, letterbox) for pair in zip(logits, boxes_xyxy.tolist(), strict=True)]


def _mask(logits: Floats, bbox_xyxy: Sequence[float], letterbox: Letterbox) -> Crop:
    left, top, right, bottom = (math.ceil(value) for value in bbox_xyxy)
    width, height = min(right, letterbox.width) - left, min(bottom, letterbox.height) - top
    if width < 1 or height < 1:
        return Crop(left, top, np.zeros((0, 0), bool))
    scaled_height, scaled_width = letterbox.scaled_hw
    cell = letterbox.size / logits.shape[0]
    placed = np.array([
        _line(scaled_width / letterbox.width / cell, left, letterbox.left_top[0] / cell, axis=0),
        _line(scaled_height / letterbox.height / cell, top, letterbox.left_top[1] / cell, axis=1),
    ])  # fmt: skip
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shown = cv2.warpAffine(logits, placed, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return trimmed(left, top, shown > 0)


def _line(scale: float, start: int, margin: float, *, axis: int) -> list[float]:
    """Where the crop's pixels lie among the prototypes along an axis: both count from the middle of their first."""
    factors = [0.0, 0.0, scale * (start + 0.5) + margin - 0.5]
    factors[axis] = scale
    return factors


def trimmed(left: int, top: int, pixels: NDArray[np.bool_]) -> Crop:
    """The part of (H, W) pixels, whose first lies at left, top, that holds what is on."""
    x, y, width, height = cv2.boundingRect(pixels.astype(np.uint8))
    return Crop(left + x, top + y, pixels[y : y + height, x : x + width])


def outline(crop: Crop) -> Outline:
    """The outlines of a mask's parts, simplified by at most SIMPLIFIED_BY; specks without area are left out."""
    # Contours run through the middles of pixels. Of pixels half as large they run near the edges, and have an area.
    doubled = cv2.resize(crop.pixels.astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = [contour for contour, (*_, parent) in zip(contours, _rows(hierarchy), strict=True) if parent < 0]
    outer.sort(key=cv2.contourArea, reverse=True)
    corner = np.array([crop.left, crop.top], np.float32) + np.float32(0.25)
    simple = [cv2.approxPolyDP(contour[:, 0].astype(np.float32) / 2 + corner, SIMPLIFIED_BY, True) for contour in outer]
    parts = tuple(tuple(points.ravel().tolist()) for points in simple if len(points) > 2)
    return Outline(parts, holes=len(outer) < len(contours))


def _rows(hierarchy: Any) -> Any:
    return [] if hierarchy is None else hierarchy[0]
