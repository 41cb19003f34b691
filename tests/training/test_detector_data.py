import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from datasets.coco import Annotation, Dataset, make_dataset, read_coco
from training.detector_data import read_detector_data
from training.errors import NothingToTrain, UnsuitableLabels
from training.jobs import DetectorJob


@pytest.fixture
def whole(store: Path, detector_job: DetectorJob) -> Dataset:
    return read_coco(store / "annotations.json", detector_job.taxonomy)


@pytest.fixture
def partial(whole: Dataset) -> Dataset:
    """Each image was searched only for the class that it shows."""
    images = (replace(image, neg_category_ids=()) for image in whole.images)
    return make_dataset(whole.taxonomy, images, whole.annotations)


def with_files(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """The dataset with other files for its first images."""
    images = [replace(image, file_name=name) for image, name in zip(dataset.images, names, strict=False)]
    return make_dataset(dataset.taxonomy, [*images, *dataset.images[len(images) :]], dataset.annotations)


def png_header(width: int, height: int) -> bytes:
    """A grey PNG of that size, cut off before its first pixel."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"IDAT"
    parts = [struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in (chunk, data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def asking(job: DetectorJob, **settings: object) -> DetectorJob:
    return job.model_copy(update={"settings": job.settings.model_copy(update=settings)})


def test_full_labels_need_no_mask(whole: Dataset, detector_job: DetectorJob) -> None:
    data = read_detector_data(detector_job, whole)

    assert data.known is None
    assert data.notes == ()
    assert len(data.labels) == 8


def test_partial_labels_say_what_each_image_knows(partial: Dataset, detector_job: DetectorJob) -> None:
    data = read_detector_data(detector_job, partial)

    assert data.known is not None
    for label, group in zip(data.labels, data.known.groups, strict=True):
        assert data.known.table[group].tolist() == [label["cls"][0, 0] == class_id for class_id in (0, 1)]


def test_a_family_whose_loss_is_not_masked_refuses_partial_labels(partial: Dataset, detector_job: DetectorJob) -> None:
    with pytest.raises(UnsuitableLabels, match=r"8 of 8 training images .* the loss of yolo26n cannot leave out"):
        read_detector_data(asking(detector_job, model="yolo26n"), partial)


@pytest.mark.filterwarnings("ignore:Image size")
def test_pictures_that_cannot_be_read_are_told_and_left_out(
    whole: Dataset, detector_job: DetectorJob, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").symlink_to(store / "images")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "huge.png").write_bytes(png_header(10_000, 10_000))
    job = detector_job.model_copy(update={"store": tmp_path})

    data = read_detector_data(job, with_files(whole, ["absent.jpg", "broken.jpg", "huge.png"]))

    assert len(data.labels) == 5
    assert "3 of 8 images cannot be read and were left out (absent.jpg: it is not there; broken.jpg" in data.notes[0]
    assert "10000 x 10000 are more than 89478485 pixels" in data.notes[0]


def test_boxes_beside_their_image_and_classes_without_boxes_are_told(whole: Dataset, detector_job: DetectorJob) -> None:
    dents = [one for one in whole.annotations if one.category_id == 1]
    sha256 = dents[0].sha256
    odd = [Annotation(sha256, 1, (900, 0, 5, 5)), Annotation(sha256, 1, (float("nan"), 0, 5, 5))]

    data = read_detector_data(detector_job, make_dataset(whole.taxonomy, whole.images, [*dents, *odd]))

    assert data.notes == (
        "no training image has a box of damaged hood: the model will not find them",
        "2 boxes have nothing inside their image, or are no numbers, and were left out",
    )


def test_whole_families_are_kept_back(whole: Dataset, detector_job: DetectorJob) -> None:
    pairs = [replace(image, family=str(number // 2)) for number, image in enumerate(whole.images)]
    dataset = make_dataset(whole.taxonomy, pairs, whole.annotations)

    data = read_detector_data(asking(detector_job, val_fraction=0.25), dataset)

    assert len(data.labels) == 6
    assert len({image.family for image in data.validation.images}) == 1


def test_of_one_image_none_is_kept_back(whole: Dataset, detector_job: DetectorJob) -> None:
    data = read_detector_data(asking(detector_job, val_fraction=0.5), whole.only([whole.images[0].sha256]))

    assert len(data.labels) == 1
    assert "there is one family alone, so none is kept back" in data.notes[-1]


def test_no_box_at_all_is_refused(whole: Dataset, detector_job: DetectorJob) -> None:
    with pytest.raises(NothingToTrain, match="has no box on an image of the train split"):
        read_detector_data(detector_job, make_dataset(whole.taxonomy, whole.images, ()))


def test_an_outline_is_one_polygon_and_a_box_its_four_corners(whole: Dataset, detector_job: DetectorJob) -> None:
    first, *others = whole.annotations
    x, y, width, height = first.bbox_xywh
    triangle = replace(first, segmentation=((x, y, x + width, y, x, y + height),))
    dataset = make_dataset(whole.taxonomy, whole.images, [triangle, *others])

    labels = read_detector_data(asking(detector_job, model="yolov8n-seg"), dataset).labels

    assert sorted(len(label["segments"][0]) for label in labels) == [3, 4, 4, 4, 4, 4, 4, 4]
