"""Images with outlined objects, as a segmenter learns from them. Masks are COCO's run lengths of the whole image."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor

from datasets.coco import Annotation, Dataset, Image, Rle
from datasets.errors import BadInput
from datasets.exporting.geometry import mask_of
from datasets.rle import parse_mask
from training.errors import NothingToTrain, UndecodableImage
from training.predictors import Pixels, decode_image

CocoRle = Mapping[str, Any]
"""`size` [height, width] and `counts` bytes, as pycocotools has them."""


@dataclass(frozen=True)
class Outlined:
    """One image, scaled: (h, w, 3) RGB. `masks` and `size_hw` are of the whole image; `labels` from 1, 0 is nothing."""

    image: Image
    pixels: Pixels
    masks: tuple[CocoRle, ...]
    labels: tuple[int, ...]

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.image.height, self.image.width

    def target(self) -> dict[str, Tensor]:
        """torchvision's: boxes (n, 4) xyxy and masks (n, h, w) on the scaled pixels; what vanishes is left out."""
        height, width = self.pixels.shape[:2]
        masks = np.zeros((len(self.masks), height, width), np.uint8)
        for number, rle in enumerate(self.masks):
            masks[number] = cv2.resize(_pixels(rle), (width, height), interpolation=cv2.INTER_AREA)
        boxes = np.array([_box(mask) for mask in masks], np.float32).reshape(-1, 4)
        kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        return {
            "boxes": torch.from_numpy(boxes[kept]),
            "labels": torch.tensor(self.labels, dtype=torch.int64)[torch.from_numpy(kept)],
            "masks": torch.from_numpy(masks[kept]),
        }


def _pixels(rle: CocoRle) -> Pixels:
    """(H, W) of 0 and 1; pycocotools' own decoding warns with NumPy 2."""
    return parse_mask({"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}).pixels


def _box(mask: Pixels) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def class_ids(dataset: Dataset) -> list[int]:
    """The category ids that a segmenter tells apart, by label - 1: all but tags."""
    tags = set(dataset.taxonomy.ids("tag"))
    return [category_id for category_id in dataset.taxonomy.ids() if category_id not in tags]


def require_outlines(dataset: Dataset, images: Iterable[Image], *, unknown_is_absent: bool) -> tuple[list[Image], str]:
    """The images whose every object has an outline, and a note on the others and on classes without any, or nothing.

    Raises:
        NothingToTrain: no image has an outline.
        BadInput: images were not searched for every class; Mask R-CNN's loss cannot leave out what is unknown.
    """
    wanted, images = set(class_ids(dataset)), list(images)
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
    if empty := [dataset.taxonomy.name(one) for one in class_ids(dataset) if one not in held]:
        yield f"no training image has an outline of {', '.join(empty)}: the model will not find them"


def read_outlined(
    dataset: Dataset, images: Sequence[Image], store: Path, *, size: int
) -> tuple[list[Outlined], list[str]]:
    """The images decoded and scaled to `size` at their longer side, and why others were skipped."""
    label_of = {category_id: label for label, category_id in enumerate(class_ids(dataset), start=1)}
    found, skipped = [], []
    for image in images:
        try:
            pixels = decode_image((store / image.file_name).read_bytes())
        except (OSError, UndecodableImage) as error:
            skipped.append(f"{image.file_name}: {error}")
            continue
        objects = [a for a in dataset.annotations_of.get(image.sha256, ()) if not a.iscrowd]
        masks = tuple(_rle(annotation, image) for annotation in objects)
        labels = tuple(label_of[annotation.category_id] for annotation in objects)
        found.append(Outlined(image, _scaled(pixels, size), masks, labels))
    return found, skipped


def _scaled(pixels: Pixels, size: int) -> Pixels:
    gain = size / max(pixels.shape[:2])
    height, width = (max(round(side * gain), 1) for side in pixels.shape[:2])
    scaled: NDArray[np.uint8] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return scaled


def _rle(annotation: Annotation, image: Image) -> CocoRle:
    if isinstance(annotation.segmentation, Rle):
        rle: CocoRle = coco_mask.encode(np.asfortranarray(mask_of(annotation.segmentation, image).pixels))
        return rle
    polygons = [list(polygon) for polygon in annotation.segmentation]
    merged: CocoRle = coco_mask.merge(coco_mask.frPyObjects(polygons, image.height, image.width))
    return merged
