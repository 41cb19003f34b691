"""What can be counted by image and therefore weighed: right and wrong, confusion, calibration, AUC-ROC.

Arrays by image have the shape (I, …); a bootstrap's weights (B, I) make (B, …) of them.
"""

from dataclasses import dataclass

import numpy as np

from training.evaluation.matching import Bools, ClassMatches, Floats, Ints

BINS = 15
"""Of a calibration curve, equally wide, as in Guo et al. 2017 (https://arxiv.org/abs/1706.04599)."""


@dataclass(frozen=True)
class Quality:
    """Precision, recall and F1, each (…) in [0, 1]; NaN where nothing was predicted, nothing was there, or neither."""

    precision: Floats
    recall: Floats
    f1: Floats


def weigh(weights: Floats, by_image: Floats | Ints) -> Floats:
    """(B, …) sums of (I, …) under weights (B, I)."""
    flat = by_image.reshape(len(by_image), -1).astype(np.float64)
    weighed: Floats = (weights @ flat).reshape(len(weights), *by_image.shape[1:])
    return weighed


def served_counts(found: ClassMatches, threshold: float) -> Ints:
    """(I, 3): hits at IoU 0.5, false detections and objects of one class, among scores above the threshold."""
    counted = (found.scores > threshold) & ~found.ignored[0]
    images = len(found.objects)
    hits = np.bincount(found.image_of[counted & found.hits[0]], minlength=images)
    wrong = np.bincount(found.image_of[counted & ~found.hits[0]], minlength=images)
    return np.stack([hits, wrong, found.objects], axis=1)


def quality(hits: Floats, wrong: Floats, objects: Floats) -> Quality:
    """Of sums of any one shape."""
    return Quality(_share(hits, hits + wrong), _share(hits, objects), _share(2 * hits, hits + wrong + objects))


def calibration_counts(images: int, image_of: Ints, scores: Floats, right: Bools) -> Floats:
    """(I, 15, 3) by bin of the score: how many predictions, the sum of their scores, how many are right."""
    bins = np.clip(np.ceil(scores * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.zeros((images, BINS, 3))
    np.add.at(counts, (image_of, bins), np.stack([np.ones_like(scores), scores, right.astype(np.float64)], axis=1))
    return counts


def calibration_error(sums: Floats) -> Floats:
    """ECE: (B,) in [0, 1] of (B, 15, 3); how far scores are from the share that is right. NaN without predictions."""
    gaps = np.abs(sums[..., 1] - sums[..., 2]).sum(-1)
    return _share(gaps, sums[..., 0].sum(-1))


def roc_areas(scores: Floats, positive: Bools, weights: Floats) -> Floats:
    """Area under the ROC curve: (B,) in [0, 1], of N scores, under weights (B, N); equal scores count half.

    It is the chance that a positive has the higher score (Hanley and McNeil 1982). NaN where one side is absent.
    """
    if not scores.size:
        return np.full(len(weights), np.nan)
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    ours = np.add.reduceat(weights[:, order] * positive[order], starts, axis=1)
    others = np.add.reduceat(weights[:, order] * ~positive[order], starts, axis=1)
    below = others.cumsum(1) - others / 2
    return _share((ours * below).sum(1), ours.sum(1) * others.sum(1))


def _share(part: Floats, whole: Floats) -> Floats:
    share: Floats = np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
    return share
