"""A dataset as arrays: one row per image that is not deleted, one per annotation on those.

Classes are counted from zero here, COCO's category id minus one. A class of an image is one number, its code:
`row of the image * number of classes + class`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from datasets.coco import Annotation, Dataset, Image, Rle

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """N images, M annotations and C classes.

    `sizes_wh` is (N, 2) pixels, `boxes_xywh` (M, 4) pixels; `image_of` and `class_of` are (M,) rows of the images and
    classes; `tags`, `absent` and `unsure` are codes, in no order: what is tagged, looked for and not found, and not
    annotated exhaustively.
    """

    images: tuple[Image, ...]
    annotations: tuple[Annotation, ...]
    classes: int
    sizes_wh: Floats
    boxes_xywh: Floats
    image_of: Ints
    class_of: Ints
    tags: Ints
    absent: Ints
    unsure: Ints

    @cached_property
    def present(self) -> Ints:
        """Codes of the classes that an image shows, as an object or a tag: each once, sorted."""
        return distinct(np.concatenate([self.image_of * self.classes + self.class_of, self.tags]))


def to_columns(dataset: Dataset) -> Columns:
    """The part of a dataset that is not deleted, as arrays."""
    images = tuple(image for image in dataset.images if not image.deleted)
    row_of = {image.sha256: row for row, image in enumerate(images)}
    annotations = tuple(annotation for annotation in dataset.annotations if annotation.sha256 in row_of)
    classes, count = len(dataset.taxonomy.categories), len(annotations)
    coordinates = chain.from_iterable(annotation.bbox_xywh for annotation in annotations)
    return Columns(
        images=images,
        annotations=annotations,
        classes=classes,
        sizes_wh=np.array([(image.width, image.height) for image in images], np.float64).reshape(-1, 2),
        boxes_xywh=np.fromiter(coordinates, np.float64, 4 * count).reshape(-1, 4),
        image_of=np.fromiter((row_of[annotation.sha256] for annotation in annotations), np.int64, count),
        class_of=np.fromiter((annotation.category_id for annotation in annotations), np.int64, count) - 1,
        tags=_codes(([tag.category_id for tag in image.tags] for image in images), classes),
        absent=_codes((image.neg_category_ids for image in images), classes),
        unsure=_codes((image.not_exhaustive_category_ids for image in images), classes),
    )


def distinct(codes: Ints) -> Ints:
    """Each number once, sorted. (`np.unique` hashes, which takes ten times as long.)"""
    ordered = np.sort(codes)
    return ordered[np.diff(ordered, prepend=-1) > 0]


def _codes(category_ids: Iterable[Iterable[int]], classes: int) -> Ints:
    pairs = (row * classes + category_id - 1 for row, ids in enumerate(category_ids) for category_id in ids)
    return np.fromiter(pairs, np.int64)


def drawn_as(annotation: Annotation) -> str:
    """How an object is outlined: `box`, `polygons` or `mask`."""
    if isinstance(annotation.segmentation, Rle):
        return "mask"
    return "polygons" if annotation.segmentation else "box"
