"""How far an exported model's answers are from another's, and how fast they come. Boxes are xyxy, pixels."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from faster_coco_eval import mask
from numpy.typing import NDArray

from training.bundle import Bundle
from training.exporting.children import PASSES, TIMED
from training.predicting.graphs import Runs
from training.predicting.pictures import Pixels
from training.predictors import ClassScore, Detection, load_predictor

Predicted = list[Detection] | list[ClassScore]
_SAME = 0.5

SAME_SHARE, SAME_SCORE = 0.99, 0.01
"""From this agreement, and to this difference of scores, two models answer the same."""
MOST_COST = 0.02
"""What 8 bits may cost, in mAP50-95 or macro F1."""


@dataclass(frozen=True)
class Parity:
    """Over `images` pictures: `agreement` in [0, 1] is the share of a detector's objects that both find (same class,
    IoU at least 0.5), or of pictures that both classifiers call the same. The differences are between what both find:
    the largest of any side of a box in pixels, None for a classifier, and the largest and mean of scores.
    """

    images: int
    objects: int
    agreement: float
    max_box_difference: float | None
    max_score_difference: float
    mean_score_difference: float


@dataclass(frozen=True)
class Speed:
    """Images a second: the median of several passes over the same squares, the slowest and the fastest."""

    median: float
    least: float
    most: float


def predict_squares(bundle: Bundle, graph: Runs, squares: Sequence[Pixels]) -> list[Predicted]:
    """What a model sees in each square, at the bundle's thresholds."""
    predictor = load_predictor(bundle, graph=graph)
    found: list[Predicted] = [each for _, each in predictor.predict_stream(enumerate(squares))]
    return found


def compare(reference: Sequence[Predicted], exported: Sequence[Predicted]) -> Parity:
    """The parity of two models' predictions on the same squares."""
    pairs = list(zip(reference, exported, strict=True))
    if any(isinstance(each, ClassScore) for found, _ in pairs for each in found):
        return _compare_classes(pairs)
    return _compare_objects(pairs)


def _compare_classes(pairs: Sequence[tuple[Predicted, Predicted]]) -> Parity:
    gaps = []
    for before, after in pairs:
        scores = {each.class_name: each.score for each in after}
        gaps.append(max(abs(each.score - scores[each.class_name]) for each in before))
    same = sum(before[0].class_name == after[0].class_name for before, after in pairs)
    return Parity(len(pairs), len(pairs), same / len(pairs), None, max(gaps), float(np.mean(gaps)))


def _compare_objects(pairs: Sequence[tuple[Predicted, Predicted]]) -> Parity:
    gaps: list[tuple[float, float]] = []
    every = 0
    for before, after in pairs:
        matched = _match(before, after)  # type: ignore[arg-type]
        every += len(before) + len(after) - len(matched)
        gaps.extend(matched)
    boxes, scores = zip(*gaps, strict=True) if gaps else ((0.0,), (0.0,))
    agreement = len(gaps) / every if every else 1.0
    return Parity(len(pairs), every, agreement, max(boxes), max(scores), float(np.mean(scores)))


def _match(before: Sequence[Detection], after: Sequence[Detection]) -> list[tuple[float, float]]:
    """(largest difference of a side, difference of scores) of each object that both have; best ones first."""
    if not before or not after:
        return []
    overlaps = mask.iou(_xywh(before), _xywh(after), [0] * len(after))
    same = np.array([[one.class_name == other.class_name for other in after] for one in before])
    overlaps[~same] = 0
    matched = []
    for row, one in enumerate(before):
        column = int(overlaps[row].argmax())
        if overlaps[row, column] >= _SAME:
            other = after[column]
            overlaps[:, column] = 0
            sides = np.abs(np.subtract(one.bbox_xyxy, other.bbox_xyxy))
            matched.append((float(sides.max()), abs(one.score - other.score)))
    return matched


def _xywh(objects: Sequence[Detection]) -> NDArray[np.float64]:
    corners = np.array([each.bbox_xyxy for each in objects], np.float64)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def agrees(parity: Parity, *, costs: float | None = None) -> bool:
    """Whether an export may stand for the trained model: by what it costs in accuracy on a test set, where that was
    measured and answers are not the same to a hundredth; else by these alone."""
    if parity.agreement >= SAME_SHARE and parity.max_score_difference <= SAME_SCORE:
        return True
    return costs is not None and costs <= MOST_COST


def measure_speed(graph: Runs, squares: Sequence[Pixels]) -> Speed:
    """As many at once as the graph takes; a pass that does not count comes first."""
    timed, rates = squares[:TIMED], []
    for number in range(PASSES + 1):
        started = time.perf_counter()
        for _ in graph.stream(enumerate(timed)):
            pass
        if number:
            rates.append(len(timed) / (time.perf_counter() - started))
    return speed_of(rates)


def speed_of(rates: Sequence[float]) -> Speed:
    """The spread of several rates."""
    return Speed(round(median(rates), 2), round(min(rates), 2), round(max(rates), 2))
