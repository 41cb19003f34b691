"""Score predictions against truth. Boxes are xyxy pixels in predictions, xywh pixels in datasets.

Detectors by COCO's definitions (https://cocodataset.org/#detection-eval), computed by faster-coco-eval.
Partial labels are honoured as in LVIS (https://arxiv.org/abs/1908.03195): where an image was not annotated for a
class, that class is neither truth nor false positive there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from datasets.coco import Dataset, Image
from training.bundle import Bundle
from training.errors import UndecodableImage
from training.predictors import (
    Classifier,
    ClassScore,
    Detection,
    Pixels,
    decode_ahead,
    load_predictor,
)

EVALUATION_THRESHOLD = 0.001
"""The whole precision-recall curve is scored, so that nearly every detection counts."""

Prediction = TypeVar("Prediction")
PredictStream = Callable[[Iterable[tuple[str, Pixels]]], Iterator[tuple[str, list[Prediction]]]]


@dataclass(frozen=True)
class DetectorScores:
    """Average precision in [0, 1]; None, or no entry in `by_class` (AP at IoU 0.5), where the truth has no box."""

    map50: float | None
    map50_95: float | None
    by_class: Mapping[str, float]


@dataclass(frozen=True)
class ClassifierScores:
    """In [0, 1]; `macro_f1` is over the classes in the truth. None where the truth has no tag."""

    macro_f1: float | None
    accuracy: float | None


def evaluate_bundle(bundle: Bundle, truth: Dataset, store: Path) -> DetectorScores | ClassifierScores:
    """Score what would be served: the bundle's own predictor on every image of `truth`, read from `store`."""
    predictor, truth = load_predictor(bundle), truth.live
    if isinstance(predictor, Classifier):
        return score_classifier(truth, read_and_predict(truth.images, store, predictor.predict_stream))
    predict = partial(predictor.predict_stream, threshold=EVALUATION_THRESHOLD)
    return score_detector(truth, read_and_predict(truth.images, store, predict))


def read_and_predict(
    images: Sequence[Image], store: Path, predict_stream: PredictStream[Prediction]
) -> dict[str, list[Prediction]]:
    """Predictions by SHA-256, a few pictures in memory at a time. Raises UndecodableImage."""
    contents = ((image.sha256, (store / image.file_name).read_bytes()) for image in images)
    return dict(predict_stream((sha256, _require_pixels(decoded)) for sha256, decoded in decode_ahead(contents)))


def _require_pixels(decoded: Pixels | UndecodableImage) -> Pixels:
    if isinstance(decoded, UndecodableImage):
        raise decoded
    return decoded


def score_detector(truth: Dataset, predictions: Mapping[str, Sequence[Detection]]) -> DetectorScores:
    """COCO's mAP over the rectangle classes that `truth` has boxes of; `predictions` by SHA-256."""
    ground_truth, detections = to_coco_pair(truth, predictions)
    if not ground_truth["annotations"]:
        return DetectorScores(None, None, {})
    precision = _precision(ground_truth, detections)
    category_ids = [category["id"] for category in ground_truth["categories"]]
    known = {category_id: precision[:, :, k] for k, category_id in enumerate(category_ids) if precision[0, 0, k] > -1}
    return DetectorScores(
        map50=float(np.mean([curve[0].mean() for curve in known.values()])),
        map50_95=float(np.mean([curve.mean() for curve in known.values()])),
        by_class={truth.taxonomy.name(category_id): float(curve[0].mean()) for category_id, curve in known.items()},
    )


def to_coco_pair(
    truth: Dataset, predictions: Mapping[str, Sequence[Detection]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """COCO's ground truth and results, of the classes known on each image alone."""
    numbers = {image.sha256: number for number, image in enumerate(truth.images, start=1)}
    known = {sha256: truth.known_category_ids(sha256) for sha256 in numbers}
    annotations = [a for a in truth.annotations if a.category_id in known[a.sha256]]
    ground_truth = {
        "images": [{"id": numbers[i.sha256], "width": i.width, "height": i.height} for i in truth.images],
        "categories": [{"id": i, "name": truth.taxonomy.name(i)} for i in truth.taxonomy.ids("rectangle")],
        "annotations": [
            {
                "id": number,
                "image_id": numbers[a.sha256],
                "category_id": a.category_id,
                "bbox": list(a.bbox_xywh),
                "area": a.bbox_xywh[2] * a.bbox_xywh[3],
                "iscrowd": int(a.iscrowd),
            }
            for number, a in enumerate(annotations, start=1)
        ],
    }
    results = [
        _result(detection, category_id, image_id)
        for sha256, image_id in numbers.items()
        for detection in predictions.get(sha256, ())
        if (category_id := truth.taxonomy.category_id(detection.class_name)) in known[sha256]
    ]
    return ground_truth, results


def _result(detection: Detection, category_id: int, image_id: int) -> dict[str, Any]:
    left, top, right, bottom = detection.bbox_xyxy
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [left, top, right - left, bottom - top],
        "score": detection.score,
    }


def _precision(ground_truth: dict[str, Any], detections: list[dict[str, Any]]) -> NDArray[np.float64]:
    """(10 IoUs from 0.50, 101 recalls, classes), at most 100 detections an image; -1 for a class without truth."""
    from faster_coco_eval import COCO, COCOeval_faster

    coco = COCO(ground_truth)
    evaluation = COCOeval_faster(coco, coco.loadRes(detections), "bbox", print_function=lambda *_: None)
    evaluation.evaluate()
    evaluation.accumulate()
    precision: NDArray[np.float64] = evaluation.eval["precision"][:, :, :, 0, -1]
    return precision


def score_classifier(truth: Dataset, predictions: Mapping[str, Sequence[ClassScore]]) -> ClassifierScores:
    """Macro F1 and accuracy of the best class, over the images of `truth` with one tag; `predictions` by SHA-256."""
    tagged = [image for image in truth.images if len(image.tags) == 1]
    pairs = [(truth.taxonomy.name(i.tags[0].category_id), predictions[i.sha256][0].class_name) for i in tagged]
    if not pairs:
        return ClassifierScores(None, None)
    return ClassifierScores(
        macro_f1=float(np.mean([_f1(name, pairs) for name in sorted({expected for expected, _ in pairs})])),
        accuracy=float(np.mean([expected == found for expected, found in pairs])),
    )


def _f1(name: str, pairs: Iterable[tuple[str, str]]) -> float:
    hits = [(expected == name, found == name) for expected, found in pairs]
    right = sum(expected and found for expected, found in hits)
    return 2 * right / sum(expected + found for expected, found in hits)
