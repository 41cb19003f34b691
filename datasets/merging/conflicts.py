"""Where sources disagree. Nothing is guessed: each disagreement is told, ready to be put before an annotator."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datasets.merging.clusters import Overlaps
from datasets.records import AnnotationRecord, View

ConflictKind = Literal["class", "place", "presence", "name", "tag", "split", "license"]
UNDECIDED: frozenset[ConflictKind] = frozenset({"class", "place", "presence", "tag"})
"""Kinds that leave their classes unknown on the image until somebody decides."""


class Conflict(Struct, frozen=True, omit_defaults=True):
    """One disagreement about one image; `annotation_ids` are of the merged file.

    - class: sources see another class at one place;
    - place: they draw one object too differently to be sure that it is one;
    - presence: one found what another looked for and did not find; tag: likewise, of the whole image;
    - name: they call one object by names that the project holds to be one class;
    - split: the image ties a train family to a test family;
    - license: they state different licences.
    """

    kind: ConflictKind
    sha256: str
    file_name: str
    categories: tuple[str, ...]
    sources: tuple[str, ...] = ()
    annotation_ids: tuple[int, ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class Found:
    """A conflict on the way: places in lists instead of names. `objects` are places in the merged annotations."""

    kind: ConflictKind
    picture: int
    category_ids: tuple[int, ...]
    sources: tuple[str, ...] = ()
    objects: tuple[int, ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class Objects:
    """The merged objects of pictures that several sources annotated: by number, their picture, class and sources."""

    pictures: Mapping[int, int]
    category_ids: Mapping[int, int]
    sources: Mapping[int, set[str]]


_NOBODY: frozenset[str] = frozenset()

Searched = Mapping[tuple[int, int], set[str]]
"""The sources that looked for a class on a picture, by (picture, category id)."""


def find_searched(views: Iterable[tuple[int, Sequence[View]]]) -> Searched:
    """Who looked for what, from the views of pictures."""
    searched: dict[tuple[int, int], set[str]] = defaultdict(set)
    for picture, said in views:
        for view in said:
            for category_id in view.category_ids:
                if category_id not in view.not_exhaustive_category_ids:
                    searched[picture, category_id].add(view.source)
    return searched


def object_conflicts(
    objects: Objects, overlaps: Overlaps, searched: Searched, object_of: NDArray[np.int64], *, same_iou: float
) -> Iterator[Found]:
    """Disagreements about objects: class and place by their overlaps, then presence of what nobody else drew there."""
    excused: dict[int, set[str]] = defaultdict(set)
    seen: set[tuple[int, int]] = set()
    firsts, seconds = object_of[overlaps.first].tolist(), object_of[overlaps.second].tolist()
    for one, other, iou in zip(firsts, seconds, overlaps.iou.tolist(), strict=True):
        if one == other or (one, other) in seen or objects.sources[one] & objects.sources[other]:
            continue
        seen.add((one, other))
        found = _about_pair(objects, searched, one, other, iou, same_iou)
        if found:
            excused[one] |= objects.sources[other]
            excused[other] |= objects.sources[one]
            yield found
    for number, picture in objects.pictures.items():
        category_id = objects.category_ids[number]
        missed = searched.get((picture, category_id), _NOBODY) - objects.sources[number]
        if missed and (missed := missed - excused.get(number, _NOBODY)):
            yield Found("presence", picture, (category_id,), _said(objects, (number,), missed), (number,))


def _about_pair(
    objects: Objects, searched: Searched, one: int, other: int, iou: float, same_iou: float
) -> Found | None:
    picture = objects.pictures[one]
    a, b = objects.category_ids[one], objects.category_ids[other]
    told = _said(objects, (one, other), ())
    if a == b:
        return Found("place", picture, (a,), told, (one, other), f"IoU {iou:.2f}")
    knew = objects.sources[one] & searched.get((picture, b), set()) or objects.sources[other] & searched.get(
        (picture, a), set()
    )
    if iou < same_iou or not knew:
        return None
    return Found("class", picture, (min(a, b), max(a, b)), told, (one, other), f"IoU {iou:.2f}")


def _said(objects: Objects, numbers: Iterable[int], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(others).union(*(objects.sources[number] for number in numbers))))


def name_conflict(record: AnnotationRecord, number: int, picture: int) -> Found | None:
    """Sources that call one object by different names of their own."""
    names = {origin.name or "" for origin in record.origins}
    if len(names) < 2:
        return None
    detail = ", ".join(f"{origin.source}: {origin.name or '(the class)'}" for origin in record.origins)
    sources = tuple(sorted({origin.source for origin in record.origins}))
    return Found("name", picture, (record.category_id,), sources, (number,), detail)


def picture_conflicts(picture: int, views: Sequence[View], tied: Sequence[str]) -> Iterator[Found]:
    """Disagreements about a picture as a whole."""
    for view in views:
        for tag in view.tags:
            against = [other.source for other in views if _denies(other, view, tag.category_id)]
            if against:
                yield Found("tag", picture, (tag.category_id,), tuple(sorted({view.source, *against})))
    licenses = sorted({view.provenance.license for view in views if view.provenance.license})
    if len(licenses) > 1:
        yield Found("license", picture, (), _sources(views), detail="; ".join(licenses))
    if tied:
        yield Found("split", picture, (), _sources(views), detail="families " + ", ".join(tied))


def _denies(other: View, view: View, category_id: int) -> bool:
    looked = category_id in other.category_ids and category_id not in other.not_exhaustive_category_ids
    return looked and other.source != view.source and all(tag.category_id != category_id for tag in other.tags)


def _sources(views: Iterable[View]) -> tuple[str, ...]:
    return tuple(sorted({view.source for view in views}))
