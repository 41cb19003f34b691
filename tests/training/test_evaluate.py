from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from datasets.coco import Annotation, Dataset, Image, Tag, make_dataset, with_negatives
from datasets.taxonomy import DEFAULT_TAXONOMY
from training.errors import UndecodableImage
from training.evaluate import (
    ClassifierScores,
    DetectorScores,
    read_and_predict,
    score_classifier,
    score_detector,
    to_coco_pair,
)
from training.predictors import ClassScore, Detection

IMAGE = Image("a" * 64, "a.jpg", 100, 100, family="a")
DENT = DEFAULT_TAXONOMY.category_id("dent")
HOOD = DEFAULT_TAXONOMY.category_id("damaged hood")
FOUND = Detection("dent", (10, 10, 30, 30), 0.9)


def truth_of(*annotations: Annotation, image: Image = IMAGE) -> Dataset:
    return make_dataset(DEFAULT_TAXONOMY, [image], annotations)


def random_truth_and_predictions(seed: int) -> tuple[Dataset, dict[str, list[Detection]]]:
    """Thirty images with boxes, and predictions that are near them, missing, of another class or invented."""
    rng = np.random.default_rng(seed)
    images = [Image(f"{number:064d}", "x.jpg", 200, 200, family="x") for number in range(30)]
    annotations, predictions = [], {}
    for image in images:
        found = predictions[image.sha256] = []
        for x, y, width, height in rng.uniform((0, 0, 10, 10), (130, 130, 70, 70), (rng.integers(0, 5), 4)):
            category_id = int(rng.integers(1, 6))
            annotations.append(Annotation(image.sha256, category_id, (x, y, width, height)))
            for _ in range(rng.integers(0, 3)):
                guess = int(rng.choice([category_id, category_id, 1 + category_id % 5]))
                corners = np.array([x, y, x + width, y + height]) + rng.normal(0, 4, 4)
                name = DEFAULT_TAXONOMY.name(guess)
                found.append(Detection(name, tuple(corners.tolist()), float(rng.uniform())))
    return with_negatives(make_dataset(DEFAULT_TAXONOMY, images, annotations), DEFAULT_TAXONOMY.ids()), predictions


def pycocotools_scores(truth: Dataset, predictions: Mapping[str, Sequence[Detection]]) -> tuple[float, float]:
    ground_truth, results = to_coco_pair(truth, predictions)
    with redirect_stdout(StringIO()):
        coco = COCO()
        coco.dataset = ground_truth | {"info": {}}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[1], evaluation.stats[0]


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_pycocotools(seed: int) -> None:
    truth, predictions = random_truth_and_predictions(seed)

    scores = score_detector(truth, predictions)

    assert (scores.map50, scores.map50_95) == pytest.approx(pycocotools_scores(truth, predictions), abs=1e-9)
    assert scores.map50 == pytest.approx(np.mean(list(scores.by_class.values())))


def test_a_class_unknown_on_an_image_is_no_false_positive() -> None:
    truth = truth_of(Annotation(IMAGE.sha256, DENT, (10, 10, 20, 20)), Annotation("b" * 64, HOOD, (0, 0, 9, 9)))
    truth = make_dataset(DEFAULT_TAXONOMY, [IMAGE, Image("b" * 64, "b.jpg", 100, 100, "b")], truth.annotations)
    elsewhere = Detection("dent", (50, 50, 70, 70), 0.99)

    scores = score_detector(
        truth, {IMAGE.sha256: [FOUND], "b" * 64: [elsewhere, Detection("damaged hood", (0, 0, 9, 9), 0.5)]}
    )

    assert scores == DetectorScores(1.0, 1.0, {"dent": 1.0, "damaged hood": 1.0})


def test_a_class_absent_on_an_image_is_a_false_positive() -> None:
    searched = with_negatives(truth_of(Annotation(IMAGE.sha256, DENT, (10, 10, 20, 20))), [DENT, HOOD])
    twice = [FOUND, Detection("dent", (50, 50, 70, 70), 0.99)]

    assert score_detector(searched, {IMAGE.sha256: twice}).map50 == pytest.approx(0.5)


def test_nothing_predicted_scores_zero() -> None:
    truth = truth_of(Annotation(IMAGE.sha256, DENT, (10, 10, 20, 20)))

    assert score_detector(truth, {}) == DetectorScores(0.0, 0.0, {"dent": 0.0})


def test_truth_without_boxes_has_no_score() -> None:
    assert score_detector(truth_of(), {IMAGE.sha256: [FOUND]}) == DetectorScores(None, None, {})


def test_macro_f1_weighs_classes_alike() -> None:
    clean, dirty = DEFAULT_TAXONOMY.category_id("clean"), DEFAULT_TAXONOMY.category_id("dirty")
    tags = [clean, clean, clean, dirty]
    images = [Image(str(n), "x.jpg", 9, 9, "x", tags=(Tag(tag),)) for n, tag in enumerate(tags)]
    always_clean = {image.sha256: [ClassScore("clean", 0.9), ClassScore("dirty", 0.1)] for image in images}

    scores = score_classifier(make_dataset(DEFAULT_TAXONOMY, images, ()), always_clean)

    assert scores.accuracy == 0.75
    assert scores.macro_f1 == pytest.approx((6 / 7 + 0) / 2)


def test_untagged_truth_has_no_score() -> None:
    assert score_classifier(truth_of(), {}) == ClassifierScores(None, None)


def test_a_picture_that_cannot_be_read_is_told_by_name(tmp_path: Path) -> None:
    def predict() -> None:
        list(read_and_predict([IMAGE], tmp_path, lambda pictures: ((sha256, []) for sha256, _ in pictures)))

    with pytest.raises(UndecodableImage, match=r"a\.jpg cannot be read: No such file"):
        predict()
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(UndecodableImage, match=r"image a{64}: 10 bytes are no picture"):
        predict()
