"""Numbers by which reviewers sort images. Boxes are xywh, in any unit."""

from collections.abc import Mapping, Sequence

import numpy as np
from pycocotools import mask
from scipy.optimize import linear_sum_assignment

from datasets.coco import Annotation, Tag
from datasets.curating.review import Predicted
from datasets.ledger import FateRow

_SAME_IOU = 0.5
CONFIDENCE = "confidence"


def corrections(fates: Sequence[FateRow]) -> int:
    """How many objects a person moved, re-classed, deleted or added."""
    return sum(row.fate.verdict != "accepted" for row in fates)


def disagreement(predicted: Mapping[str, Predicted]) -> float | None:
    """The share of their confidence, in [0, 1], that champion and challenger put into what the other does not see.

    Boxes agree that are of one class with IoU of at least 0.5, one to one; tags by class. None without both.
    """
    if len(predicted) < 2:
        return None
    one, other = predicted.values()
    scores = [a.score or 0.0 for said in (one, other) for a in said.annotations]
    scores += [confidence(tag) for said in (one, other) for tag in said.tags]
    total = sum(scores)
    agreed = _agreed_boxes(one, other) + _agreed_tags(one, other)
    return round(1 - agreed / total, 6) if total else 0.0


def _agreed_boxes(one: Predicted, other: Predicted) -> float:
    pairs = _same_objects(one.annotations, other.annotations)
    return sum((a.score or 0.0) + (b.score or 0.0) for a, b in pairs)


def _same_objects(one: Sequence[Annotation], other: Sequence[Annotation]) -> list[tuple[Annotation, Annotation]]:
    if not one or not other:
        return []
    iou = mask.iou(*(np.array([a.bbox_xywh for a in said], float) for said in (one, other)), [0] * len(other))
    same = np.equal.outer([a.category_id for a in one], [b.category_id for b in other]) & (iou >= _SAME_IOU)
    rows, columns = linear_sum_assignment(np.where(same, iou, 0), maximize=True)
    return [(one[i], other[j]) for i, j in zip(rows, columns, strict=True) if same[i, j]]


def _agreed_tags(one: Predicted, other: Predicted) -> float:
    shared = {tag.category_id for tag in one.tags} & {tag.category_id for tag in other.tags}
    return sum(confidence(tag) for said in (one, other) for tag in said.tags if tag.category_id in shared)


def hardness(truth: Sequence[Tag], predicted: Predicted | None) -> float | None:
    """How sure the champion is, in [0, 1], of anything but the image's tags; None where it says none."""
    if predicted is None or not predicted.tags or not truth:
        return None
    true_ids = {tag.category_id for tag in truth}
    return max(1 - confidence(tag) if tag.category_id in true_ids else confidence(tag) for tag in predicted.tags)


def confidence(tag: Tag) -> float:
    """A predicted tag's score in [0, 1]; 1 where none is told."""
    try:
        return min(max(float(tag.attributes.get(CONFIDENCE, 1.0)), 0.0), 1.0)
    except ValueError:
        return 1.0
