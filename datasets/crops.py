"""Masks as CVAT has them: run lengths along the rows of a crop, first of pixels off, then the crop's corners.

The corners are left, top, right and bottom in whole pixels, the last two inside of the crop.
Source of the format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.errors import BadDataset
from datasets.rle import Mask

_CORNERS = 4


@dataclass(frozen=True, slots=True)
class Crop:
    """Pixels (height, width), on or off, whose first lies at `left`, `top` of the image."""

    left: int
    top: int
    pixels: NDArray[np.bool_]


def run_lengths(bits: NDArray[np.bool_]) -> list[int]:
    """The lengths of the runs of equal bits, (N,), beginning with those that are off (there may be none)."""
    edges = np.flatnonzero(np.diff(bits)) + 1
    runs: list[int] = np.diff([0, *edges.tolist(), bits.size]).tolist()
    return [0, *runs] if bits[:1].any() else runs


def crop_of(points: Sequence[float]) -> Crop:
    """The crop in a mask's points. Raises BadDataset when the runs don't fill it."""
    left, top, right, bottom = (int(value) for value in points[-_CORNERS:])
    runs = np.asarray(points[:-_CORNERS], np.int64)
    width, height = right - left + 1, bottom - top + 1
    if min(width, height) < 1 or (runs < 0).any() or runs.sum() != width * height:
        told = f"a mask's runs fill {runs.sum()} pixels, its box has {width} x {height}"
        raise BadDataset(f"{told}; delete that mask or draw it anew")
    pixels = np.repeat((np.arange(len(runs)) & 1).astype(bool), runs)
    return Crop(left, top, pixels.reshape(height, width))


def window_of(crop: Crop, left: int, top: int, width: int, height: int) -> NDArray[np.bool_]:
    """The pixels (height, width) of a part of the image; off outside of the crop."""
    window = np.zeros((height, width), bool)
    rows, columns = crop.pixels.shape
    x1, y1 = max(left, crop.left), max(top, crop.top)
    x2, y2 = min(left + width, crop.left + columns), min(top + height, crop.top + rows)
    if x2 > x1 and y2 > y1:
        inside = crop.pixels[y1 - crop.top : y2 - crop.top, x1 - crop.left : x2 - crop.left]
        window[y1 - top : y2 - top, x1 - left : x2 - left] = inside
    return window


def mask_of_crop(crop: Crop, width: int, height: int) -> Mask:
    """The crop as a mask of the whole image, of which it never holds the pixels; what lies outside is cut off."""
    left, top = min(max(crop.left, 0), width), min(max(crop.top, 0), height)
    right, bottom = crop.left + crop.pixels.shape[1], crop.top + crop.pixels.shape[0]
    inside = window_of(crop, left, top, max(min(right, width) - left, 0), max(min(bottom, height) - top, 0))
    framed = np.pad(inside.T, ((0, 0), (1, 1))).astype(np.int8)  # columns, each between two pixels that are off
    edges = np.diff(framed, axis=1)
    columns, rows = np.nonzero(edges)
    places = (left + columns) * height + top + rows
    starts, ends = places[edges[columns, rows] > 0], places[edges[columns, rows] < 0]
    apart = starts[1:] != ends[:-1]  # a column that is on down to the last pixel may go on in the next one
    starts, ends = starts[np.append(True, apart)[: len(starts)]], ends[np.append(apart, True)[: len(ends)]]
    edges_of_runs = np.stack([starts, ends], axis=1).ravel()
    return Mask(height, width, np.diff(edges_of_runs, prepend=0, append=height * width))
