"""What is measured of a dataset's arrays. Classes are counted from zero, pixels are those of the upright image."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from datasets.seeing.columns import Columns, Floats, Ints, distinct

HEAT_CELLS = 32
SMALL_AREA, LARGE_AREA = 32.0**2, 96.0**2  # https://cocodataset.org/#detection-eval
_CHUNK = 1 << 13  # what fits a processor's cache is four times as fast


@dataclass(frozen=True)
class Histogram:
    """Counts between neighbouring edges (one more edge than counts), and the spread of all values.

    A value outside of the edges counts at the nearest end. `least`, `median`, `most` are None where there is nothing.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    least: float | None
    median: float | None
    most: float | None


def histogram(values: Floats, edges: Floats) -> Histogram:
    """How many values lie in each half-open bin [low, high)."""
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(bins, minlength=len(edges) - 1)
    spread = [float(v) for v in (values.min(), np.median(values), values.max())] if values.size else [None] * 3
    return Histogram(tuple(map(float, edges)), tuple(map(int, counts)), *spread)


def megapixels(columns: Columns) -> Histogram:
    """Image areas in millions of pixels."""
    edges = np.array([0, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64])
    return histogram(columns.sizes_wh.prod(1) / 1e6, edges)


def box_sides(columns: Columns) -> Histogram:
    """Square roots of the boxes' areas, in pixels; bins double."""
    return histogram(np.sqrt(_areas(columns)), np.concatenate([[0], 2.0 ** np.arange(2, 13)]))


def box_shares(columns: Columns) -> Histogram:
    """Square roots of the boxes' shares of their image's area, in [0, 1]: 0.5 is half as wide and half as high."""
    return histogram(np.sqrt(_shares(columns)), np.linspace(0, 1, 21))


def aspect_ratios(columns: Columns) -> Histogram:
    """Widths over heights of boxes that have an area; bins are half octaves from 1:8 to 8:1."""
    sides = columns.boxes_xywh[_areas(columns) > 0, 2:]
    return histogram(sides[:, 0] / sides[:, 1], 2.0 ** np.arange(-3, 3.5, 0.5))


def objects_per_image(columns: Columns, *, most: int = 20) -> Histogram:
    """How many images have 0, 1, 2, … objects; the last bin is `most` or more."""
    return histogram(np.bincount(columns.image_of, minlength=len(columns.images)).astype(float), np.arange(most + 2.0))


def coco_sizes(columns: Columns) -> dict[str, int]:
    """Boxes that are small (< 32² px), medium and large (>= 96² px), by the box's area."""
    areas = _areas(columns)
    small, large = int((areas < SMALL_AREA).sum()), int((areas >= LARGE_AREA).sum())
    return {"small": small, "medium": areas.size - small - large, "large": large}


def median_shares(columns: Columns) -> list[float | None]:
    """By class: the median share of the image's area that a box takes, in [0, 1]; None without a box."""
    order = np.argsort(columns.class_of, kind="stable")
    ends = np.cumsum(np.bincount(columns.class_of, minlength=columns.classes))[:-1]
    groups = np.split(_shares(columns)[order], ends)
    return [float(np.median(group)) if group.size else None for group in groups]


def _areas(columns: Columns) -> Floats:
    areas: Floats = np.clip(columns.boxes_xywh[:, 2:], 0, None).prod(1)
    return areas


def _shares(columns: Columns) -> Floats:
    image_areas = np.maximum(columns.sizes_wh.prod(1), 1)
    shares: Floats = np.minimum(_areas(columns) / image_areas[columns.image_of], 1)
    return shares


def knowledge(columns: Columns) -> Ints:
    """By class, (C, 4): in how many images it is present, partly annotated, absent, unknown.

    As in LVIS: partly is a class that is shown but not annotated exhaustively; it is neither known present nor absent.
    The four add up to all images. Present and absent together are `Dataset.known_category_ids`.
    """
    present, unsure = columns.present, distinct(columns.unsure)
    complete, partly = _without(present, unsure), np.intersect1d(present, unsure, assume_unique=True)
    absent = _without(_without(distinct(columns.absent), present), unsure)
    told = [np.bincount(codes % columns.classes, minlength=columns.classes) for codes in (complete, partly, absent)]
    return np.stack([*told, len(columns.images) - np.sum(told, axis=0)], axis=1)


def _without(codes: Ints, others: Ints) -> Ints:
    return codes[np.isin(codes, others, assume_unique=True, invert=True, kind="sort")]


def co_occurrence(columns: Columns) -> Iterator[tuple[int, int, int]]:
    """(one class, another, images that show both), for pairs that meet, in order; the same class twice is itself."""
    rows, classes = np.divmod(columns.present, columns.classes)
    shape = (len(columns.images), columns.classes)
    shown = csr_matrix((np.ones(len(rows), np.int64), (rows, classes)), shape=shape)
    met = (shown.T @ shown).tocoo()
    upper = met.row <= met.col
    yield from sorted(zip(*(part[upper].tolist() for part in (met.row, met.col, met.data)), strict=True))


def heat_map(columns: Columns, *, cells: int = HEAT_CELLS) -> Floats:
    """Where boxes lie, (cells, cells) in [0, 1], top row first: the share of each cell that a box covers, on average.

    Places are relative to the image: each box is first brought to a square of side one.
    """
    scale = np.tile(np.maximum(columns.sizes_wh, 1), 2)
    heat = np.zeros((cells, cells))
    for start in range(0, len(columns.image_of), _CHUNK):
        part = slice(start, start + _CHUNK)
        left, top, width, height = (columns.boxes_xywh[part] / scale[columns.image_of[part]]).T
        heat += _covered(top, height, cells).T @ _covered(left, width, cells)
    return heat / max(len(columns.image_of), 1)


def _covered(start: Floats, length: Floats, cells: int) -> Floats:
    """(M, cells): the share of each cell of [0, 1] that the stretch covers."""
    lows = np.arange(cells) / cells
    overlap = np.minimum((start + length)[:, None], lows + 1 / cells) - np.maximum(start[:, None], lows)
    covered: Floats = np.clip(overlap, 0, None) * cells
    return covered
