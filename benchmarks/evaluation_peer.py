"""One peer of benchmarks.evaluation, alone in its process: `python -m benchmarks.evaluation_peer PEER SIZES`.

carloop is timed from its dataset and predictions to its scores: `training.evaluate.score_detector` as a whole. The
others are timed from COCO's truth and results, as Carloop makes them, to COCO's twelve numbers.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.evaluation_data import make_truth_and_predictions
from benchmarks.turns import Figures, timed
from datasets.coco import Dataset
from training.evaluate import score_detector, to_coco_pair
from training.predictors import Detection

Predictions = Mapping[str, list[Detection]]
Coco = dict[str, Any]


def run_peer(peer: str, sizes: Mapping[str, int]) -> Figures:
    """Seconds, peak memory, and the scores: COCO's twelve, or of carloop the first two."""
    truth, predictions = make_truth_and_predictions(**sizes)
    work = PEERS[peer](truth, predictions)
    with contextlib.redirect_stdout(sys.stderr):
        scores, figures = timed(work)
    return {**figures, "scores": scores}


def _carloop(truth: Dataset, predictions: Predictions) -> Callable[[], list[float | None]]:
    import faster_coco_eval  # noqa: F401  (imports are not timed)

    def evaluate() -> list[float | None]:
        scores = score_detector(truth, predictions)
        return [scores.map50_95, scores.map50]

    return evaluate


def _faster(truth: Dataset, predictions: Predictions) -> Callable[[], list[float | None]]:
    """The calls of `training.evaluate`, and the summary."""
    from faster_coco_eval import COCO, COCOeval_faster

    ground_truth, detections = to_coco_pair(truth, predictions)

    def evaluate() -> list[float | None]:
        coco = COCO(ground_truth)
        evaluation = COCOeval_faster(coco, coco.loadRes(detections), "bbox", print_function=lambda *_: None)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return [float(value) for value in evaluation.stats[:12]]

    return evaluate


def _pycocotools(truth: Dataset, predictions: Predictions) -> Callable[[], list[float | None]]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ground_truth, detections = to_coco_pair(truth, predictions)
    ground_truth["info"] = {}

    def evaluate() -> list[float | None]:
        coco = COCO()
        coco.dataset = ground_truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return [float(value) for value in evaluation.stats]

    return evaluate


PEERS: dict[str, Callable[[Dataset, Predictions], Callable[[], list[float | None]]]] = {
    "carloop": _carloop,
    "faster-coco-eval": _faster,
    "pycocotools": _pycocotools,
}

if __name__ == "__main__":
    print(json.dumps(run_peer(sys.argv[1], json.loads(sys.argv[2]))))
