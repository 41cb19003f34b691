"""Images with outlined objects, as a segmenter learns from them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.coco import Dataset, Image
from datasets.errors import BadInput
from datasets.rle import Mask
from datasets.split import unit_hash
from training.errors import NothingToTrain, UndecodableImage
from training.evaluation.masks import outlined_pixels
from training.evaluation.matching import shape_ids
from training.predictors import Pixels, decode_image
from training.settings import SegmenterSettings


@dataclass(frozen=True)
class Outlined:
    """One image, scaled: (h, w, 3) RGB. `masks` and `size_hw` are of the whole image; `labels` from 1, 0 is nothing."""

    image: Image
    pixels: Pixels
    masks: tuple[Mask, ...]
    labels: tuple[int, ...]

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.image.height, self.image.width

    def target(self) -> dict[str, Tensor]:
        """torchvision's: boxes (n, 4) xyxy and masks (n, h, w) on the scaled pixels; what vanishes is left out."""
        height, width = self.pixels.shape[:2]
        masks = np.zeros((len(self.masks), height, width), np.uint8)
        for number, mask in enumerate(self.masks):
            masks[number] = cv2.resize(mask.pixels, (width, height), interpolation=cv2.INTER_AREA)
        boxes = np.array([_box(mask) for mask in masks], np.float32).reshape(-1, 4)
        kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        return {
            "boxes": torch.from_numpy(boxes[kept]),
            "labels": torch.tensor(self.labels, dtype=torch.int64)[torch.from_numpy(kept)],
            "masks": torch.from_numpy(masks[kept]),
        }


def _box(mask: Pixels) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@dataclass(frozen=True)
class Parts:
    """The images to learn from, to choose the best epoch by, and to test on; `note` tells of others, or is empty."""

    train: tuple[Image, ...]
    val: tuple[Image, ...]
    test: tuple[Image, ...]
    note: str


def choose_parts(dataset: Dataset, settings: SegmenterSettings, *, seed: int) -> Parts:
    """The live images of each part, those with objects first where `max_images` leaves others out.

    Raises as `require_outlines`.
    """
    live = dataset.live
    train, note = require_outlines(
        live, [image for image in live.images if image.split == "train"], unknown_is_absent=settings.unknown_is_absent
    )
    kept_back = _kept_back(train, settings.val_fraction, seed)
    return Parts(
        train=_first(live, [image for image in train if image.family not in kept_back], settings.max_images),
        val=_first(live, [image for image in train if image.family in kept_back], settings.max_images),
        test=_first(live, [image for image in live.images if image.split == "test"], settings.max_images),
        note=note,
    )


def _kept_back(images: Sequence[Image], fraction: float, seed: int) -> set[str]:
    """The families, by hash, that the best epoch is chosen by: their share of all, never all."""
    families = sorted({image.family for image in images}, key=lambda one: unit_hash(f"val:{one}", seed=seed))
    return set(families[: min(math.ceil(fraction * len(families)), len(families) - 1)])


def _first(dataset: Dataset, images: Sequence[Image], most: int | None) -> tuple[Image, ...]:
    return tuple(sorted(images, key=lambda image: not dataset.annotations_of.get(image.sha256))[:most])


def require_outlines(dataset: Dataset, images: Iterable[Image], *, unknown_is_absent: bool) -> tuple[list[Image], str]:
    """The images whose every object has an outline, and a note on the others and on classes without any, or nothing.

    Raises:
        NothingToTrain: no image has an outline.
        BadInput: images were not searched for every class; Mask R-CNN's loss cannot leave out what is unknown.
    """
    wanted, images = set(shape_ids(dataset.taxonomy)), list(images)
    partial = [image for image in images if not wanted <= dataset.known_category_ids(image.sha256)]
    if partial and not unknown_is_absent:
        raise BadInput(
            f"{len(partial)} of {len(images)} images were not searched for every class, {partial[0].file_name} first, "
            "and Mask R-CNN cannot leave out what is unknown; train a -seg detector, or set unknown_is_absent=true"
        )
    kept = [image for image in images if all(a.segmentation for a in dataset.annotations_of.get(image.sha256, ()))]
    if not any(dataset.annotations_of.get(image.sha256) for image in kept):
        raise NothingToTrain(
            "no image of the train split has an object with a polygon or mask; draw some, or import them"
        )
    return kept, "; ".join(_left_out(dataset, kept, lost=len(images) - len(kept)))


def _left_out(dataset: Dataset, kept: Iterable[Image], *, lost: int) -> Iterator[str]:
    if lost:
        yield f"{lost} images have objects without an outline and were left out"
    held = {one.category_id for image in kept for one in dataset.annotations_of.get(image.sha256, ())}
    if empty := [dataset.taxonomy.name(one) for one in shape_ids(dataset.taxonomy) if one not in held]:
        yield f"no training image has an outline of {', '.join(empty)}: the model will not find them"


def read_outlined(
    dataset: Dataset, images: Sequence[Image], store: Path, *, size: int
) -> tuple[list[Outlined], list[str]]:
    """The images scaled to `size` at their longer side, with what is outlined; and why others were skipped."""
    label_of = {category_id: label for label, category_id in enumerate(shape_ids(dataset.taxonomy), start=1)}
    found, skipped = [], []
    for image in images:
        try:
            pixels = decode_image((store / image.file_name).read_bytes())
        except (OSError, UndecodableImage) as error:
            skipped.append(f"{image.file_name}: {error}")
            continue
        objects = [a for a in dataset.annotations_of.get(image.sha256, ()) if a.segmentation and not a.iscrowd]
        masks = tuple(outlined_pixels(annotation, image) for annotation in objects)
        labels = tuple(label_of[annotation.category_id] for annotation in objects)
        found.append(Outlined(image, _scaled(pixels, size), masks, labels))
    return found, skipped


def _scaled(pixels: Pixels, size: int) -> Pixels:
    gain = size / max(pixels.shape[:2])
    height, width = (max(round(side * gain), 1) for side in pixels.shape[:2])
    scaled: NDArray[np.uint8] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return scaled
