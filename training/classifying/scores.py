"""How good class probabilities are, (N, K) in [0, 1] against (N,) class indices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

_BINS = 15

Probabilities = NDArray[np.floating[Any]]
Targets = NDArray[np.int64]


@dataclass(frozen=True)
class ClassScores:
    """One class: precision, recall and F1 in [0, 1], and how many images are of it."""

    precision: float
    recall: float
    f1: float
    images: int


@dataclass(frozen=True)
class Scores:
    """All in [0, 1], but `confusion` (K, K), which counts: a row for each truth, a column for each prediction.

    `macro_f1` is over the classes in the truth. `auc_roc` is the mean of one class against the rest, None where no
    class has both. `ece` is the expected calibration error in 15 bins of equal width.
    """

    macro_f1: float
    accuracy: float
    auc_roc: float | None
    ece: float
    by_class: dict[str, ClassScores]
    confusion: list[list[int]]


def score(probabilities: Probabilities, targets: Targets, class_names: Sequence[str]) -> Scores:
    """Every score of at least one prediction."""
    confusion = count_confusion(probabilities.argmax(1), targets, len(class_names))
    return Scores(
        macro_f1=macro_f1(confusion),
        accuracy=float(np.trace(confusion) / len(targets)),
        auc_roc=auc_roc(probabilities, targets),
        ece=calibration_error(probabilities, targets),
        by_class={name: _class_scores(confusion, index) for index, name in enumerate(class_names)},
        confusion=confusion.tolist(),
    )


def count_confusion(found: Targets, targets: Targets, classes: int) -> NDArray[np.int64]:
    """(K, K): how often each truth (row) was predicted as each class (column)."""
    return np.bincount(targets * classes + found, minlength=classes**2).reshape(classes, classes)


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """The mean F1 of the classes in the truth."""
    present = np.flatnonzero(confusion.sum(1))
    return float(np.mean([_class_scores(confusion, int(index)).f1 for index in present]))


def _class_scores(confusion: NDArray[np.int64], index: int) -> ClassScores:
    right, found, true = (int(n) for n in (confusion[index, index], confusion[:, index].sum(), confusion[index].sum()))
    return ClassScores(right / max(found, 1), right / max(true, 1), 2 * right / max(found + true, 1), true)


def auc_roc(probabilities: Probabilities, targets: Targets) -> float | None:
    """The mean over classes of the chance that an image of it scores higher than another; ties count half.

    Source: the Mann-Whitney U statistic, https://en.wikipedia.org/wiki/Mann-Whitney_U_test
    """
    areas = []
    for index, scores in enumerate(probabilities.T):
        of_class = targets == index
        true, others = int(of_class.sum()), int((~of_class).sum())
        if true and others:
            areas.append((rankdata(scores)[of_class].sum() - true * (true + 1) / 2) / (true * others))
    return float(np.mean(areas)) if areas else None


def calibration_error(probabilities: Probabilities, targets: Targets) -> float:
    """How far the best class's probability is from how often it is right, over bins weighted by their images.

    Source: https://arxiv.org/abs/1706.04599
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == targets
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [abs(confidence[bins == b].sum() - right[bins == b].sum()) for b in range(_BINS)]
    return float(sum(gaps) / len(targets))


def precision_recall(probabilities: Probabilities, of_class: NDArray[np.bool_]) -> tuple[list[float], list[float]]:
    """Recalls and precisions, the surest of (N,) probabilities first; empty where nothing is of the class."""
    hits = of_class[np.argsort(-probabilities, kind="stable")].cumsum()
    if not len(hits) or not hits[-1]:
        return [], []
    return (hits / hits[-1]).tolist(), (hits / np.arange(1, len(hits) + 1)).tolist()
