"""The few numbers that a model is known by."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.evaluation.classification import ClassifierEvaluation
from training.evaluation.detection import DetectorEvaluation
from training.evaluation.matching import Floats, Matches
from training.evaluation.precision import average_precision, mean_of_known
from training.evaluation.resampling import estimate, resampled_weights
from training.evaluation.subject import RESAMPLES, Evaluation


@dataclass(frozen=True)
class DetectorScores:
    """Average precision in [0, 1]; None, or no entry in `by_class` (AP at IoU 0.5), where the truth has no box.

    By masks it is None too where the model answers with none, or the truth has no outline.
    """

    map50: float | None
    map50_95: float | None
    by_class: Mapping[str, float]
    mask_map50: float | None = None
    mask_map50_95: float | None = None


@dataclass(frozen=True)
class ClassifierScores:
    """In [0, 1]; `macro_f1` is over the classes in the truth. None where the truth has no tag."""

    macro_f1: float | None
    accuracy: float | None


Scores = DetectorScores | ClassifierScores


def scores_of(evaluation: Evaluation) -> Scores:
    """The numbers of a whole test set."""
    if isinstance(evaluation, DetectorEvaluation):
        return detector_scores(evaluation)
    return classifier_scores(evaluation)


def detector_scores(evaluation: DetectorEvaluation) -> DetectorScores:
    """Of the rectangle classes that the truth has boxes of."""
    once = np.ones((1, len(evaluation.families)))
    by_class = {name: float(values[0]) for name, values in evaluation.by_class(once).items()}
    return DetectorScores(**_values(evaluation, once), by_class=by_class)


def classifier_scores(evaluation: ClassifierEvaluation) -> ClassifierScores:
    """Of the images with one tag."""
    return ClassifierScores(**_values(evaluation, np.ones((1, len(evaluation.families)))))


def intervals_of(
    evaluation: Evaluation, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """(low, high) of each of those numbers that there is, by a bootstrap over families."""
    weights = resampled_weights(evaluation.families, resamples=resamples, seed=seed)
    found = {name: estimate(values) for name, values in _columns(evaluation, weights).items()}
    return {name: (one.low, one.high) for name, one in found.items() if one.low is not None and one.high is not None}


def _values(evaluation: Evaluation, once: Floats) -> dict[str, float | None]:
    return {name: estimate(values).value for name, values in _columns(evaluation, once).items()}


def _columns(evaluation: Evaluation, weights: Floats) -> dict[str, Floats]:
    if not isinstance(evaluation, DetectorEvaluation):
        return {"macro_f1": evaluation.primary(weights), "accuracy": evaluation.accuracy(weights)}
    by_masks = evaluation.mask_matches
    return {
        **_precisions(evaluation.matches, weights),
        **({f"mask_{name}": found for name, found in _precisions(by_masks, weights).items()} if by_masks else {}),
    }


def _precisions(matches: Matches, weights: Floats) -> dict[str, Floats]:
    precisions = [average_precision(found, weights) for found in matches.values()]
    return {
        "map50": mean_of_known([precision[:, 0] for precision in precisions]),
        "map50_95": mean_of_known([precision.mean(1) for precision in precisions]),
    }
