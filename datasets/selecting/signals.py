"""What speaks for labelling an image, from what models say of it: one number per image, greater is more, and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask

from datasets.comparison import MIN_IOU
from datasets.selecting.pool import Floats, Found, Labelled, Pool

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Signal:
    """(N,) values, at least 0, and what a value says of the image in its row, in words."""

    values: Values
    tell: Callable[[int], str]


def uncertainty(pool: Pool, *, least_score: float) -> Signal | None:
    """How many answers are open: bits of entropy, summed over detections, plus the classifier's.

    A detection of score s has the entropy of a coin that shows heads with s: 1 at 0.5, 0 where the detector is certain.
    Summing as in https://doi.org/10.48550/arXiv.1809.09875, section 3.2. None without a champion.
    """
    by_class = _by_class(pool, _entropy, least_score)
    tags = _tag_entropy(pool)
    if by_class is None and tags is None:
        return None
    boxes = np.zeros((len(pool), 1)) if by_class is None else by_class
    tag_bits = np.zeros(len(pool)) if tags is None else tags

    def tell(row: int) -> str:
        told = []
        if boxes[row].any():
            name = pool.class_names[int(boxes[row].argmax())]
            told.append(f"{boxes[row].sum():.1f} bits undecided on objects, most on {name}")
        if tag_bits[row] > 0:
            told.append(f"{tag_bits[row]:.1f} bits on {' or '.join(pool.tag_names)}")
        return " and ".join(told) or "nothing is undecided"

    return Signal(boxes.sum(1) + tag_bits, tell)


def rarity(pool: Pool, labelled: Labelled, *, least_score: float) -> Signal | None:
    """How much of what few labels show may be on an image: the chance of each class, weighted by its rarity.

    A class of n labelled objects weighs sqrt(mean n / n), as in LVIS' repeat factors
    (https://arxiv.org/abs/1908.03195, appendix B). None without a champion.
    """
    chances = _chances(pool, least_score)
    if chances is None:
        return None
    names = [*pool.class_names, *pool.tag_names]
    counts = np.array([labelled.counts.get(name, 0) for name in names]) + 1.0
    parts = chances * np.sqrt(counts.mean() / counts)

    def tell(row: int) -> str:
        if not parts[row].any():
            return "nothing rare is seen"
        best = int(parts[row].argmax())
        count = labelled.counts.get(names[best], 0)
        return f"may show {names[best]} (chance {chances[row, best]:.2f}), of which {count} are labelled"

    return Signal(parts.sum(1), tell)


def disagreement(pool: Pool, *, least_score: float) -> Signal | None:
    """What champion and challenger see differently: scores of what one sees alone, differences of what both see.

    Detections match one to one by IoU of 0.5 or more; those of two classes count with the greater score. Classifiers
    add the share of probability that they place otherwise. None without a challenger for any champion.
    """
    found, others = pool.champion.found, pool.challenger.found
    tags, other_tags = pool.champion.probabilities, pool.challenger.probabilities
    parts = []
    if found is not None and others is not None:
        parts.append(np.array([_difference(*pair, least_score) for pair in zip(found, others, strict=True)], float))
    if tags is not None and other_tags is not None:
        parts.append(np.abs(np.asarray(tags, float) - other_tags).sum(1) / 2)
    if not parts:
        return None
    values = np.sum(parts, axis=0)
    return Signal(values, lambda row: f"champion and challenger differ by {values[row]:.2f} in what they see")


def _by_class(pool: Pool, of: Callable[[Values], Values], least_score: float) -> Values | None:
    """(N, C) sums over an image's detections, of at least that score, by class."""
    if pool.champion.found is None:
        return None
    sums = np.zeros((len(pool), len(pool.class_names)))
    rows, scores, class_ids = _flat(pool.champion.found, least_score)
    np.add.at(sums, (rows, class_ids), of(scores))
    return sums


def _flat(found: Sequence[Found], least_score: float) -> tuple[NDArray[np.intp], Values, NDArray[np.intp]]:
    """Row, score and class of every detection that counts."""
    rows = np.repeat(np.arange(len(found)), [len(one.scores) for one in found])
    scores = np.concatenate([np.zeros(0), *(one.scores for one in found)])
    class_ids = np.concatenate([np.zeros(0, np.intp), *(one.class_ids for one in found)])
    kept = scores >= least_score
    return rows[kept], scores[kept], class_ids[kept]


def _entropy(chances: Values) -> Values:
    inside = np.clip(chances, 1e-12, 1 - 1e-12)
    bits: Values = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))
    return bits


def _tag_entropy(pool: Pool) -> Values | None:
    if pool.champion.probabilities is None:
        return None
    chances = np.clip(np.asarray(pool.champion.probabilities, float), 1e-12, 1)
    bits: Values = np.maximum(-(chances * np.log2(chances)).sum(1), 0)
    return bits


def _chances(pool: Pool, least_score: float) -> Values | None:
    """(N, C + T) chances that a class is on an image at all; detections count as independent."""
    misses = _by_class(pool, lambda scores: np.log1p(-np.clip(scores, 0, 1 - 1e-12)), least_score)
    tags = pool.champion.probabilities
    if misses is None and tags is None:
        return None
    objects = np.zeros((len(pool), len(pool.class_names))) if misses is None else -np.expm1(misses)
    states = np.zeros((len(pool), len(pool.tag_names))) if tags is None else np.asarray(tags, float)
    return np.concatenate([objects, states], axis=1)


def _difference(one: Found, other: Found, least_score: float) -> float:
    from scipy.optimize import linear_sum_assignment  # takes half a second to import

    keep, keep_other = one.scores >= least_score, other.scores >= least_score
    scores, other_scores = one.scores[keep], other.scores[keep_other]
    if not len(scores) or not len(other_scores):
        return float(scores.sum() + other_scores.sum())
    ious = _pairwise_iou(one.boxes_xyxy[keep], other.boxes_xyxy[keep_other])
    same = one.class_ids[keep][:, None] == other.class_ids[keep_other][None]
    # a pair of one class before one of two, whatever their overlap
    rows, columns = linear_sum_assignment(-(ious + same) * (ious >= MIN_IOU))
    matched = ious[rows, columns] >= MIN_IOU
    rows, columns = rows[matched], columns[matched]
    apart = np.where(
        same[rows, columns],
        np.abs(scores[rows] - other_scores[columns]),
        np.maximum(scores[rows], other_scores[columns]),
    )
    alone = np.delete(scores, rows).sum() + np.delete(other_scores, columns).sum()
    return float(apart.sum() + alone)


def _pairwise_iou(one: Floats, other: Floats) -> Values:
    """Pairwise IoU of (N, 4) and (M, 4) xyxy pixel boxes, of at least one each: (N, M) in [0, 1]."""
    boxes_xywh, others_xywh = (np.hstack([b[:, :2], b[:, 2:] - b[:, :2]]).astype(float) for b in (one, other))
    ious: Values = mask.iou(boxes_xywh, others_xywh, [0] * len(other))
    return ious
