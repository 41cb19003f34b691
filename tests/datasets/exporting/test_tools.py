"""Ultralytics and FiftyOne load what is exported for them. In processes of their own: both change what they touch."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from datasets.coco import Dataset, Image
from datasets.exporting.export import export_dataset
from datasets.exporting.names import export_name
from datasets.exporting.settings import ExportFormat, ExportSettings
from datasets.store import ImageStore

from .conftest import close


def run(questions: Sequence[tuple[str, ...]], home: Path) -> list[dict[str, Any]]:
    """The answers of tools.py."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": str(home),
        "FIFTYONE_DATABASE_URI": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200",  # importers need none
        "FIFTYONE_DO_NOT_TRACK": "true",
    }
    script = Path(__file__).with_name("tools.py")
    ended = subprocess.run(
        [sys.executable, str(script), json.dumps(questions)],
        env=environment, check=False, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    answers: list[dict[str, Any]] = json.loads(ended.stdout.splitlines()[-1])
    return answers


@pytest.fixture(scope="module")
def exports(everything: Dataset, photographs: ImageStore, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("exports")
    asked: list[tuple[str, ExportFormat, dict[str, Any]]] = [
        ("boxes", "yolo", {}),
        ("outlines", "yolo", {"polygons": True}),
        ("coco", "coco", {}),
        ("voc", "voc", {}),
        ("folders", "folders", {}),
    ]
    for name, form, settings in asked:
        export_dataset(everything, photographs, root / name, format=form, settings=ExportSettings(**settings))
    return {name: root / name for name, _, _ in asked}


@pytest.fixture(scope="module")
def ultralytics(exports: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Boxes, outlines, and the classes of train and of test."""
    questions = [("ultralytics", str(exports["boxes"]), "detect"), ("ultralytics", str(exports["outlines"]), "segment")]
    folders = [("classify", str(exports["folders"] / split)) for split in ("train", "test")]
    return run([*questions, *folders], tmp_path_factory.mktemp("ultralytics"))


@pytest.fixture(scope="module")
def fiftyone(exports: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """COCO, YOLO and VOC."""
    questions = [("fiftyone", str(exports[name]), form) for name, form in _FIFTYONE]
    return run(questions, tmp_path_factory.mktemp("fiftyone"))


_FIFTYONE = (("coco", "coco"), ("boxes", "yolo"), ("voc", "voc"))


def named(dataset: Dataset) -> dict[str, Image]:
    return {export_name(image): image for image in dataset.images}


def the_turned(dataset: Dataset) -> Image:
    return next(image for image in dataset.images if image.height > image.width)


def test_ultralytics_finds_every_image_whole_and_every_class(ultralytics: list[dict[str, Any]]) -> None:
    boxes, outlines, *_ = ultralytics
    for found in (boxes, outlines):
        assert found["names"] == {"0": "damaged door", "1": "dent"}
        assert (found["corrupt"], len(found["images"])) == (0, 4)


def test_ultralytics_finds_boxes_where_they_were(ultralytics: list[dict[str, Any]], everything: Dataset) -> None:
    found = ultralytics[0]["images"]
    image = next(image for image in everything.images if image.source.url)
    label = found[export_name(image)]
    assert label["cls"] == [0, 0, 1, 1]
    assert close(label["bboxes"][1], (20.5 / 64, 16 / 48, 20.5 / 64, 8 / 48), pixels=1e-6)


def test_ultralytics_takes_a_turned_image_upright(ultralytics: list[dict[str, Any]], everything: Dataset) -> None:
    turned = the_turned(everything)
    label = ultralytics[0]["images"][export_name(turned)]
    assert label["shape"] == label["decoded"] == [turned.height, turned.width]


def test_ultralytics_finds_an_outline_for_every_object(ultralytics: list[dict[str, Any]]) -> None:
    assert all(len(label["cls"]) == label["segments"] for label in ultralytics[1]["images"].values())


def test_ultralytics_numbers_classes_alike_in_every_split(ultralytics: list[dict[str, Any]]) -> None:
    train, test = ultralytics[2:]
    assert train["classes"] == test["classes"] == ["clean", "dirty"]
    assert (list(train["images"].values()), list(test["images"].values())) == ([1], [0])


def test_ultralytics_leaves_the_store_as_it_was(
    ultralytics: list[dict[str, Any]], everything: Dataset, photographs: ImageStore
) -> None:
    import hashlib

    for image in everything.images:
        assert hashlib.sha256(photographs.path(image.file_name).read_bytes()).hexdigest() == image.sha256


def test_fiftyone_opens_coco_with_sizes_boxes_and_masks(fiftyone: list[dict[str, Any]], everything: Dataset) -> None:
    found = fiftyone[0]["images"]
    assert {name: sample["size"] for name, sample in found.items()} == {
        name: [image.width, image.height] for name, image in named(everything).items() if not image.deleted
    }
    assert sum(len(sample.get("detections", ())) for sample in found.values()) == 8
    assert [mask for sample in found.values() for *_, mask in sample.get("segmentations", ())] == [True] * 3


@pytest.mark.parametrize(("which", "pixels"), [(1, 1e-4), (2, 1.0)])  # FiftyOne cuts VOC's fractions off
def test_fiftyone_opens_yolo_and_voc_with_boxes_where_they_were(
    which: int, pixels: float, fiftyone: list[dict[str, Any]], everything: Dataset
) -> None:
    image = next(image for image in everything.images if image.source.url)
    detections = fiftyone[which]["images"][export_name(image)]["detections"]
    assert [label for label, *_ in detections] == ["damaged door", "damaged door", "dent", "dent"]
    x, y, width, height = detections[1][1]
    assert close((x * 64, y * 48, width * 64, height * 48), (10.25, 12, 20.5, 8), pixels=pixels)
