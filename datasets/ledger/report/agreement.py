"""How far two people agree who labelled the same images.

Shapes: F1, with one person's taken for the truth: of all shapes that both drew, the share that the other one drew too,
of the same class at an IoU of at least 0.5. Tags: Scott's pi (https://doi.org/10.1086/266577), the agreement beyond
what chance would give, of the whole set of an image's tags. Both may have seen the same pre-labels.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from datasets.comparison import match_boxes
from datasets.labelled import LabelledObject
from datasets.ledger.report.intervals import Estimate, Floats, bootstrapped
from datasets.ledger.report.material import Material

_MAY_MISS = "Images on which one of the two left nothing may be missing: the ledger does not list every job's images."
_Objects = Sequence[LabelledObject]


@dataclass(frozen=True)
class Agreement:
    """`images` were labelled by two people or more, whose `pairs` are compared; None is what cannot be told."""

    images: int
    pairs: int
    people: tuple[str, ...]
    shapes_f1: Estimate | None
    tags_pi: Estimate | None
    told: str


def agreement(material: Material, rng: np.random.Generator) -> Agreement:
    """Over all pairs of people who labelled an image in different jobs, neither of them with a probe on it."""
    by_image: dict[str, list[tuple[_Objects, _Objects]]] = defaultdict(list)
    people: set[str] = set()
    for sha256, names, pair in _pairs(material):
        by_image[sha256].append(pair)
        people.update(names)
    if not by_image:
        return Agreement(0, 0, (), None, None, "No image was labelled by two people, so nothing is known of agreement.")
    shapes = np.array([np.sum([_shared(*pair) for pair in pairs], axis=0) for pairs in by_image.values()], float)
    told = "" if material.knows_all_images else _MAY_MISS
    return Agreement(
        images=len(by_image),
        pairs=sum(map(len, by_image.values())),
        people=tuple(sorted(people)),
        shapes_f1=bootstrapped(shapes, _f1, rng) if shapes[:, 1].any() else None,
        tags_pi=_tags_pi(list(by_image.values()), rng),
        told=told,
    )


def _pairs(material: Material) -> Iterator[tuple[str, tuple[str, str], tuple[_Objects, _Objects]]]:
    """Each image that two people had, who, and what each left on it."""
    left: dict[str, dict[int, list[LabelledObject]]] = defaultdict(dict)
    for job_id, rows in material.fates.items():
        for sha256 in material.jobs[job_id].sha256s:
            left[sha256][job_id] = []
        for row in rows:
            if row.fate.after:
                left[row.sha256].setdefault(job_id, []).append(row.fate.after)
    for sha256, by_job in sorted(left.items()):
        unprobed = sorted(job_id for job_id in by_job if (job_id, sha256) not in material.planted)
        for one, other in combinations(unprobed, 2):
            names = (material.jobs[one].assignee, material.jobs[other].assignee)
            if names[0] and names[1] and names[0] != names[1]:
                yield sha256, (names[0], names[1]), (by_job[one], by_job[other])


def _shared(one: _Objects, other: _Objects) -> tuple[int, int]:
    """How many shapes both drew, and how many each drew, added up."""
    shapes, others = ([o for o in objects if o.kind != "tag"] for objects in (one, other))
    pairs = match_boxes(shapes, others, class_bonus=1)
    return sum(a.category == b.category for a, b, _ in pairs), len(shapes) + len(others)


def _f1(sums: Floats) -> Floats:
    f1: Floats = np.divide(2 * sums[..., 0], sums[..., 1], out=_unknown(sums), where=sums[..., 1] > 0)
    return f1


def _unknown(sums: Floats) -> Floats:
    return np.full(sums.shape[:-1], np.nan)


def _tags_pi(by_image: Sequence[Sequence[tuple[_Objects, _Objects]]], rng: np.random.Generator) -> Estimate | None:
    """None where nobody set any tag, or all set the same one."""
    said = [[(_tags(one), _tags(other)) for one, other in pairs] for pairs in by_image]
    sets = sorted({tags for pairs in said for pair in pairs for tags in pair})
    if len(sets) < 2:
        return None
    rows = [
        [sum(a == b for a, b in pairs), *(sum((a == tags) + (b == tags) for a, b in pairs) for tags in sets)]
        for pairs in said
    ]
    return bootstrapped(np.array(rows, float), _scotts_pi, rng)


def _tags(objects: _Objects) -> tuple[str, ...]:
    return tuple(sorted({o.category for o in objects if o.kind == "tag"}))


def _scotts_pi(sums: Floats) -> Floats:
    """From how many pairs agree, and how often each set of tags was chosen: (..., 1 + sets)."""
    chosen = sums[..., 1:].sum(-1)
    observed = 2 * sums[..., 0] / chosen
    by_chance = ((sums[..., 1:] / chosen[..., None]) ** 2).sum(-1)
    pi: Floats = np.divide(observed - by_chance, 1 - by_chance, out=_unknown(sums), where=by_chance < 1)
    return pi
