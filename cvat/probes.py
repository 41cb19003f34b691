"""Probes: wrong pre-labels planted on images whose truth is known, to estimate how much is accepted without a look.

A probed image gets its true objects as if a model had drawn them, all but one: that one is of another class, shifted,
missing, or an object too many. Which image gets what is decided by hashes of the seed and the image alone.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from datasets.coco import Image
from datasets.files import digest
from datasets.labelled import LabelledObject
from datasets.ledger import Prelabel, Probe, ProbeKind
from datasets.taxonomy import Taxonomy

Box = tuple[float, float, float, float]
_SHIFTS = (0.35, 0.6)  # of the side, which leaves an IoU of 0.25 to 0.48
_SIZES = (0.1, 0.3)  # of the image's sides
_TRIES = 8
_SCORES = (0.5, 0.95)
_KINDS_ABOUT_TRUTH: tuple[ProbeKind, ...] = ("wrong_class", "shifted", "missing")
_KINDS: tuple[ProbeKind, ...] = (*_KINDS_ABOUT_TRUTH, "spurious")


@dataclass(frozen=True)
class Planted:
    """The pre-labels of a probed image, and what is wrong with one of them."""

    prelabels: Sequence[Prelabel]
    probe: Probe


def chance(seed: int, *parts: str) -> float:
    """A number in [0, 1) that these parts and the seed always give."""
    return int(digest([seed, *parts])[:13], 16) / 16**13


def plant_probes(
    images: Sequence[Image],
    truth: Mapping[str, Sequence[LabelledObject]],
    taxonomy: Taxonomy,
    *,
    searched: Collection[str],
    share: float,
    seed: int,
    model: str,
) -> dict[str, Planted]:
    """Probes on a share of these images, by SHA-256.

    `truth` is what is certainly on them; all that is there only on those in `searched`, so that they alone may get an
    object too many. `model` (name@version) is who the planted pre-labels name as their model.
    """
    planted = {}
    for image in images:
        if chance(seed, "probe", image.sha256) < share:
            allowed = _KINDS if image.sha256 in searched else _KINDS_ABOUT_TRUTH
            planted[image.sha256] = _plant(
                image, truth.get(image.sha256, ()), taxonomy, allowed, seed=seed, model=model
            )
    return {sha256: one for sha256, one in planted.items() if one}


def _plant(
    image: Image,
    truth: Sequence[LabelledObject],
    taxonomy: Taxonomy,
    allowed: Sequence[ProbeKind],
    *,
    seed: int,
    model: str,
) -> Planted | None:
    """None where the image has no box to plant something wrong about."""
    chooser = random.Random(digest([seed, "plant", image.sha256]))
    drawn = [_as_predicted(labelled, model, chooser) for labelled in truth]
    boxes = [place for place, labelled in enumerate(drawn) if labelled.kind == "rectangle"]
    if not boxes:
        return None
    place = chooser.choice(boxes)
    others = [name for name in taxonomy.names("rectangle") if name != drawn[place].category]
    kind = chooser.choice([one for one in allowed if others or one != "wrong_class"])
    planted = _wrong(kind, drawn[place], truth, image, others, chooser)
    if kind != "spurious":
        del drawn[place]
    shown = [*drawn, planted] if planted else drawn
    probe = Probe(image.sha256, kind, planted, None if kind == "spurious" else truth[place])
    return Planted([Prelabel(image.sha256, model, labelled) for labelled in shown], probe)


def _as_predicted(labelled: LabelledObject, model: str, chooser: random.Random) -> LabelledObject:
    score = round(chooser.uniform(*_SCORES), 2)
    return replace(labelled, source="auto", model=model, score=score, shape_id=None)


def _wrong(
    kind: ProbeKind,
    labelled: LabelledObject,
    truth: Sequence[LabelledObject],
    image: Image,
    others: Sequence[str],
    chooser: random.Random,
) -> LabelledObject | None:
    """What is planted in the place of a true object, or beside it; None where it is left out."""
    if kind == "wrong_class":
        return replace(labelled, category=chooser.choice(others), attributes={})
    if kind == "shifted":
        return replace(labelled, points=_shifted(labelled.points, image, chooser))
    if kind == "spurious":
        return replace(labelled, points=_free_place(truth, image, chooser), rotation=0.0)
    return None


def _shifted(points: Sequence[float], image: Image, chooser: random.Random) -> Box:
    """A box moved along its longer side, to where there is more room, as far as the image goes."""
    left, top, right, bottom = points
    share = chooser.uniform(*_SHIFTS)
    if right - left >= bottom - top:
        by = (right - left) * share * (1 if image.width - right >= left else -1)
        return (max(left + by, 0.0), top, min(right + by, float(image.width)), bottom)
    by = (bottom - top) * share * (1 if image.height - bottom >= top else -1)
    return (left, max(top + by, 0.0), right, min(bottom + by, float(image.height)))


def _free_place(truth: Sequence[LabelledObject], image: Image, chooser: random.Random) -> Box:
    """Of some places, the one that covers the least of what is there."""
    taken = [box for labelled in truth if (box := labelled.bbox_xyxy)]
    places = [_anywhere(image, chooser) for _ in range(_TRIES)]
    return min(places, key=lambda place: sum(_shared(place, box) for box in taken))


def _anywhere(image: Image, chooser: random.Random) -> Box:
    width, height = (side * chooser.uniform(*_SIZES) for side in (image.width, image.height))
    left, top = chooser.uniform(0, image.width - width), chooser.uniform(0, image.height - height)
    return (left, top, left + width, top + height)


def _shared(one: Box, other: Box) -> float:
    """The area that two boxes have in common."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
