from pathlib import Path

import pytest

from benchmarks.partial_labels import labels_of, summary
from benchmarks.train_detector_peer import write_peers_data
from datasets.coco import Annotation, Dataset, Image, make_dataset, with_negatives
from datasets.files import read_json
from datasets.taxonomy import DEFAULT_TAXONOMY
from training.settings import DetectorSettings

CLASSES = set(DEFAULT_TAXONOMY.ids("rectangle"))


@pytest.fixture(scope="module")
def whole() -> Dataset:
    """Four images with a box of every class."""
    images = [Image(f"{number:064}", f"{number}.jpg", 64, 64, family=str(number), split="train") for number in range(4)]
    annotations = [Annotation(image.sha256, one, (1, 1, 9, 9)) for image in images for one in sorted(CLASSES)]
    return with_negatives(make_dataset(DEFAULT_TAXONOMY, images, annotations), CLASSES)


def test_masked_and_background_see_the_same_labels(whole: Dataset) -> None:
    masked, background = (labels_of(arm, whole, hidden=0.5, seed=0) for arm in ("masked", "background"))

    assert masked.annotations == background.annotations
    assert len(masked.annotations) == len(whole.annotations) / 2
    assert labels_of("full", whole, hidden=0.5, seed=0) == whole


def test_what_is_hidden_is_unknown_to_one_and_absent_to_the_other(whole: Dataset) -> None:
    masked, background = (labels_of(arm, whole, hidden=0.5, seed=0) for arm in ("masked", "background"))

    for image in whole.images:
        assert len(masked.known_category_ids(image.sha256)) == len(CLASSES) / 2
        assert background.known_category_ids(image.sha256) == CLASSES


def test_the_gain_is_told_as_part_of_the_gap() -> None:
    scores = {
        arm: [{"map50": value, "map50_95": 0.0, "served_f1": value}]
        for arm, value in (("full", 0.9), ("masked", 0.8), ("background", 0.5))
    }

    told = summary(scores)

    assert told["gap_closed"]["map50"] == pytest.approx(0.75)
    assert told["gap_closed"]["map50_95"] is None
    assert told["gain"]["map50"]["mean"] == pytest.approx(0.3)


def test_both_peers_get_the_same_images_and_boxes(tmp_path: Path) -> None:
    count = write_peers_data(tmp_path, DetectorSettings(image_size=64), cars=2, size=64)

    annotations = read_json(tmp_path / "annotations.json")["annotations"]
    rows = [path.read_text().splitlines() for path in (tmp_path / "yolo" / "labels").iterdir()]
    assert len(rows) == count == len(list((tmp_path / "yolo" / "images").iterdir()))
    assert sum(map(len, rows)) == len(annotations)
