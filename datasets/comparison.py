"""What a person did to each pre-label: accepted, moved, reclassed, deleted; and what they added.

Objects are matched by CVAT's shape id first, then one to one by best IoU of at least 0.5 (Hungarian). Boxes are
xyxy in pixels. Tags have no place, so they are matched by being on the same image. Accepted is a box of the same class
and attributes with no corner moved by more than 1 px; with other attributes it counts as moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Verdict = Literal["accepted", "moved", "reclassed", "deleted", "added"]
BboxXyxy = tuple[float, float, float, float]
VERDICTS: tuple[Verdict, ...] = ("accepted", "moved", "reclassed", "deleted", "added")

MIN_IOU = 0.5
MAX_CORNER_SHIFT = 1.0


@dataclass(frozen=True, slots=True)
class LabelledObject:
    """A box or (without `bbox_xyxy`) a tag on one image, as CVAT has it; `score` is a prediction's."""

    category: str
    bbox_xyxy: BboxXyxy | None = None
    shape_id: int | None = None
    score: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one object; `iou` is None where nothing matched and for tags."""

    verdict: Verdict
    before: LabelledObject | None
    after: LabelledObject | None
    iou: float | None = None


def iou_matrix(one: Sequence[BboxXyxy], other: Sequence[BboxXyxy]) -> NDArray[np.float64]:
    """Pairwise IoU of N and M xyxy pixel boxes: (N, M) in [0, 1]."""
    a, b = np.asarray(one, float).reshape(-1, 1, 4), np.asarray(other, float).reshape(1, -1, 4)
    size = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    overlap = size.prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    iou: NDArray[np.float64] = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return iou


def match_boxes(
    one: Sequence[LabelledObject], other: Sequence[LabelledObject], *, class_bonus: float = 1e-6
) -> list[tuple[LabelledObject, LabelledObject, float]]:
    """The one-to-one matching of boxes with the greatest total IoU: pairs and their IoU, at least 0.5 each.

    `class_bonus` is added where the classes agree: little to break ties, 1 to match the same class before all else.
    """
    one, other = ([o for o in objects if o.bbox_xyxy] for objects in (one, other))
    iou = iou_matrix([o.bbox_xyxy for o in one if o.bbox_xyxy], [o.bbox_xyxy for o in other if o.bbox_xyxy])
    same_class = np.array([[a.category == b.category for b in other] for a in one], bool).reshape(iou.shape)
    weight = np.where(iou >= MIN_IOU, iou + class_bonus * same_class, 0)
    rows, columns = linear_sum_assignment(weight, maximize=True)
    return [(one[i], other[j], float(iou[i, j])) for i, j in zip(rows, columns, strict=True) if weight[i, j] > 0]


def compare(before: Sequence[LabelledObject], after: Sequence[LabelledObject]) -> list[Fate]:
    """The fate of every pre-label of one image, then what was added to it."""
    pairs = _pairs_by_id(before, after)
    pairs += _pairs_by_place(before, after, taken=pairs)
    matched = {id(b): (b, a) for b, a in pairs}
    found = {id(a) for _, a in pairs}
    fates = [_fate(*matched[id(b)]) if id(b) in matched else Fate("deleted", b, None) for b in before]
    return fates + [Fate("added", None, a) for a in after if id(a) not in found]


_Pairs = list[tuple[LabelledObject, LabelledObject]]


def _pairs_by_id(before: Sequence[LabelledObject], after: Sequence[LabelledObject]) -> _Pairs:
    by_id = {(a.shape_id, a.bbox_xyxy is None): a for a in after if a.shape_id is not None}
    keys = [(b, (b.shape_id, b.bbox_xyxy is None)) for b in before]
    return [(b, by_id.pop(key)) for b, key in keys if key in by_id]


def _pairs_by_place(before: Sequence[LabelledObject], after: Sequence[LabelledObject], *, taken: _Pairs) -> _Pairs:
    done = {id(labelled) for pair in taken for labelled in pair}
    old, new = ([o for o in objects if id(o) not in done] for objects in (before, after))
    old_tags, new_tags = ([o for o in objects if o.bbox_xyxy is None] for objects in (old, new))
    return [(b, a) for b, a, _ in match_boxes(old, new)] + list(zip(old_tags, new_tags, strict=False))


def _fate(before: LabelledObject, after: LabelledObject) -> Fate:
    if before.bbox_xyxy is None or after.bbox_xyxy is None:
        return Fate("accepted" if before.category == after.category else "reclassed", before, after)
    iou = float(iou_matrix([before.bbox_xyxy], [after.bbox_xyxy])[0, 0])
    if before.category != after.category:
        return Fate("reclassed", before, after, iou)
    shift = max(abs(a - b) for a, b in zip(before.bbox_xyxy, after.bbox_xyxy, strict=True))
    untouched = shift <= MAX_CORNER_SHIFT and before.attributes == after.attributes
    return Fate("accepted" if untouched else "moved", before, after, iou)
