"""The test images on which a detector errs most, as tiles: truth in green, what it finds in red."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from training.charts import FOUND, TRUTH, Drawn, Tile
from training.evaluation.matching import to_ground_truth
from training.evaluation.subject import Subject
from training.predictors import decode_image

_IOU = 0.5

Record = dict[str, Any]


def worst_tiles(subject: Subject, store: Path, *, most: int = 16) -> list[Tile]:
    """Images with anything missed or spurious at the model's thresholds, those with most of it first."""
    truth = _by_image(to_ground_truth(subject.truth)["annotations"])
    found = _by_image([one for one in subject.results if one["score"] > _threshold(subject, one)])
    errors = {
        number: _count_errors(truth.get(number, []), found.get(number, []))
        for number in range(1, len(subject.truth.images) + 1)
    }
    ranked = sorted((number for number in errors if any(errors[number])), key=lambda one: (-sum(errors[one]), one))
    return [
        _tile(subject, store, number, errors[number], truth.get(number, []), found.get(number, []))
        for number in ranked[:most]
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


def _tile(
    subject: Subject,
    store: Path,
    number: int,
    errors: tuple[int, int],
    truth: Sequence[Record],
    found: Sequence[Record],
) -> Tile:
    image = subject.truth.images[number - 1]
    name = subject.truth.taxonomy.name
    boxes = [_drawn(one, TRUTH, name(one["category_id"])) for one in truth]
    boxes += [_drawn(one, FOUND, f"{name(one['category_id'])} {one['score']:.2f}") for one in found]
    pixels = decode_image((store / image.file_name).read_bytes())
    return Tile(pixels, f"{image.sha256[:8]}: {errors[0]} missed, {errors[1]} spurious", tuple(boxes))


def _drawn(record: Record, colour: str, text: str) -> Drawn:
    left, top, width, height = record["bbox"]
    return Drawn((left, top, left + width, top + height), colour, text)
