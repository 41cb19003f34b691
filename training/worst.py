"""The test images on which a detector errs most, as tiles: truth in green, what it finds in red."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from datasets.coco import Annotation, Image
from datasets.exporting.geometry import Polygon, outlines
from datasets.rle import parse_mask
from training.charts import FOUND, TRUTH, Drawn, Tile
from training.evaluation.detection import DetectorEvaluation
from training.evaluation.masks import has_mask, outlined_pixels
from training.evaluation.subject import Subject
from training.predictors import decode_image

_IOU = 0.5

Record = dict[str, Any]


def worst_tiles(subject: Subject, store: Path, *, most: int = 16) -> list[Tile]:
    """Images with anything missed or spurious at the model's thresholds, those with most of it first.

    Of a family, whose photographs are much alike, the worst alone.
    """
    evaluation = subject.evaluation()
    if not isinstance(evaluation, DetectorEvaluation):
        return []
    truth = _by_image(evaluation.ground_truth["annotations"])
    found = _by_image([one for one in subject.results if one["score"] > _threshold(subject, one)])
    errors = {
        number: _count_errors(truth.get(number, []), found.get(number, []))
        for number in range(1, len(subject.truth.images) + 1)
    }
    ranked = sorted((number for number in errors if any(errors[number])), key=lambda one: (-sum(errors[one]), one))
    worst: dict[str, int] = {}
    for number in ranked:
        worst.setdefault(subject.truth.images[number - 1].family, number)
    return [
        _tile(subject, store, number, errors[number], found.get(number, [])) for number in list(worst.values())[:most]
    ]


def _threshold(subject: Subject, result: Record) -> float:
    return subject.thresholds.get(subject.truth.taxonomy.name(result["category_id"]), 0.0)


def _by_image(records: Sequence[Record]) -> dict[int, list[Record]]:
    grouped: dict[int, list[Record]] = {}
    for record in records:
        grouped.setdefault(record["image_id"], []).append(record)
    return grouped


def _count_errors(truth: Sequence[Record], found: Sequence[Record]) -> tuple[int, int]:
    """How many objects are missed and how many boxes are spurious; best scores choose their object first."""
    wanted = [one for one in truth if not one["iscrowd"]]
    found = sorted(found, key=lambda one: -one["score"])
    if not wanted or not found:
        return len(wanted), len(found)
    overlaps = coco_mask.iou([one["bbox"] for one in found], [one["bbox"] for one in wanted], [0] * len(wanted))
    classes = np.array([one["category_id"] for one in wanted])
    left = np.ones(len(wanted), np.bool_)
    for one, row in zip(found, np.asarray(overlaps), strict=True):
        candidates = np.where(left & (classes == one["category_id"]), row, 0)
        if candidates.max() >= _IOU:
            left[candidates.argmax()] = False
    hits = int((~left).sum())
    return len(wanted) - hits, len(found) - hits


def _tile(subject: Subject, store: Path, number: int, errors: tuple[int, int], found: Sequence[Record]) -> Tile:
    image = subject.truth.images[number - 1]
    boxes = [_truth_drawn(subject, image, one) for one in _objects(subject, image)]
    boxes += [_found_drawn(subject, one) for one in found]
    pixels = decode_image((store / image.file_name).read_bytes())
    return Tile(pixels, f"{image.sha256[:8]}: {errors[0]} missed, {errors[1]} spurious", tuple(boxes))


def _objects(subject: Subject, image: Image) -> list[Annotation]:
    known = subject.truth.known_category_ids(image.sha256)
    return [one for one in subject.truth.annotations_of.get(image.sha256, ()) if one.category_id in known]


def _truth_drawn(subject: Subject, image: Image, one: Annotation) -> Drawn:
    """By its outline, if the model outlines what it finds."""
    parts = outlines(outlined_pixels(one, image))[0] if one.segmentation and any(map(has_mask, subject.results)) else []
    return _drawn(one.bbox_xywh, TRUTH, subject.truth.taxonomy.name(one.category_id), parts)


def _found_drawn(subject: Subject, one: Record) -> Drawn:
    parts = outlines(parse_mask(one["segmentation"]))[0] if has_mask(one) else []
    return _drawn(one["bbox"], FOUND, f"{subject.truth.taxonomy.name(one['category_id'])} {one['score']:.2f}", parts)


def _drawn(bbox_xywh: Sequence[float], colour: str, text: str, parts: Sequence[Polygon]) -> Drawn:
    left, top, width, height = bbox_xywh
    return Drawn((left, top, left + width, top + height), colour, text, tuple(parts))
