"""Whether a picture lets anybody judge a car: lit, not blown out, sharp.

Measured on the picture scaled to 480 pixels, so that a camera's resolution makes no difference. The default limits
stand between pictures as they are and the same pictures spoilt: `benchmarks/assessability.py` measures both.
Variance of the Laplacian as sharpness: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy (2000),
https://doi.org/10.1109/ICPR.2000.903548
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from training.predicting.pictures import Pixels

Hindrance = Literal["too dark", "too much glare", "blurred"]

SIDE = 480
_TILES = 8
_SATURATED = 250


@dataclass(frozen=True, slots=True)
class Visibility:
    """How well a picture shows what is on it.

    `light` is the grey value, in [0, 255], that the lightest twentieth exceeds; `glare` the share, in [0, 1], of pixels
    that are (nearly) white; `sharpness` the variance of the Laplacian that the sharpest tenth of 8 x 8 tiles exceeds,
    so that a sharp car before a soft background counts as sharp.
    """

    light: float
    glare: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture needs to be judged by."""

    min_light: float = 50.0
    max_glare: float = 0.3
    min_sharpness: float = 20.0


def measure_visibility(pixels: Pixels) -> Visibility:
    """Light, glare and sharpness of an upright (H, W, 3) RGB picture."""
    small = _scaled(pixels)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    edges = cv2.Laplacian(grey, cv2.CV_32F)
    tiles = [tile for row in np.array_split(edges, _TILES) for tile in np.array_split(row, _TILES, axis=1)]
    white = cv2.inRange(small, (_SATURATED,) * 3, (255,) * 3)
    return Visibility(
        light=_percentile(grey, 95),
        glare=cv2.countNonZero(white) / white.size,
        sharpness=float(np.percentile([cv2.meanStdDev(tile)[1][0, 0] ** 2 for tile in tiles], 90)),
    )


def find_hindrance(seen: Visibility, limits: Limits) -> Hindrance | None:
    """What forbids a judgement, if anything. In the dark, or in glare, nothing is sharp: that is told first."""
    if seen.light < limits.min_light:
        return "too dark"
    if seen.glare > limits.max_glare:
        return "too much glare"
    return "blurred" if seen.sharpness < limits.min_sharpness else None


def _scaled(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    gain = SIDE / max(height, width)
    size = max(round(width * gain), _TILES), max(round(height * gain), _TILES)
    how = cv2.INTER_AREA if gain < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def _percentile(grey: Pixels, share: float) -> float:
    """The grey value that `share` per cent of the pixels don't exceed; counted, which is quicker than sorting."""
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel().cumsum()
    return float(np.searchsorted(counts, share / 100 * grey.size))
