from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import roc_auc_score

from benchmarks.evaluation_data import make_truth_and_predictions
from datasets.coco import Annotation, Dataset, Image, Tag, make_dataset, with_negatives
from datasets.errors import BadDataset
from datasets.taxonomy import Category, Taxonomy
from training.assessability import Visibility
from training.evaluation.classification import to_results as to_classifier_results
from training.evaluation.counts import BINS, calibration_counts, calibration_error, roc_areas
from training.evaluation.detection import DetectorEvaluation
from training.evaluation.folder import PREDICTIONS, REPORT, read_subject, recompute, write_evaluation
from training.evaluation.matching import AREAS, Area, Coco, match, to_coco_pair
from training.evaluation.mistakes import KINDS, find_mistakes
from training.evaluation.precision import average_precision, mean_average_precision
from training.evaluation.report import make_report
from training.evaluation.resampling import families_of, resampled_weights
from training.evaluation.slices import slices_of
from training.evaluation.subject import Subject
from training.predictors import ClassScore, Detection

TAXONOMY = Taxonomy(
    categories=(
        Category(name="dent"),
        Category(name="scratch"),
        Category(name="clean", kind="tag"),
        Category(name="dirty", kind="tag"),
    )
)


@pytest.fixture(scope="module")
def pair() -> tuple[Coco, list[Coco]]:
    """Sixty images with 400 boxes, and 1,000 detections."""
    return to_coco_pair(*make_truth_and_predictions(images=60, truths=400, detections=1000, seed=3))


def peer_precision(ground_truth: Coco, results: Sequence[Coco]) -> np.ndarray:
    """pycocotools' own: (10 IoUs, 101 recalls, classes, 4 areas)."""
    with redirect_stdout(StringIO()):
        coco = COCO()
        coco.dataset = {**ground_truth, "info": {}}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes([dict(result) for result in results]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][..., -1]


def test_average_precision_is_that_of_pycocotools_for_every_class_iou_and_size(pair) -> None:
    expected = peer_precision(*pair)

    for number, (_, found) in enumerate(match(*pair, areas=list(AREAS)).items()):
        for place, matches in enumerate(found.values()):
            ours = average_precision(matches, np.ones((1, 60)))[0]
            assert ours == pytest.approx(expected[:, :, place, number].mean(1), abs=1e-9)


def test_an_image_that_counts_twice_is_an_image_that_is_there_twice(pair) -> None:
    ground_truth, results = pair
    twice = {
        "images": [*ground_truth["images"], *({**image, "id": image["id"] + 60} for image in ground_truth["images"])],
        "categories": ground_truth["categories"],
        "annotations": [
            *ground_truth["annotations"],
            *(
                {**a, "id": a["id"] + 400, "image_id": a["image_id"] + 60}
                for a in ground_truth["annotations"]
                if a["image_id"] <= 30
            ),
        ],
    }
    results_twice = [*results, *({**r, "image_id": r["image_id"] + 60} for r in results if r["image_id"] <= 30)]
    weights = np.where(np.arange(60) < 30, 2.0, 1.0)[None]

    weighed = mean_average_precision(match(*pair)["all"], weights)[0]

    assert weighed == pytest.approx(peer_precision(twice, results_twice)[:, :, :, 0].mean(), abs=1e-9)


def test_an_image_without_weight_is_as_if_it_were_not_there(pair) -> None:
    some = np.arange(60) % 3 > 0
    matches = match(*pair)["all"]
    left = {k: found.on(some) for k, found in matches.items()}

    weighed = mean_average_precision(matches, some[None].astype(float))

    assert weighed == pytest.approx(mean_average_precision(left, np.ones((1, 60))), abs=1e-12)


def test_a_crowd_is_neither_missed_nor_found() -> None:
    image = Image("a" * 64, "a.jpg", 100, 100, family="a")
    annotations = [
        Annotation(image.sha256, 1, (0, 0, 20, 20)),
        Annotation(image.sha256, 1, (50, 50, 40, 40), iscrowd=True),
    ]
    truth = with_negatives(make_dataset(TAXONOMY, [image], annotations), TAXONOMY.ids())
    found = [Detection("dent", (55, 55, 75, 75), 0.9), Detection("dent", (0, 0, 20, 20), 0.8)]
    pair = to_coco_pair(truth, {image.sha256: found})

    assert average_precision(match(*pair)["all"][1], np.ones((1, 1)))[0, 0] == pytest.approx(
        peer_precision(*pair)[0, :, 0, 0].mean()
    )
    assert find_mistakes(*pair, {1: 0.1, 2: 0.1}).kinds.sum() == 0


def test_without_detections_every_class_with_objects_scores_zero(pair) -> None:
    matches = match(pair[0], [])["all"]

    assert mean_average_precision(matches, np.ones((1, 60))) == pytest.approx([0.0])
    assert sum(found.objects.sum() for found in matches.values()) == 400


def test_families_stand_or_fall_together() -> None:
    images = [Image(f"{n:064d}", "x.jpg", 9, 9, family=f"car {n // 3}") for n in range(12)]

    weights = resampled_weights(families_of(images), resamples=50, seed=1)

    assert weights.shape == (51, 12)
    assert (weights[0] == 1).all()
    assert (weights.reshape(51, 4, 3).std(2) == 0).all(), "the three photographs of a car count alike"
    assert (weights.sum(1) == 12).all()
    assert np.array_equal(weights, resampled_weights(families_of(images), resamples=50, seed=1))


def test_weighed_auc_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    positive, weights = rng.uniform(size=200) < 0.3, rng.integers(0, 4, (3, 200)).astype(float)
    scores = (rng.normal(size=200) + positive).round(1)  # with ties

    expected = [roc_auc_score(positive, scores, sample_weight=row) for row in weights]

    assert roc_areas(scores, positive, weights) == pytest.approx(expected)


def test_calibration_error_is_the_gap_between_score_and_share_right() -> None:
    scores, right = np.array([0.9, 0.9, 0.9, 0.9, 0.5]), np.array([True, True, True, False, True])

    counts = calibration_counts(1, np.zeros(5, np.int64), scores, right)

    assert counts.shape == (1, BINS, 3)
    assert calibration_error(counts) == pytest.approx([4 / 5 * 0.15 + 1 / 5 * 0.5])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], {"missed": 1}),
        ([("dent", (0, 0, 20, 20))], {}),
        ([("dent", (0, 0, 20, 20)), ("dent", (1, 0, 20, 20))], {"duplicate": 1}),
        ([("scratch", (0, 0, 20, 20))], {"confused": 1}),
        ([("dent", (0, 0, 20, 8))], {"misplaced": 1}),
        ([("dent", (60, 60, 80, 80))], {"missed": 1, "spurious": 1}),
    ],
)
def test_each_error_has_its_kind(found: list[tuple[str, tuple[float, ...]]], expected: dict[str, int]) -> None:
    image = Image("a" * 64, "a.jpg", 100, 100, family="a")
    truth = make_dataset(TAXONOMY, [image], [Annotation(image.sha256, 1, (0, 0, 20, 20))])
    predictions = {image.sha256: [Detection(name, box, 0.9 - 0.1 * n) for n, (name, box) in enumerate(found)]}

    mistakes = find_mistakes(*to_coco_pair(with_negatives(truth, [1, 2]), predictions), {1: 0.25, 2: 0.25})

    kinds = dict(zip(KINDS, mistakes.kinds[0].tolist(), strict=True))
    assert {kind: count for kind, count in kinds.items() if count} == expected
    assert mistakes.confusion[0, :2].sum() == 1, "the one object is taken for one thing"


def test_what_is_not_served_is_no_mistake(pair) -> None:
    none = find_mistakes(*pair, dict.fromkeys(range(1, 9), 1.0))

    assert dict(zip(KINDS, none.kinds.sum(0), strict=True)) == {**dict.fromkeys(KINDS, 0), "missed": 400}


@pytest.fixture(scope="module")
def cars() -> Dataset:
    """Twenty-four tagged photographs of eight cars, half of them dirty, from two sites."""
    images = [
        Image(
            f"{n:064x}",
            f"{n}.jpg",
            200,
            200,
            family=f"car {n // 3}",
            tags=(Tag(TAXONOMY.category_id("dirty" if n % 2 else "clean")),),
        )
        for n in range(24)
    ]
    annotations = [Annotation(image.sha256, 1 + n % 2, (10 + n, 10, 40, 30)) for n, image in enumerate(images)]
    return with_negatives(make_dataset(TAXONOMY, images, annotations), TAXONOMY.ids())


@pytest.fixture(scope="module")
def subject(cars: Dataset) -> Subject:
    predictions = {
        image.sha256: [
            Detection("dent" if n % 5 else "scratch", (12 + n, 11, 50 + n, 41), 0.3 + n / 50),
            Detection("scratch", (10.0 + n, 10, 50 + n, 40), 0.9 - n / 100),
        ]
        for n, image in enumerate(cars.images)
    }
    return Subject(
        model="damage_detector@7",
        bundle="b" * 64,
        task="detector",
        test_set="t" * 64,
        thresholds={"dent": 0.25, "scratch": 0.5},
        truth=cars,
        results=to_coco_pair(cars, predictions)[1],
        visibility={image.sha256: Visibility(float(n), 0.0, float(-n)) for n, image in enumerate(cars.images)},
        resamples=60,
    )


def test_a_report_tells_every_number_with_its_interval(subject: Subject) -> None:
    report = make_report(subject)

    assert report["families"] == 8
    for name in ("map50", "map50_95", "precision", "recall", "f1", "auc_roc", "calibration_error"):
        found = report["overall"][name]
        assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    assert {one["by"] for one in report["slices"]} == {"size", "source", "tags", "light", "sharpness"}
    dirty = next(one for one in report["slices"] if one["name"] == "dirty")
    assert dirty["images"] == 12
    assert dirty["by_class"]["scratch"]["objects"] == 12
    assert sum(cell["value"] for row in report["confusion"]["counts"] for cell in row) >= 24


def test_slices_of_one_kind_cover_every_image_once(subject: Subject) -> None:
    slices = slices_of(subject.truth, subject.visibility)

    for by in {one.by for one in slices}:
        assert (sum(one.images.astype(int) for one in slices if one.by == by) == 1).all()


def test_precision_on_dirty_cars_is_that_of_the_dirty_cars_alone(subject: Subject, cars: Dataset) -> None:
    dirty = cars.only(i.sha256 for i in cars.images if i.tags[0].category_id == TAXONOMY.category_id("dirty"))
    numbers = {image.sha256: n for n, image in enumerate(dirty.images, 1)}
    results = [
        {**r, "image_id": numbers[sha256]}
        for r in subject.results
        if (sha256 := cars.images[r["image_id"] - 1].sha256) in numbers
    ]
    alone = DetectorEvaluation(dirty, results, subject.thresholds).served_quality(np.ones((1, 12)))["scratch"]

    report = make_report(subject)

    told = next(one for one in report["slices"] if one["name"] == "dirty")["by_class"]["scratch"]
    assert told["precision"]["value"] == alone.precision[0]


def test_a_folder_gives_its_report_again(subject: Subject, tmp_path: Path) -> None:
    report = write_evaluation(subject, tmp_path / "evaluation")

    assert recompute(tmp_path / "evaluation") == report
    assert read_subject(tmp_path / "evaluation").results == list(subject.results)
    pictures = {path.name for path in (tmp_path / "evaluation").glob("*.png")}
    assert pictures == {"precision_recall.png", "confusion.png", "calibration.png"}


@pytest.mark.parametrize("name", [PREDICTIONS, REPORT])
def test_a_changed_file_of_a_folder_is_told(subject: Subject, tmp_path: Path, name: str) -> None:
    write_evaluation(subject, tmp_path / "evaluation")
    path = tmp_path / "evaluation" / name
    path.write_bytes(path.read_bytes().replace(b"0.3", b"0.4", 1))

    with pytest.raises(BadDataset, match=f"was changed after it was written: {name}"):
        recompute(tmp_path / "evaluation")


def test_a_classifier_is_reported_and_recomputed(cars: Dataset, tmp_path: Path) -> None:
    predictions = {
        image.sha256: [ClassScore("dirty", 0.3 + 0.02 * n), ClassScore("clean", 0.7 - 0.02 * n)]
        for n, image in enumerate(cars.images)
    }
    results = to_classifier_results(cars, predictions)
    subject = Subject("cleanliness_classifier@1", "b" * 64, "classifier", "t" * 64, {}, cars, results, resamples=50)

    report = write_evaluation(subject, tmp_path / "evaluation")

    assert recompute(tmp_path / "evaluation") == report
    assert set(report["overall"]) == {"macro_f1", "accuracy", "precision", "recall", "auc_roc", "calibration_error"}
    assert report["overall"]["accuracy"]["value"] == pytest.approx(0.5, abs=0.1)
    assert not (tmp_path / "evaluation" / "precision_recall.png").exists()


def test_sizes_are_matched_as_pycocotools_does(pair) -> None:
    areas: list[Area] = ["all", "small"]
    expected = peer_precision(*pair)[0, :, 0, 1].mean()

    assert average_precision(match(*pair, areas)["small"][1], np.ones((1, 60)))[0, 0] == pytest.approx(expected)
