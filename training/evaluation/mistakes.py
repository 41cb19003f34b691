"""What goes wrong with boxes: who is taken for whom, and the kinds of errors as in TIDE (https://arxiv.org/abs/2008.08115).

Of the predictions that would be served, on one image at a time, whatever their class. Boxes are xywh pixels.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask
from scipy.optimize import linear_sum_assignment

from training.evaluation.matching import Bools, Coco, Floats, Ints

KINDS = ("missed", "spurious", "misplaced", "confused", "duplicate")
"""An object that nothing points at; a box on nothing; the right class beside its object (IoU of 0.1 to 0.5); another
class (on an object, or beside one); a second box on an object that was hit."""
_HIT, _NEAR = 0.5, 0.1


@dataclass(frozen=True)
class Mistakes:
    """By image: `confusion` is (I, C + 1, C + 1), the true class by the predicted one, the last being nothing.

    `kinds` is (I, 5), in the order of `KINDS`.
    """

    confusion: Ints
    kinds: Ints


@dataclass(frozen=True)
class _Boxes:
    classes: Ints
    boxes: Floats
    crowd: Bools


def find_mistakes(ground_truth: Coco, results: Sequence[Coco], thresholds: Mapping[int, float]) -> Mistakes:
    """Of the results whose score is above the threshold of their category id."""
    places = {category["id"]: place for place, category in enumerate(ground_truth["categories"])}
    images = len(ground_truth["images"])
    confusion = np.zeros((images, len(places) + 1, len(places) + 1), np.int64)
    kinds = np.zeros((images, len(KINDS)), np.int64)
    served = (result for result in results if result["score"] > thresholds[result["category_id"]])
    truths, found = _by_image(ground_truth["annotations"], places), _by_image(served, places)
    for image, objects, detections in _pairs(truths, found):
        overlaps = _overlaps(detections.boxes, objects)
        alone = ~(overlaps[:, objects.crowd] >= _HIT).any(1)
        overlaps, classes = overlaps[alone][:, ~objects.crowd], detections.classes[alone]
        wanted = objects.classes[~objects.crowd]
        _confuse(confusion[image], overlaps, classes, wanted)
        kinds[image] = _kinds(overlaps, classes, wanted)
    return Mistakes(confusion, kinds)


def _by_image(records: Iterator[Coco] | Sequence[Coco], places: Mapping[int, int]) -> Mapping[int, _Boxes]:
    """By image number from 0; detections best first."""
    grouped: dict[int, list[Coco]] = defaultdict(list)
    for record in records:
        grouped[record["image_id"] - 1].append(record)
    return {
        image: _Boxes(
            np.array([places[one["category_id"]] for one in several], np.int64),
            np.array([one["bbox"] for one in several], np.float64),
            np.array([bool(one.get("iscrowd")) for one in several]),
        )
        for image, several in (
            (image, sorted(found, key=lambda one: -one.get("score", 0.0))) for image, found in grouped.items()
        )
    }


def _pairs(truths: Mapping[int, _Boxes], found: Mapping[int, _Boxes]) -> Iterator[tuple[int, _Boxes, _Boxes]]:
    none = _Boxes(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, np.bool_))
    for image in sorted(truths.keys() | found.keys()):
        yield image, truths.get(image, none), found.get(image, none)


def _overlaps(boxes: Floats, objects: _Boxes) -> Floats:
    """(D, G) IoU; with a crowd, the share of the detection."""
    if not len(boxes) or not len(objects.boxes):
        return np.zeros((len(boxes), len(objects.boxes)))
    overlaps: Floats = mask.iou(boxes, objects.boxes, objects.crowd.astype(np.uint8))
    return overlaps


def _confuse(confusion: Ints, overlaps: Floats, classes: Ints, wanted: Ints) -> None:
    """Pair detections and objects one to one at IoU 0.5, those of one class first, then by overlap."""
    nothing = len(confusion) - 1
    worth = np.where(overlaps >= _HIT, overlaps + (classes[:, None] == wanted), 0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    paired = worth[rows, columns] > 0
    rows, columns = rows[paired], columns[paired]
    np.add.at(confusion, (wanted[columns], classes[rows]), 1)
    np.add.at(confusion[nothing], np.delete(classes, rows), 1)
    np.add.at(confusion[:, nothing], np.delete(wanted, columns), 1)


def _kinds(overlaps: Floats, classes: Ints, wanted: Ints) -> Ints:
    """(5,): hits are COCO's, best score first; a wrong box has one kind; an object beside one is not missed."""
    same = classes[:, None] == wanted
    free, seen, counts = np.ones(len(wanted), np.bool_), np.zeros(len(wanted), np.bool_), np.zeros(len(KINDS), np.int64)
    for own, overlap in zip(same, overlaps, strict=True):
        open_to_it = np.where(own & free, overlap, 0)
        best = int(open_to_it.argmax()) if len(wanted) else -1
        if best >= 0 and open_to_it[best] >= _HIT:
            free[best], seen[best] = False, True
            continue
        kind, place = _kind(overlap, own)
        counts[KINDS.index(kind)] += 1
        if place is not None:
            seen[place] = True
    counts[0] = int((~seen).sum())
    return counts


def _kind(overlap: Floats, own: Bools) -> tuple[str, int | None]:
    """Of a box that hit nothing free, and the object that it was meant for."""
    ours, others = np.where(own, overlap, 0), np.where(own, 0, overlap)
    if ours.max(initial=0) >= _HIT:
        return "duplicate", None
    if others.max(initial=0) >= _HIT:
        return "confused", int(others.argmax())
    if ours.max(initial=0) >= _NEAR:
        return "misplaced", int(ours.argmax())
    if others.max(initial=0) >= _NEAR:
        return "confused", None
    return "spurious", None
