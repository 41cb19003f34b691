"""Which boxes of one image overlap, found by sweeping along x instead of trying every pair."""

import numpy as np
from numpy.typing import NDArray

_PAIRS_AT_ONCE = 2_000_000


def overlapping_pairs(
    images: NDArray[np.int64], boxes_xyxy: NDArray[np.float64], *, min_iou: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of boxes in one image with an IoU of at least `min_iou` in (0, 1]: indices i, j and the IoU, (P,) each.

    `images` (N,) tells whose image a box is in, `boxes_xyxy` (N, 4) is in pixels of that image. Two boxes whose IoU is
    t share at least t of either's width, so the other's left side is at most (1 - t) of the width away: most pairs
    are never looked at.
    """
    order = np.lexsort((boxes_xyxy[:, 0], images))
    image, box = images[order], boxes_xyxy[order]
    width = box[:, 2] - box[:, 0]
    slack = 1e-9 * (np.abs(box[:, 0]) + width)  # for what rounding takes away
    reach = box[:, 0] + (1 - min_iou) * width + slack
    ends = _ends(image, box[:, 0], reach)
    counts = np.maximum(ends - np.arange(1, len(order) + 1), 0)
    found = [_pairs(box, chunk, counts, min_iou) for chunk in _chunks(counts)]
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    first, second, iou = (np.concatenate(column) for column in zip(*found, strict=True))
    return order[first], order[second], iou


def _ends(image: NDArray[np.int64], left: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each box, the end of those after it in its image whose left side is within its reach."""
    ranks = np.unique(np.concatenate([left, reach]))  # ranks keep the order where sums of image and pixels would round
    scale = len(ranks) + 1
    place = np.unique(image, return_inverse=True)[1].astype(np.int64) * scale
    lefts = place + np.searchsorted(ranks, left)
    reaches = place + np.searchsorted(ranks, reach)
    return np.searchsorted(lefts, reaches, side="right")


def _chunks(counts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Boxes that have partners, so many at a time that their pairs fit into memory."""
    having = np.flatnonzero(counts)
    if not len(having):
        return []
    batch = np.cumsum(counts[having]) // _PAIRS_AT_ONCE
    return np.split(having, np.flatnonzero(np.diff(batch)) + 1)


def _pairs(
    box: NDArray[np.float64], chunk: NDArray[np.int64], counts: NDArray[np.int64], min_iou: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    sizes = counts[chunk]
    first = np.repeat(chunk, sizes)
    steps = np.arange(len(first)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    second = first + 1 + steps
    iou = paired_iou(box[first], box[second])
    kept = iou >= min_iou
    return first[kept], second[kept], iou[kept]


def paired_iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of (N, 4) and (N, 4) xyxy pixel boxes, row by row: (N,) in [0, 1]."""
    size = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.clip(size, 0, None).prod(axis=1)
    union = (one[:, 2:] - one[:, :2]).prod(axis=1) + (other[:, 2:] - other[:, :2]).prod(axis=1) - shared
    iou: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou
