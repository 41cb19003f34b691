"""Average precision of matched detections, for many weightings of the images at once.

An image that counts twice is an image that is there twice, so that a bootstrap over images needs no second matching.
"""

import numpy as np

from training.evaluation.matching import IOUS, ClassMatches, Floats, Matches

RECALLS = np.linspace(0, 1, 101)
"""Where COCO reads the precision, https://cocodataset.org/#detection-eval."""
_AT_ONCE = 1 << 21


def average_precision(found: ClassMatches, weights: Floats, *, ious: int = IOUS) -> Floats:
    """(B, ious) in [0, 1] for weights (B, I), at the first of the ten IoUs; NaN where no object has a weight."""
    objects = weights @ found.objects.astype(np.float64)
    rows = max(1, _AT_ONCE // max(1, len(found.scores)))
    starts = range(0, len(weights), rows)
    parts = [_precisions(found, weights[i : i + rows], objects[i : i + rows], ious) for i in starts]
    precisions: Floats = np.where(objects[:, None] > 0, np.concatenate(parts), np.nan)
    return precisions


def mean_average_precision(matches: Matches, weights: Floats, *, ious: int = IOUS) -> Floats:
    """(B,): the mean over IoUs and over the classes that have objects; NaN where none has."""
    return mean_of_known([average_precision(found, weights, ious=ious).mean(1) for found in matches.values()])


def mean_of_known(columns: list[Floats]) -> Floats:
    """(B,): the mean of those of C columns of (B,) that are no NaN; NaN where all are."""
    stacked = np.stack(columns) if columns else np.full((1, 1), np.nan)
    known = ~np.isnan(stacked)
    count = known.sum(0)
    means: Floats = np.where(count > 0, np.where(known, stacked, 0).sum(0) / np.maximum(count, 1), np.nan)
    return means


def precision_curve(found: ClassMatches, weights: Floats, *, iou: int = 0) -> Floats:
    """(101,): the best precision at each recall of `RECALLS` or more, for weights (I,)."""
    objects = weights[None] @ found.objects.astype(np.float64)
    weighed = weights[None, found.image_of]
    curve: Floats = _curves(found, weighed, weighed.cumsum(1), objects, iou)[0]
    return curve


def _precisions(found: ClassMatches, weights: Floats, objects: Floats, ious: int) -> Floats:
    weighed = weights[:, found.image_of]
    before = weighed.cumsum(1)
    return np.stack([_curves(found, weighed, before, objects, iou).mean(1) for iou in range(ious)], axis=1)


def _curves(found: ClassMatches, weighed: Floats, before: Floats, objects: Floats, iou: int) -> Floats:
    """(B, 101). Recall rises at hits alone, so nothing needs to be known between them."""
    ignored = found.ignored[iou]
    hits = np.flatnonzero(found.hits[iou] & ~ignored)
    curves = np.zeros((len(weighed), len(RECALLS)))
    if not hits.size:
        return curves
    counted = before[:, hits]
    if ignored.any():
        counted = counted - (weighed * ignored).cumsum(1)[:, hits]
    right = weighed[:, hits].cumsum(1)
    precision = right / np.maximum(counted, np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = right / np.maximum(objects, np.spacing(1))[:, None]
    for row, reached in enumerate(recall):
        places = np.searchsorted(reached, RECALLS, side="left")
        reachable = int(np.searchsorted(places, hits.size))  # places rise with the recalls
        curves[row, :reachable] = envelope[row, places[:reachable]]
    return curves
