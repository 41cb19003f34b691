"""YOLO as Ultralytics has it: split folders and lists, boxes and segments, background images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOOR, DENT = 1, 2
YAML = "path: .\ntrain: images/train\nval: images/val\nnames: {0: dent, 1: door}\n"


def test_boxes_are_fractions_of_the_image(write: Any, load: Any) -> None:
    root = write({"data.yaml": YAML, "images/train/a.jpg": 1, "images/val/b.jpg": 2} | {
        "labels/train/a.txt": "0 0.5 0.5 0.25 0.5\n", "labels/val/b.txt": "1 0.5 0.25 0.5 0.5 0.75\n"
    })  # fmt: skip
    imported = load(root)
    train, val = imported.datasets
    assert (imported.format, train.images[0].views[0].source) == ("yolo", "cars/train")
    assert (train.annotations[0].category_id, train.annotations[0].bbox_xywh) == (DENT, (24, 12, 16, 24))
    assert (val.annotations[0].category_id, val.annotations[0].score) == (DOOR, 0.75)


def test_segments_are_outlines(write: Any, load: Any) -> None:
    root = write({"data.yaml": "train: images\nnames: [dent]", "images/a.jpg": 1} | {
        "labels/a.txt": "0 0.25 0.25 0.5 0.25 0.5 0.75\n0 0.5 0.5 0.25 0.5\n"
    })  # fmt: skip
    box, outline = sorted(load(root).datasets[0].annotations, key=lambda a: len(a.segmentation))
    assert (box.bbox_xywh, outline.bbox_xywh) == ((24, 12, 16, 24), (16, 12, 16, 24))
    assert outline.segmentation == ((16, 12, 32, 12, 32, 36),)


def test_an_image_without_a_text_is_background_and_told(write: Any, load: Any, by_name: Any) -> None:
    files = {"data.yaml": "train: images\nnames: [dent]", "images/a.jpg": 1, "images/b.jpg": 2}
    imported = load(write(files | {"labels/a.txt": "0 .5 .5 .5 .5"}))
    assert by_name(imported)["images/b.jpg"][0].neg_category_ids == (DENT,)
    assert imported.notes == ("cars/train: 1 of 2 images have no .txt and are taken as photographs without objects",)


def test_a_split_without_any_text_says_nothing(write: Any, load: Any) -> None:
    files = {"data.yaml": "train: images/train\ntest: images/test\nnames: [dent]", "labels/train/a.txt": ""}
    train, test = load(write(files | {"images/train/a.jpg": 1, "images/test/b.jpg": 2})).datasets
    assert (train.images[0].neg_category_ids, test.images[0].neg_category_ids) == ((DENT,), ())


@pytest.mark.parametrize(
    "line",
    ["9 .5 .5 .5 .5", "x .5 .5 .5 .5", "0 .5 .5 .5", "0 nan .5 .5 .5", "0 .5 .5 inf .5", "0 5 5 1 1", "1e999 1 1 1 1"],
)
def test_a_bad_line_costs_only_itself_and_leaves_its_class_unknown(line: str, write: Any, load: Any) -> None:
    text = f"0 .5 .5 .5 .5\n{line}\n\n0 .25 .25 .5 .5\n"
    imported = load(write({"data.yaml": "train: images\nnames: [dent]", "images/a.jpg": 1, "labels/a.txt": text}))
    (dataset,) = imported.datasets
    assert len(dataset.annotations) == 2
    assert dataset.images[0].not_exhaustive_category_ids == (DENT,)
    assert len(imported.notes) == 1


@pytest.mark.parametrize("train", ["../train/images", "train/images", "[train/images]", "./train/images", "train.txt"])
def test_splits_are_found_as_tools_write_them(train: str, write: Any, load: Any) -> None:
    files = {
        "data.yaml": f"path: /content/datasets/cars\ntrain: {train}\nnames: [dent]",
        "train.txt": "./train/images/a.jpg",
    }
    imported = load(write(files | {"train/images/a.jpg": 1, "train/labels/a.txt": "0 .5 .5 .5 .5"}))
    assert len(imported.datasets[0].annotations) == 1


def test_class_numbers_need_not_follow_each_other(write: Any, load: Any) -> None:
    files = {
        "data.yaml": "train: images\nnames: {3: door, 7: dent}",
        "images/a.jpg": 1,
        "labels/a.txt": "7 .5 .5 .5 .5",
    }
    assert load(write(files)).datasets[0].annotations[0].category_id == DENT


def test_boxes_are_of_the_upright_image(write: Any, load: Any, photograph: Any) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    files = {"data.yaml": "train: images\nnames: [dent]", "images/a.jpg": photograph(1, exif=exif)}
    (dataset,) = load(write(files | {"labels/a.txt": "0 .5 .5 .5 .5"})).datasets
    assert (dataset.images[0].width, dataset.annotations[0].bbox_xywh) == (48, (12, 16, 24, 32))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("names: [dent\ntrain: images", "data.yaml is not valid YAML: "),
        ("names: dent\ntrain: images", "names: has to be a list, or a mapping of numbers to names"),
        ("names: [dent]\ntrain: nowhere", "data.yaml names 'nowhere', which is not there below"),
        ("names: [dent]\ntrain: ../outside", "data.yaml names '../outside', which is not there below"),
        ("names: [dent]\ntrain: /etc", "data.yaml names '/etc', which is not there below"),
    ],
)
def test_a_broken_data_yaml_is_refused(
    content: str, problem: str, write: Any, refusal: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    assert problem in refusal(write({"data.yaml": content, "images/a.jpg": 1}))


def test_a_list_that_leads_outside_is_refused(write: Any, refusal: Callable[..., str]) -> None:
    root = write({"data.yaml": "names: [dent]\ntrain: train.txt", "train.txt": "../secret.jpg"})
    assert "file_name '../secret.jpg' leaves the folder" in refusal(root)


def test_boxes_and_segments_are_those_that_labelformat_reads(write: Any, load: Any) -> None:
    from labelformat.formats.yolov8 import YOLOv8InstanceSegmentationInput, YOLOv8ObjectDetectionInput

    boxes, segments = "0 .5 .5 .25 .5\n1 .25 .25 .125 .25\n", "1 .25 .25 .5 .25 .5 .75\n"
    root = write({"data.yaml": YAML, "images/train/a.jpg": 1, "images/val/b.jpg": 2} | {
        "labels/train/a.txt": boxes, "labels/val/b.txt": segments
    })  # fmt: skip
    train, val = load(root).datasets
    (theirs,) = YOLOv8ObjectDetectionInput(root / "data.yaml", "train").get_labels()
    found = [(found.box.xmin, found.box.ymin, found.box.xmax, found.box.ymax) for found in theirs.objects]
    ours = [(x, y, x + w, y + h) for x, y, w, h in (a.bbox_xywh for a in train.annotations)]
    assert sorted(ours) == sorted(found)
    (theirs,) = YOLOv8InstanceSegmentationInput(root / "data.yaml", "val").get_labels()
    outline = [value for point in theirs.objects[0].segmentation.polygons[0] for value in point]
    assert list(val.annotations[0].segmentation[0]) == outline
