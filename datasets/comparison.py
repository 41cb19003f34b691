"""What a person did to each pre-label: accepted, moved, reclassed, deleted; and what they added.

Objects are matched by CVAT's shape id first, then one to one by best likeness of at least 0.5 (Hungarian), among those
of one family of kinds; `datasets.likeness` tells what that is for each kind, IoU for all that cover something. Tags
have no place, so they are matched by being on the same image, the same class first.

Accepted is an object of the same class, kind and attributes (occluded is one) with no corner moved by more than 1 px,
as many points, and turned by at most 1 degree. What differs in one of these but the class counts as moved.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from datasets.labelled import LabelledObject
from datasets.likeness import alike_pairs, is_unmoved, likeness

Verdict = Literal["accepted", "moved", "reclassed", "deleted", "added"]
VERDICTS: tuple[Verdict, ...] = ("accepted", "moved", "reclassed", "deleted", "added")

MIN_IOU = 0.5
CLASS_BONUS = 1e-6


class Fate(Struct, frozen=True, gc=False):
    """What became of one object; `iou` is the likeness, None where nothing matched and for tags."""

    verdict: Verdict
    before: LabelledObject | None
    after: LabelledObject | None
    iou: float | None = None


def compare(before: Sequence[LabelledObject], after: Sequence[LabelledObject]) -> list[Fate]:
    """The fate of every pre-label of one image, then what was added to it."""
    match_of = _match_by_id(before, after)
    if len(match_of) < min(len(before), len(after)):
        match_of |= _match_the_rest(before, after, match_of)
    fates = [
        _fate(labelled, after[match_of[place]]) if place in match_of else Fate("deleted", labelled, None)
        for place, labelled in enumerate(before)
    ]
    if len(match_of) < len(after):
        found = set(match_of.values())
        fates += [Fate("added", None, labelled) for place, labelled in enumerate(after) if place not in found]
    return fates


def match_boxes(
    one: Sequence[LabelledObject], other: Sequence[LabelledObject], *, class_bonus: float = CLASS_BONUS
) -> list[tuple[LabelledObject, LabelledObject, float]]:
    """The one-to-one matching of shapes with the greatest total likeness: pairs and theirs, at least 0.5 each.

    `class_bonus` is added where the classes agree: little to break ties, 1 to match the same class before all else.
    Tags, and shapes without points, match nothing.
    """
    return [(one[i], other[j], alike) for i, j, alike in _assign(one, other, class_bonus)]


def _assign(
    one: Sequence[LabelledObject], other: Sequence[LabelledObject], class_bonus: float = CLASS_BONUS
) -> list[tuple[int, int, float]]:
    pairs = [(i, j, alike) for i, j, alike in alike_pairs(one, other) if alike >= MIN_IOU]
    if len({i for i, _, _ in pairs}) == len({j for _, j, _ in pairs}) == len(pairs):
        return pairs  # nobody has a choice
    from scipy.optimize import linear_sum_assignment  # takes half a second to import

    weight = np.zeros((len(one), len(other)))
    for i, j, alike in pairs:
        weight[i, j] = alike + class_bonus * (one[i].category == other[j].category)
    chosen = set(zip(*(places.tolist() for places in linear_sum_assignment(weight, maximize=True)), strict=True))
    return [(i, j, alike) for i, j, alike in pairs if (i, j) in chosen]


_Matches = dict[int, int]
"""Places in what was before, each with the place in what is there after."""


def _match_by_id(before: Sequence[LabelledObject], after: Sequence[LabelledObject]) -> _Matches:
    place_of = {(o.shape_id, o.kind == "tag"): place for place, o in enumerate(after) if o.shape_id is not None}
    keyed = ((place, (o.shape_id, o.kind == "tag")) for place, o in enumerate(before))
    return {place: place_of.pop(key) for place, key in keyed if key in place_of}


def _match_the_rest(before: Sequence[LabelledObject], after: Sequence[LabelledObject], matched: _Matches) -> _Matches:
    found = set(matched.values())
    old = [place for place in range(len(before)) if place not in matched]
    new = [place for place in range(len(after)) if place not in found]
    objects, others = [before[place] for place in old], [after[place] for place in new]
    pairs = [(i, j) for i, j, _ in _assign(objects, others)] + _pair_tags(objects, others)
    return {old[i]: new[j] for i, j in pairs}


def _pair_tags(one: Sequence[LabelledObject], other: Sequence[LabelledObject]) -> list[tuple[int, int]]:
    """Tags of the same class, then the others in their order."""
    some, left = ({n: o.category for n, o in enumerate(objects) if o.kind == "tag"} for objects in (one, other))
    pairs = []
    for i, category in some.items():
        same = next((j for j, candidate in left.items() if candidate == category), None)
        if same is not None:
            pairs.append((i, same))
            del left[same]
    paired = {i for i, _ in pairs}
    return pairs + list(zip((i for i in some if i not in paired), left, strict=False))


def _fate(before: LabelledObject, after: LabelledObject) -> Fate:
    if before == after:
        return Fate("accepted", before, after, None if before.kind == "tag" else 1.0)
    iou = likeness(before, after) if before.bbox_xyxy and after.bbox_xyxy else None
    if before.category != after.category:
        return Fate("reclassed", before, after, iou)
    untouched = before.attributes == after.attributes and is_unmoved(before, after)
    return Fate("accepted" if untouched else "moved", before, after, iou)
