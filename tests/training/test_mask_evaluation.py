"""Mask mAP of random blobs, held against pycocotools, and who counts where outlines or labels are partial."""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from msgspec.structs import replace as changed
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from datasets.coco import Annotation, Dataset, Image, make_dataset, with_negatives
from datasets.crops import Crop
from datasets.files import read_json
from datasets.rle import encode_pixels
from datasets.taxonomy import Category, Taxonomy
from training.evaluate import score_detector
from training.evaluation.detection import DetectorEvaluation
from training.evaluation.folder import PREDICTIONS, recompute, write_evaluation
from training.evaluation.masks import to_mask_pair
from training.evaluation.matching import match, to_ground_truth, to_results
from training.evaluation.precision import average_precision
from training.evaluation.scores import intervals_of
from training.evaluation.subject import Subject
from training.predictors import Detection

TAXONOMY = Taxonomy(categories=(Category(name="dent"), Category(name="scratch"), Category(name="clean", kind="tag")))
SIDE = 60
SQUARE = (10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0)
IMAGE = Image("a" * 64, "a.jpg", SIDE, SIDE, family="a")


def blob(points: np.ndarray) -> Crop:
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(pixels, [points.round().astype(np.int32)], 1)
    left, top, width, height = cv2.boundingRect(pixels)
    return Crop(left, top, pixels[top : top + height, left : left + width] > 0)


def found(points: np.ndarray, name: str, score: float) -> Detection:
    crop = blob(points)
    height, width = crop.pixels.shape
    return Detection(name, (crop.left, crop.top, crop.left + width, crop.top + height), score, crop)


@pytest.fixture(scope="module")
def pair() -> tuple[Dataset, dict[str, list[Detection]]]:
    """Thirty images of ten cars with polygons, a few of them crowds as run lengths, and shaken outlines as answers."""
    rng = np.random.default_rng(4)
    images = [Image(f"{n:064d}", "x.jpg", SIDE, SIDE, family=f"car {n // 3}") for n in range(30)]
    annotations, predictions = [], {}
    for image in images:
        predictions[image.sha256] = []
        for _ in range(rng.integers(0, 4)):
            turns = np.sort(rng.uniform(0, 2 * np.pi, 9))
            radii = rng.uniform(6, 14, 9)
            points = rng.uniform(16, 44, 2) + np.stack([np.cos(turns), np.sin(turns)], 1) * radii[:, None]
            category_id, is_crowd = int(rng.integers(1, 3)), bool(rng.uniform() < 0.1)
            x, y, width, height = cv2.boundingRect(points.astype(np.float32))
            crowd = np.zeros((SIDE, SIDE), np.uint8)
            cv2.fillPoly(crowd, [points.round().astype(np.int32)], 1)
            outline = encode_pixels(crowd) if is_crowd else (tuple(points.ravel().tolist()),)
            annotations.append(
                Annotation(image.sha256, category_id, (x, y, width, height), segmentation=outline, iscrowd=is_crowd)
            )
            for _ in range(rng.integers(0, 3)):
                name = TAXONOMY.name(int(rng.choice([category_id, category_id, 3 - category_id])))
                shaken = (points + rng.normal(0, 1.5, points.shape)).clip(0, SIDE - 1)
                predictions[image.sha256].append(found(shaken, name, float(rng.uniform())))
    return with_negatives(make_dataset(TAXONOMY, images, annotations), [1, 2]), predictions


def peer_precision(truth: Dataset, predictions: Mapping[str, Sequence[Detection]]) -> np.ndarray:
    """pycocotools' own of the polygons themselves: (10 IoUs, 101 recalls, classes)."""
    ground_truth = to_ground_truth(truth)
    for record, one in zip(ground_truth["annotations"], truth.annotations, strict=True):
        outline = one.segmentation
        is_polygons = isinstance(outline, tuple)
        record["segmentation"] = list(map(list, outline)) if is_polygons else msgspec.to_builtins(outline)
    results = [{k: v for k, v in one.items() if k != "bbox"} for one in to_results(truth, predictions)]
    with redirect_stdout(StringIO()):
        coco = COCO()
        coco.dataset = {**ground_truth, "info": {}}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][..., 0, -1]


def test_mask_precision_is_that_of_pycocotools_for_every_class_and_iou(pair) -> None:
    truth, predictions = pair
    expected = peer_precision(truth, predictions).mean(1)

    matches = match(*to_mask_pair(truth, to_results(truth, predictions), [1, 2]), by="segm")["all"]  # type: ignore[misc]
    scores = score_detector(truth, predictions)

    for place, found_of_class in enumerate(matches.values()):
        ours = average_precision(found_of_class, np.ones((1, 30)))[0]
        assert ours == pytest.approx(expected[:, place], abs=1e-9)
    assert scores.mask_map50_95 == pytest.approx(expected.mean(), abs=1e-9)
    assert scores.mask_map50 == pytest.approx(expected[0].mean(), abs=1e-9)
    assert scores.map50_95 != scores.mask_map50_95, "boxes are scored beside, not instead"


def truth_of(*annotations: Annotation, known: Sequence[int] = (1, 2)) -> Dataset:
    return with_negatives(make_dataset(TAXONOMY, [IMAGE], annotations), known)


def mask_precision(truth: Dataset, *detections: Detection) -> float | None:
    return score_detector(truth, {IMAGE.sha256: detections}).mask_map50


DENT = Annotation(IMAGE.sha256, 1, (10, 10, 20, 20), segmentation=(SQUARE,))
HIT = found(np.array(SQUARE).reshape(-1, 2), "dent", 0.5)
STRAY = found(np.array([[40, 40], [50, 40], [50, 50]]), "scratch", 0.9)


def test_where_truth_or_model_has_boxes_alone_there_is_no_mask_precision() -> None:
    assert mask_precision(truth_of(changed(DENT, segmentation=())), HIT) is None
    assert mask_precision(truth_of(DENT), replace(HIT, mask=None)) is None


def test_a_class_that_an_image_was_not_searched_for_costs_nothing() -> None:
    scratch = Annotation("b" * 64, 2, (0, 0, 9, 9), segmentation=((0.0, 0.0, 9.0, 0.0, 9.0, 9.0),))
    other = changed(IMAGE, sha256="b" * 64)

    def of(known: Sequence[int]) -> float | None:
        truth = make_dataset(TAXONOMY, [changed(IMAGE, neg_category_ids=tuple(known)), other], [DENT, scratch])
        right = found(np.array([[0, 0], [8, 0], [8, 8]]), "scratch", 0.5)
        return score_detector(truth, {IMAGE.sha256: [HIT, STRAY], other.sha256: [right]}).mask_map50

    assert of(known=()) == pytest.approx(1)
    assert of(known=(2,)) == pytest.approx(0.75)


def test_a_bare_box_leaves_its_class_out_of_the_masks_on_its_image() -> None:
    bare = Annotation(IMAGE.sha256, 2, (40, 40, 10, 10))

    assert mask_precision(truth_of(DENT, bare), HIT, STRAY) == pytest.approx(1)


@pytest.fixture(scope="module")
def evaluated(pair, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DetectorEvaluation]:
    truth, predictions = pair
    folder = tmp_path_factory.mktemp("masks") / "evaluation"
    thresholds = {"dent": 0.25, "scratch": 0.25}
    subject = Subject(
        "d@1", "b" * 64, "detector", "t" * 64, thresholds, truth, to_results(truth, predictions), resamples=40
    )
    write_evaluation(subject, folder)
    return folder, subject.evaluation()


def test_mask_figures_have_intervals_and_are_made_again_from_the_files(evaluated) -> None:
    folder, evaluation = evaluated
    report = recompute(folder)

    for name in ("mask_map50", "mask_map50_95"):
        told = report["overall"][name]
        assert told["low"] <= told["value"] <= told["high"]
        assert intervals_of(evaluation, resamples=40)[name] == (told["low"], told["high"])
    assert {"ap50", "mask_ap50", "mask_ap50_95"} <= set(report["by_class"]["dent"])
    assert (folder / "mask_precision_recall.png").exists()


def test_predictions_hold_masks_as_short_texts(evaluated) -> None:
    first = read_json(evaluated[0] / PREDICTIONS)[0]

    assert set(first) == {"image_id", "category_id", "bbox", "score", "segmentation"}
    assert first["segmentation"]["size"] == [SIDE, SIDE]
    assert isinstance(first["segmentation"]["counts"], str)


def test_results_stay_as_they_were(pair) -> None:
    truth, predictions = pair
    results = to_results(
        truth, {sha256: [replace(one, mask=None) for one in some] for sha256, some in predictions.items()}
    )

    DetectorEvaluation(truth, results, {}).primary(np.ones((1, 30)))

    assert {name for one in results for name in one} == {"image_id", "category_id", "bbox", "score"}


def test_a_segmenter_is_scored_on_all_that_is_no_tag() -> None:
    outlined = Taxonomy(categories=(Category(name="dent", kind="polygon"), Category(name="clean", kind="tag")))
    truth = make_dataset(outlined, [IMAGE], [DENT])
    results = to_results(truth, {IMAGE.sha256: [HIT]}, [1])
    subject = Subject("s@1", "b" * 64, "segmenter", "t" * 64, {"dent": 0.5}, truth, results)

    assert subject.evaluation().by_class(np.ones((1, 1))) == {"dent": pytest.approx([1.0])}
    assert subject.evaluation().mask_matches is not None
