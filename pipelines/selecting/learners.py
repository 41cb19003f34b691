"""What a simulation lets learn from labels, and the quick one of them: a linear head over features that stay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from datasets.coco import Dataset
from datasets.selecting.pool import Answers, Floats, Found

_WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])


@dataclass(frozen=True)
class Scores:
    """Quality in [0, 1] on the frozen test images, as a whole and by class."""

    quality: float
    by_class: Mapping[str, float]


class Learned(Protocol):
    """A model that has learnt."""

    def score(self) -> Scores:
        """How good it is on the test images."""

    def look(self, sha256s: Sequence[str]) -> tuple[Answers, Floats]:
        """What it says of images, and (N, D) embeddings of them."""

    def embed(self, sha256s: Sequence[str]) -> Floats:
        """(N, D) embeddings alone."""


class Learner(Protocol):
    """Learns from the truth of some images; the same images and seed give the same model."""

    @property
    def metric(self) -> str:
        """What its quality is called."""

    @property
    def class_names(self) -> Sequence[str]:
        """The classes that its answers are about, in order."""

    def learn(self, sha256s: Sequence[str], *, seed: int) -> Learned:
        """A model of these images' labels."""

    def forget(self, *, seed: int) -> None:
        """Remove what is kept of models of a seed, which is over."""


class FrozenLearner:
    """Tells which classes an image shows: a logistic regression of each over features that stay.

    Its answers are one detection per class, as large as the image, scored by the chance that the class is there.
    Quality is the mean average precision over the classes that a test image shows.
    """

    metric = "mean AP of classes present"

    def __init__(self, features: Mapping[str, Floats], train: Dataset, test: Dataset) -> None:
        self._features = features
        self._present = {**presence(train), **presence(test)}
        self._test = tuple(image.sha256 for image in test.images)
        self.class_names = train.taxonomy.names()

    def learn(self, sha256s: Sequence[str], *, seed: int) -> "FrozenLearned":
        """Fit one head per class; `seed` changes nothing, for the fit has one solution."""
        ordered = sorted(sha256s)
        features, targets = self.matrix(ordered), np.array([self._present[sha256] for sha256 in ordered])
        return FrozenLearned(self, _fit(features, targets))

    def forget(self, *, seed: int) -> None:
        """Nothing is kept."""

    def matrix(self, sha256s: Sequence[str]) -> Floats:
        """(N, D) features."""
        return np.array([self._features[sha256] for sha256 in sha256s])

    def score(self, chances: Floats) -> Scores:
        """Average precision of (N, C) chances on the test images."""
        truth = np.array([self._present[sha256] for sha256 in self._test])
        shown = np.flatnonzero(truth.any(0))
        by_class = {
            self.class_names[column]: average_precision(truth[:, column], chances[:, column]) for column in shown
        }
        return Scores(float(np.mean([*by_class.values()])) if by_class else 0.0, by_class)

    @property
    def test(self) -> Sequence[str]:
        return self._test


class FrozenLearned:
    """The heads: per class a function from features to chances."""

    def __init__(self, learner: FrozenLearner, heads: "_Heads") -> None:
        self._learner, self._heads = learner, heads

    def score(self) -> Scores:
        return self._learner.score(self._heads.chances(self._learner.matrix(self._learner.test)))

    def look(self, sha256s: Sequence[str]) -> tuple[Answers, Floats]:
        features = self._learner.matrix(sha256s)
        chances = self._heads.chances(features)
        classes = np.arange(chances.shape[1])
        boxes = np.repeat(_WHOLE, len(classes), axis=0)
        return Answers([Found(boxes, row, classes) for row in chances]), features

    def embed(self, sha256s: Sequence[str]) -> Floats:
        return self._learner.matrix(sha256s)


@dataclass(frozen=True)
class _Heads:
    """(D, C) weights and (C,) offsets of logits."""

    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]

    def chances(self, features: Floats) -> Floats:
        return _chances(features @ self.weights + self.offsets)


def _fit(features: Floats, targets: NDArray[np.bool_]) -> _Heads:
    """Heads for (N, D) features and (N, C) targets, all classes at once.

    Steps by an upper bound of the curvature never overshoot (https://doi.org/10.1007/BF00048682). A class that all or
    no images show is given nearly its share alone, for offsets are penalised as well.
    """
    inputs = np.hstack([np.asarray(features, float), np.ones((len(features), 1))])
    penalty = np.eye(inputs.shape[1]) / _LOOSENESS
    step = np.linalg.inv(inputs.T @ inputs / 4 + penalty)
    weights = np.zeros((inputs.shape[1], targets.shape[1]))
    for _ in range(_STEPS):
        slopes = inputs.T @ (_chances(inputs @ weights) - targets) + penalty @ weights
        weights -= step @ slopes
    return _Heads(weights[:-1], weights[-1])


_LOOSENESS = 10.0  # inverse strength of the penalty, for features of a total variance of 1
_STEPS = 200


def _chances(logits: Floats) -> Floats:
    chances: Floats = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    return chances


def average_precision(truth: NDArray[np.bool_], scores: Floats) -> float:
    """The mean of the precisions at which each of the true is found, at least one; equal scores are found together."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = truth[order].cumsum()[ends]
    return float((np.diff(found, prepend=0) * found / (ends + 1)).sum() / found[-1])


def presence(dataset: Dataset) -> dict[str, NDArray[np.bool_]]:
    """(C,) by image, which of the taxonomy's classes it shows as objects or tags."""
    names = len(dataset.taxonomy.names())
    shown = {}
    for image in dataset.images:
        ids = [annotation.category_id for annotation in dataset.annotations_of.get(image.sha256, ())]
        row = np.zeros(names, bool)
        row[[category_id - 1 for category_id in (*ids, *(tag.category_id for tag in image.tags))]] = True
        shown[image.sha256] = row
    return shown
