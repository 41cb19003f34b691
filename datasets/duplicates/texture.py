"""What of a picture survives another exposure: its texture, the local contrast in units of its local spread.

A mask says where a picture is known; what is unknown has no part in its neighbours' texture.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from datasets.duplicates.descriptor import SIDE

Floats = NDArray[np.floating]

STEPS = 24  # of an 8-bit texture per local standard deviation
_NEIGHBOURHOOD = 4.0  # standard deviation of the Gaussian window that is local, in texture pixels
_BESIDE = 0.245  # the weight of a pixel beside, as in a Gaussian window of 0.7 pixels
_STRIDE = 4  # of the places where the window is put; between them its results are interpolated
_NOISE = 2.0  # grey levels of contrast that mean nothing
_BATCH = 512


def textures(greys: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The textures of (N, SIDE, SIDE) grey pictures, 8-bit in STEPS per standard deviation."""
    result = np.empty(greys.shape, np.int8)
    everywhere = np.ones((1, SIDE, SIDE), np.float32)
    for start in range(0, len(greys), _BATCH):
        part = normalise(soften(greys[start : start + _BATCH].astype(np.float32)), everywhere)
        result[start : start + _BATCH] = np.clip(np.rint(part * STEPS), -127, 127)
    return result


def soften(greys: Floats) -> Floats:
    """(N, S, S) pictures without the grain that rounding and resizing leave: three pixels weighted, on each axis."""
    middle, beside = 1 - 2 * _BESIDE, _BESIDE
    padded = np.pad(greys, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = middle * padded[:, 1:-1] + beside * (padded[:, :-2] + padded[:, 2:])
    result: Floats = middle * rows[:, :, 1:-1] + beside * (rows[:, :, :-2] + rows[:, :, 2:])
    return result


def normalise(greys: Floats, known: Floats) -> Floats:
    """Local contrast over local spread of (..., N, S, S) pictures, 0 where the (N or 1, S, S) mask is 0."""
    much = _around(known) + 1e-6
    contrast = (greys - _around(greys * known) / much) * known
    spread = np.sqrt(np.maximum(_around(contrast * contrast) / much, 0))
    spread += _NOISE
    contrast /= spread
    return contrast


def _around(planes: Floats) -> Floats:
    """Sums over a Gaussian window about every pixel: two narrower windows, the first at every fourth place only."""
    side = planes.shape[-1]
    gather = _window(side)
    return gather.T @ (gather @ planes @ gather.T) @ gather


@cache
def _window(side: int) -> Floats:
    """(W, S) Gaussian weights, also about places outside; two such in a row are as wide as the neighbourhood."""
    about = np.arange(-2 * _STRIDE, side + 2 * _STRIDE, _STRIDE)[:, None] + (_STRIDE - 1) / 2
    return np.exp(-(((np.arange(side) - about) / _NEIGHBOURHOOD) ** 2)).astype(np.float32)
