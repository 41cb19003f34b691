"""Everything that is told of a model on a test set, as JSON, each number with its interval."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from training.evaluation.classification import ClassifierEvaluation
from training.evaluation.counts import BINS, Quality, calibration_error, quality, weigh
from training.evaluation.detection import DetectorEvaluation
from training.evaluation.matching import AREAS, Floats, Ints, Matches
from training.evaluation.mistakes import KINDS
from training.evaluation.precision import RECALLS, average_precision, mean_of_known, precision_curve
from training.evaluation.resampling import LEVEL, estimate, resampled_weights
from training.evaluation.slices import Slice, slices_of
from training.evaluation.subject import Evaluation, Subject

Json = dict[str, Any]


def make_report(subject: Subject) -> Json:
    """The report of these predictions; the same for the same subject, digit by digit."""
    evaluation = subject.evaluation(list(AREAS))
    weights = resampled_weights(evaluation.families, resamples=subject.resamples, seed=subject.seed)
    slices = slices_of(subject.truth, subject.visibility)
    if isinstance(evaluation, DetectorEvaluation):
        told = _detector(evaluation, weights, slices)
    else:
        told = _classifier(evaluation, weights, slices)
    return {**subject.told(), "level": LEVEL, **_truth(evaluation), **told, **_calibration(evaluation, weights)}


def _truth(evaluation: Evaluation) -> Json:
    families = int(evaluation.families.max(initial=-1)) + 1
    return {"images": len(evaluation.families), "families": families, "objects": sum(evaluation.objects.values())}


def _detector(evaluation: DetectorEvaluation, weights: Floats, slices: list[Slice]) -> Json:
    precisions = _precisions(evaluation, evaluation.matches, weights)
    masks = _precisions(evaluation, evaluation.mask_matches or {}, weights)
    served, roc = evaluation.served_quality(weights), evaluation.roc(weights)
    scores = {
        **_mean_precisions(precisions),
        **({f"mask_{name}": mean for name, mean in _mean_precisions(masks).items()} if masks else {}),
        **_means([served[name] for name in precisions]),
        "auc_roc": mean_of_known(list(roc.values())),
        "calibration_error": calibration_error(weigh(weights, evaluation.calibration())),
    }
    by_class = {
        name: {
            "objects": evaluation.objects[name],
            **_told({"ap50": ap[:, 0], "ap50_95": ap.mean(1), **_columns(served[name]), "auc_roc": roc[name]}),
            **(_told(_mask_precision(masks.get(name), len(weights))) if masks else {}),
        }
        for name, ap in precisions.items()
    }
    return {
        "overall": _told(scores),
        "by_class": by_class,
        "slices": [*_sizes(evaluation, weights), *(_detector_slice(evaluation, weights, one) for one in slices)],
        "errors": dict(zip(KINDS, _counts(weights, evaluation.mistakes.kinds), strict=True)),
        "confusion": _confusion([*evaluation.class_names.values(), "nothing"], evaluation.mistakes.confusion, weights),
        "precision_at_recall": _curves(evaluation, evaluation.matches, weights),
        **({"mask_precision_at_recall": _curves(evaluation, evaluation.mask_matches, weights)} if masks else {}),
    }


def _precisions(evaluation: DetectorEvaluation, matches: Matches, weights: Floats) -> dict[str, Floats]:
    """(B, 10) by the name of each class that has objects."""
    return {
        evaluation.class_names[k]: average_precision(found, weights)
        for k, found in matches.items()
        if found.objects.any()
    }


def _mean_precisions(precisions: Mapping[str, Floats]) -> dict[str, Floats]:
    return {
        "map50": mean_of_known([ap[:, 0] for ap in precisions.values()]),
        "map50_95": mean_of_known([ap.mean(1) for ap in precisions.values()]),
    }


def _mask_precision(precision: Floats | None, resamples: int) -> dict[str, Floats]:
    """Of one class; it cannot be told where none of its objects has an outline."""
    found = np.full((resamples, 1), np.nan) if precision is None else precision
    return {"mask_ap50": found[:, 0], "mask_ap50_95": found.mean(1)}


def _curves(evaluation: DetectorEvaluation, matches: Matches | None, weights: Floats) -> Json:
    """The precision at each recall, of each class that has objects."""
    return {
        "recall": RECALLS.tolist(),
        **{
            evaluation.class_names[k]: precision_curve(found, weights[0]).tolist()
            for k, found in (matches or {}).items()
            if found.objects.any()
        },
    }


def _classifier(evaluation: ClassifierEvaluation, weights: Floats, slices: list[Slice]) -> Json:
    found, roc = evaluation.quality(weights), evaluation.roc(weights)
    known = [name for name, count in evaluation.objects.items() if count]
    scores = {
        "macro_f1": evaluation.primary(weights),
        "accuracy": evaluation.accuracy(weights),
        "precision": mean_of_known([found[name].precision for name in known]),
        "recall": mean_of_known([found[name].recall for name in known]),
        "auc_roc": mean_of_known(list(roc.values())),
        "calibration_error": calibration_error(weigh(weights, evaluation.calibration())),
    }
    by_class = {
        name: {"objects": evaluation.objects[name], **_told({**_columns(found[name]), "auc_roc": roc[name]})}
        for name in known
    }
    by_slice = [
        {
            "by": one.by,
            "name": one.name,
            "images": int(one.images.sum()),
            **_told({"macro_f1": evaluation.primary_on(weights, one.images)}),
        }
        for one in slices
        if one.by != "tags"
    ]
    confusion = _confusion(list(evaluation.class_names.values()), evaluation.confusion, weights)
    return {"overall": _told(scores), "by_class": by_class, "slices": by_slice, "confusion": confusion}


def _sizes(evaluation: DetectorEvaluation, weights: Floats) -> list[Json]:
    """Objects of COCO's three sizes."""
    everywhere = np.ones(weights.shape[1], np.bool_)
    return [
        {
            "by": "size",
            "name": area,
            "images": int(np.any([found.objects for found in matches.values()], axis=0).sum()),
            "objects": int(sum(found.objects.sum() for found in matches.values())),
            **_told({"map50": evaluation.sliced_map50(weights, everywhere, area)}),
        }
        for area, matches in evaluation.by_area.items()
        if area != "all"
    ]


def _detector_slice(evaluation: DetectorEvaluation, weights: Floats, one: Slice) -> Json:
    counts = {name: by for name, by in evaluation.served(one.images).items() if by.any()}
    by_class = {
        name: {"objects": int(by[:, 2].sum()), **_told(_columns(quality(*np.moveaxis(weigh(weights, by), -1, 0))))}
        for name, by in counts.items()
    }
    return {
        "by": one.by,
        "name": one.name,
        "images": int(one.images.sum()),
        "objects": sum(told["objects"] for told in by_class.values()),
        **_told({"map50": evaluation.sliced_map50(weights, one.images)}),
        "by_class": by_class,
    }


def _calibration(evaluation: Evaluation, weights: Floats) -> Json:
    """The curve: in each bin of the score, how sure the model is on average and how often it is right."""
    sums = evaluation.calibration().sum(0)
    return {
        "calibration": [
            {
                "low": place / BINS,
                "high": (place + 1) / BINS,
                "predictions": int(count),
                "score": float(score / count) if count else None,
                "right": float(right / count) if count else None,
            }
            for place, (count, score, right) in enumerate(sums)
        ]
    }


def _confusion(names: list[str], confusion: Ints, weights: Floats) -> Json:
    """Rows are the true classes, columns the predicted ones."""
    cells = _counts(weights, confusion.reshape(len(confusion), len(names) ** 2))
    rows = [cells[row * len(names) :][: len(names)] for row in range(len(names))]
    return {"classes": names, "counts": rows}


def _counts(weights: Floats, by_image: Ints) -> list[Json]:
    sums = weigh(weights, by_image)
    return [asdict(estimate(sums[:, place])) for place in range(sums.shape[1])]


def _means(found: list[Quality]) -> dict[str, Floats]:
    return {
        name: mean_of_known([getattr(one, name) for one in found]) for name in ("precision", "recall", "f1") if found
    }


def _columns(found: Quality) -> dict[str, Floats]:
    return {"precision": found.precision, "recall": found.recall, "f1": found.f1}


def _told(columns: Mapping[str, Floats]) -> Json:
    return {name: asdict(estimate(values)) for name, values in columns.items()}
