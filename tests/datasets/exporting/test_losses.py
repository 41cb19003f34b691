"""What a format cannot hold is told, with counts."""

from collections.abc import Callable

import pytest

from datasets.coco import Annotation, Dataset, Image, make_dataset
from datasets.exporting.export import WRITERS
from datasets.exporting.losses import FEATURES, HOLDS
from datasets.exporting.settings import ExportFormat, Loss
from datasets.taxonomy import Taxonomy

from .conftest import DENT, DOOR, Export, jpeg, losses

BOXES_ALONE = {"outlines": 2, "masks": 1, "rotated boxes": 1}
PLAIN = {"scores": 1, "annotations with origins": 1, "images with licence, author or address": 1}


def test_every_format_says_what_it_holds() -> None:
    assert set(HOLDS) == set(WRITERS)
    assert all(held <= set(FEATURES) for held in HOLDS.values())


@pytest.mark.parametrize(
    ("form", "counts"),
    [
        ("coco", {"tags": 4, "rotated boxes": 1}),
        (
            "yolo",
            {**BOXES_ALONE, **PLAIN, "crowd regions": 1, "track ids": 2, "tags": 4, "annotations with attributes": 1},
        ),
        ("voc", {**BOXES_ALONE, **PLAIN, "crowd regions": 1, "track ids": 2, "tags with attributes": 1}),
        ("cvat", {**PLAIN, "crowd regions": 1, "track ids": 2, "outlines of several parts": 1}),
        ("mot", {**BOXES_ALONE, **PLAIN, "tags": 4, "annotations have no track id": 6}),
        ("masks", {**PLAIN, "tags": 4, "boxes have no outline": 5, "objects": 3}),
        ("folders", {"annotations": 8, "images have several tags": 1, "images have no tag": 3}),
    ],
)
def test_what_is_lost_is_counted(
    form: ExportFormat, counts: dict[str, int], everything: Dataset, export: Export
) -> None:
    assert counts.items() <= losses(export(everything, form)[1]).items()


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "cvat", "mot"])
def test_images_that_leave_classes_unknown_are_counted(form: ExportFormat, everything: Dataset, export: Export) -> None:
    assert losses(export(everything, form)[1])["images leave classes unknown"] == 2


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "cvat", "mot", "masks"])
def test_images_that_exif_turns_are_told(form: ExportFormat, everything: Dataset, export: Export) -> None:
    assert losses(export(everything, form)[1])["images are stored turned, and EXIF says how"] == 1


def test_a_dataset_of_plain_boxes_loses_nothing_in_coco_and_cvat(
    taxonomy: Taxonomy, add_image: Callable[..., Image], export: Export
) -> None:
    image = add_image(jpeg(30))
    dataset = make_dataset(taxonomy, [image], [Annotation(image.sha256, DOOR, (1, 2, 3, 4))])
    assert export(dataset, "coco")[1].losses == export(dataset, "cvat")[1].losses == ()


def test_yolo_leaves_out_what_ultralytics_would_drop_images_for(
    taxonomy: Taxonomy, add_image: Callable[..., Image], export: Export
) -> None:
    image = add_image(jpeg(31))
    boxes = [(60, 40, 20, 20), (-9, -9, 5, 5), (1, 1, 5, 5), (1, 1, 5, 5)]
    dataset = make_dataset(taxonomy, [image], [Annotation(image.sha256, DENT, box) for box in boxes])
    told = losses(export(dataset, "yolo")[1])
    assert told["annotations lie outside their image"] == 1
    assert told["annotations reach out of their image"] == 1
    assert told["annotations equal another of their image"] == 1


@pytest.mark.parametrize(("form", "told"), [("coco", 1), ("yolo", 1), ("voc", 0), ("cvat", 0)])
def test_classes_that_were_not_chosen_but_are_listed_are_told(
    form: ExportFormat, told: int, everything: Dataset, export: Export
) -> None:
    assert losses(export(everything, form, categories=("dent",))[1]).get("classes were not chosen", 0) == told


def test_a_loss_reads_as_a_sentence() -> None:
    assert str(Loss("masks", 1203, "written as their boxes")) == "1,203 masks: written as their boxes"
