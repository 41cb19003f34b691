"""What a detector learns from: Ultralytics' labels in memory, the families kept back, and what was left out.

Boxes are centre xywh, normalised by the image, as Ultralytics has them; outlines (N, 2) points, normalised too.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.coco import Annotation, Dataset, Image
from datasets.exporting.geometry import join_polygons, mask_of, outlines
from datasets.records import Rle
from datasets.split import unit_hash
from training.bundle import class_names
from training.errors import NothingToTrain, UndecodableImage, UnsuitableLabels
from training.jobs import DetectorJob
from training.known import KnownClasses, group_known
from training.predicting.pictures import decode_ahead

Label = dict[str, Any]
_TOLD = 3


@dataclass(frozen=True)
class DetectorData:
    """Labels to learn from, what is known on each (None: everything), the images to choose by, notes in sentences."""

    labels: list[Label]
    known: KnownClasses | None
    validation: Dataset
    notes: tuple[str, ...]


def read_detector_data(job: DetectorJob, dataset: Dataset) -> DetectorData:
    """The job's share of a dataset, each of its pictures looked at.

    Raises:
        NothingToTrain: no training image has a box.
        UnsuitableLabels: labels are partial, and the loss of this family cannot leave out what is unknown.
    """
    images, unreadable = readable_images(training_images(dataset), job.store)
    families = _kept_back(images, job)
    kept_back = [image for image in images if image.family in families]
    learnt = [image for image in images if image.family not in families]
    labels = [_label(image, _boxes_of(dataset, image), job) for image in learnt]
    if not any(len(label["cls"]) for label in labels):
        raise NothingToTrain(
            f"{job.dataset} has no box on an image of the train split; annotate some, or check the split"
        )
    names = class_names(job.taxonomy, "detector")
    known = _known(job, dataset, learnt, classes=len(names))
    notes = [*unreadable, *_notes(job, dataset, learnt, kept_back, labels)]
    return DetectorData(labels, known, dataset.only(image.sha256 for image in kept_back), tuple(notes))


def training_images(dataset: Dataset) -> list[Image]:
    """The train images that were searched for rectangles, background images included."""
    rectangles = set(dataset.taxonomy.ids("rectangle"))
    return [
        image
        for image in dataset.images
        if image.split == "train" and dataset.known_category_ids(image.sha256) & rectangles
    ]


def readable_images(images: Sequence[Image], store: Path) -> tuple[list[Image], list[str]]:
    """The images that can be decoded, and a sentence on those that cannot, or none."""
    bad = {image.file_name: "it is not there" for image in images if not (store / image.file_name).is_file()}
    present = [image.file_name for image in images if image.file_name not in bad]
    contents = ((name, (store / name).read_bytes()) for name in present)
    bad.update({name: str(found) for name, found in decode_ahead(contents) if isinstance(found, UndecodableImage)})
    return [image for image in images if image.file_name not in bad], list(_bad_told(bad, len(images)))


def _bad_told(bad: dict[str, str], total: int) -> Iterable[str]:
    if bad:
        first = "; ".join(f"{name}: {why}" for name, why in list(bad.items())[:_TOLD])
        yield f"{len(bad)} of {total} images cannot be read and were left out ({first})"


def _kept_back(images: Sequence[Image], job: DetectorJob) -> set[str]:
    """The families, by hash, that the best epoch is chosen by: their share of all, at least one but never all."""
    families = sorted({image.family for image in images}, key=lambda one: unit_hash(f"val:{one}", seed=job.seed))
    wanted = math.ceil(job.settings.val_fraction * len(families))
    return set(families[: min(wanted, len(families) - 1)])


def _boxes_of(dataset: Dataset, image: Image) -> list[Annotation]:
    rectangles = set(dataset.taxonomy.ids("rectangle"))
    return [one for one in dataset.annotations_of.get(image.sha256, ()) if one.category_id in rectangles]


def _known(job: DetectorJob, dataset: Dataset, images: Sequence[Image], *, classes: int) -> KnownClasses | None:
    rectangles = set(dataset.taxonomy.ids("rectangle"))
    others = frozenset(range(classes)) - {category_id - 1 for category_id in rectangles}  # never asked for anywhere
    sets = [
        frozenset(category_id - 1 for category_id in dataset.known_category_ids(image.sha256) & rectangles) | others
        for image in images
    ]
    known = group_known(sets, classes=classes, blended=job.settings.mixup > 0)
    if known is not None and not job.settings.masks_partial_labels:
        partial = sum(len(one) < classes for one in sets)
        raise UnsuitableLabels(
            f"{partial} of {len(images)} training images of {job.dataset} were not annotated for every class, and the "
            f"loss of {job.settings.model} cannot leave out what is unknown; take a yolov8 or yolo11, or annotate all"
        )
    return known


def _notes(
    job: DetectorJob, dataset: Dataset, learnt: Sequence[Image], kept_back: Sequence[Image], labels: Sequence[Label]
) -> Iterable[str]:
    classes = np.concatenate([label["cls"] for label in labels]).ravel().astype(int)
    rectangles = job.taxonomy.ids("rectangle")
    counts = np.bincount(classes, minlength=max(rectangles))
    if empty := [job.taxonomy.name(one) for one in rectangles if not counts[one - 1]]:
        yield f"no training image has a box of {', '.join(empty)}: the model will not find them"
    lost = sum(len(_boxes_of(dataset, image)) for image in learnt) - int(counts.sum())
    if lost:
        yield f"{lost} boxes have nothing inside their image, or are no numbers, and were left out"
    if job.settings.val_fraction and not kept_back:
        yield "there is one family alone, so none is kept back: the last epoch is taken, and nothing ends it early"


def _label(image: Image, annotations: Sequence[Annotation], job: DetectorJob) -> Label:
    boxes = [(one, (one.category_id - 1, *_normalised(one, image))) for one in annotations]
    kept = [(one, row) for one, row in boxes if row[3] > 0 and row[4] > 0]
    rows = np.array([row for _, row in kept], np.float32).reshape(-1, 5)
    return {
        "im_file": str(job.store / image.file_name),
        "shape": (image.height, image.width),
        "cls": rows[:, :1],
        "bboxes": rows[:, 1:],
        "segments": [_outline(one, image) for one, _ in kept] if job.settings.is_segmentation else [],
        "keypoints": None,
        "normalized": True,
        "bbox_format": "xywh",
    }


def _normalised(annotation: Annotation, image: Image) -> tuple[float, float, float, float]:
    """The part of a box inside its image, as normalised centre xywh."""
    x, y, width, height = annotation.bbox_xywh
    left, right = (min(max(value / image.width, 0.0), 1.0) for value in (x, x + width))
    top, bottom = (min(max(value / image.height, 0.0), 1.0) for value in (y, y + height))
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _outline(annotation: Annotation, image: Image) -> Any:
    """One polygon (N, 2) for all parts, in [0, 1]; the box's where there is no outline."""
    found = annotation.segmentation
    parts = outlines(mask_of(found, image))[0] if isinstance(found, Rle) else list(found)
    x, y, width, height = annotation.bbox_xywh
    points = join_polygons(parts or [(x, y, x + width, y, x + width, y + height, x, y + height)])
    sides = np.array([image.width, image.height], np.float32)
    return (np.reshape(np.asarray(points, np.float32), (-1, 2)) / sides).clip(0, 1)
