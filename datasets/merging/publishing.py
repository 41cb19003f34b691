"""From statements and objects to a numbered dataset, and to the conflicts in it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from datasets.merging.atoms import NAMELESS
from datasets.merging.conflicts import (
    UNDECIDED,
    Conflict,
    Found,
    Objects,
    find_searched,
    name_conflict,
    object_conflicts,
    picture_conflicts,
)
from datasets.merging.drawing import Drawing
from datasets.merging.families import Side, find_sides
from datasets.merging.statements import (
    Statements,
    best_provenance,
    categories_by_image,
    join_tags,
    sorted_ids,
)
from datasets.numbers import sorted_unique
from datasets.records import AnnotationRecord, CocoFile, Copy, ImageRecord, Tag, View, category_records
from datasets.taxonomy import Taxonomy

_NAMELESS = (NAMELESS,)


def publish(
    said: Statements,
    copies: Mapping[str, str],
    drawing: Drawing,
    sha256s: Sequence[str],
    taxonomy: Taxonomy,
    *,
    same_iou: float,
) -> tuple[CocoFile, NDArray[np.int64], tuple[Conflict, ...]]:
    """The numbered content, its columns for a digest, and its conflicts.

    `copies` tells, by SHA-256, which picture another is shown on.
    """
    views = _views_of(said, copies)
    near = ((copies.get(a, a), copies.get(b, b)) for a, others in said.near.items() for b in others)
    sides = find_sides(views, near)
    found = _find_conflicts(drawing, views, sides, sha256s, same_iou)
    images = _images(said, copies, views, sides, _present(drawing), _undecided(found), sha256s)
    image_ids = np.zeros(len(sha256s), np.int64)
    image_ids[[number for number, sha256 in enumerate(sha256s) if sha256 not in copies]] = range(1, len(images) + 1)
    drawing.columns[:, 0] = image_ids[drawing.pictures] - 1
    numbers = zip(drawing.records, count(1), image_ids[drawing.pictures].tolist(), strict=False)
    for record, number, image_id in numbers:
        record.id = number
        record.image_id = image_id
    if drawing.are_some_nameless:
        _forget_nameless(drawing.records)
    conflicts = tuple(_conflict(one, said, sha256s, taxonomy) for one in found)
    return CocoFile(category_records(taxonomy), images, drawing.records), drawing.columns, conflicts


def _forget_nameless(records: Iterable[AnnotationRecord]) -> None:
    """An original that nobody named needs no origin."""
    for record in records:
        if record.origins == _NAMELESS:
            record.origins = ()


def _views_of(said: Statements, copies: Mapping[str, str]) -> dict[str, list[View]]:
    """All that is said of each picture that is shown, its copies' views included."""
    views = {sha256: said.views[sha256] for sha256 in said.pictures if sha256 not in copies}
    for sha256, shown in sorted(copies.items()):
        views[shown] = [*views[shown], *(replace(view, sha256=sha256) for view in said.views[sha256])]
    return views


def _undecided(found: Iterable[Found]) -> dict[int, set[int]]:
    """The classes of each picture that sources disagree about."""
    undecided: dict[int, set[int]] = defaultdict(set)
    for conflict in found:
        if conflict.kind in UNDECIDED:
            undecided[conflict.picture].update(conflict.category_ids)
    return undecided


def _present(drawing: Drawing) -> dict[int, list[int]]:
    """The classes of each picture's objects."""
    return categories_by_image(drawing.pictures, drawing.columns[:, 1])


def _find_conflicts(
    drawing: Drawing,
    views: Mapping[str, Sequence[View]],
    sides: Mapping[str, Side],
    sha256s: Sequence[str],
    same_iou: float,
) -> list[Found]:
    """All conflicts, in canonical order; only pictures that several sources speak of are looked at."""
    several = {
        number: views[sha256]
        for number, sha256 in enumerate(sha256s)
        if sha256 in views and (len(views[sha256]) > 1 or sides[sha256].tied)
    }
    asked = sorted_unique(np.concatenate([np.array([*several], np.int64), drawing.overlapping]))
    is_asked = np.zeros(len(sha256s), bool)
    is_asked[asked] = True
    numbers = np.flatnonzero(is_asked[drawing.pictures])
    objects = _objects(drawing, numbers.tolist(), drawing.pictures[numbers].tolist())
    searched = find_searched((number, views[sha256s[number]]) for number in asked.tolist())
    found = list(object_conflicts(objects, drawing.overlaps, searched, drawing.object_of, same_iou=same_iou))
    found += [named for number, picture in objects.pictures.items() if (named := _named(drawing, number, picture))]
    for number, said in several.items():
        found += picture_conflicts(number, said, sides[sha256s[number]].tied)
    return sorted(found, key=lambda one: (one.picture, one.kind, one.objects, one.category_ids))


def _objects(drawing: Drawing, numbers: Sequence[int], pictures: Sequence[int]) -> Objects:
    records = [drawing.records[number] for number in numbers]
    return Objects(
        dict(zip(numbers, pictures, strict=True)),
        {number: record.category_id for number, record in zip(numbers, records, strict=True)},
        {number: {origin.source for origin in record.origins} for number, record in zip(numbers, records, strict=True)},
    )


def _named(drawing: Drawing, number: int, picture: int) -> Found | None:
    record = drawing.records[number]
    return name_conflict(record, number, picture) if len(record.origins) > 1 else None


def _images(
    said: Statements,
    copies: Mapping[str, str],
    views: Mapping[str, Sequence[View]],
    sides: Mapping[str, Side],
    present: Mapping[int, Iterable[int]],
    undecided: Mapping[int, set[int]],
    sha256s: Sequence[str],
) -> list[ImageRecord]:
    copies_of: dict[str, list[Copy]] = defaultdict(list)
    for sha256, shown in sorted(copies.items()):
        copies_of[shown].append(said.pictures[sha256])
    shown_ones = [(number, sha256) for number, sha256 in enumerate(sha256s) if sha256 not in copies]
    near = _shown_near(said, copies)
    related = said.related | copies_of.keys() | near.keys()
    images = []
    for image_id, (number, sha256) in enumerate(shown_ones, start=1):
        picture = said.pictures[sha256]
        image = _image(image_id, picture, views[sha256], sides[sha256], present.get(number, ()), undecided.get(number))
        if sha256 in related:
            image = replace(
                image,
                copies=tuple(copies_of.get(sha256, ())),
                near=tuple(sorted(near.get(sha256, ()))),
                derived_from=said.derived_from.get(sha256),
                deleted=sha256 in said.deleted,
            )
        images.append(image)
    return images


def _shown_near(said: Statements, copies: Mapping[str, str]) -> dict[str, set[str]]:
    """The pictures like each that is shown: what is said of a copy is said of the picture that it is shown on."""
    near: dict[str, set[str]] = defaultdict(set)
    for sha256, others in said.near.items():
        shown = copies.get(sha256, sha256)
        near[shown].update({copies.get(other, other) for other in others} - {shown})
    return near


def _image(
    image_id: int,
    picture: Copy,
    views: Sequence[View],
    side: Side,
    present: Iterable[int],
    undecided: set[int] | None,
) -> ImageRecord:
    whole = views[0] if len(views) == 1 else _together(views)
    tags = tuple(tag for tag in whole.tags if tag.category_id not in undecided) if undecided else whole.tags
    found = {*present, *[tag.category_id for tag in tags]}
    unsure = (
        sorted_ids((*whole.not_exhaustive_category_ids, *undecided)) if undecided else whole.not_exhaustive_category_ids
    )
    return ImageRecord(
        id=image_id,
        sha256=picture.sha256,
        file_name=picture.file_name,
        width=picture.width,
        height=picture.height,
        family=side.family,
        split=side.split,
        source=whole.provenance,
        tags=tags,
        neg_category_ids=tuple([category_id for category_id in whole.category_ids if category_id not in found]),
        not_exhaustive_category_ids=unsure,
        views=() if _goes_without_saying(views, side, tags, found, unsure) else tuple(views),
    )


def _together(views: Sequence[View]) -> View:
    """What all views say, as if one source had said it."""
    return replace(
        views[0],
        category_ids=sorted_ids(chain.from_iterable(view.category_ids for view in views)),
        not_exhaustive_category_ids=sorted_ids(chain.from_iterable(view.not_exhaustive_category_ids for view in views)),
        tags=join_tags(chain.from_iterable(view.tags for view in views)),
        provenance=best_provenance(view.provenance for view in views),
    )


def _goes_without_saying(
    views: Sequence[View], side: Side, tags: tuple[Tag, ...], found: set[int], unsure: tuple[int, ...]
) -> bool:
    """Whether the image's own fields say all that one nameless source said."""
    if len(views) != 1 or views[0].source or views[0].sha256:
        return False
    (view,) = views
    said = (view.family, view.split, view.tags, view.not_exhaustive_category_ids)
    return said == (side.family, side.split, tags, unsure) and found.issubset(view.category_ids)


def _conflict(found: Found, said: Statements, sha256s: Sequence[str], taxonomy: Taxonomy) -> Conflict:
    sha256 = sha256s[found.picture]
    return Conflict(
        kind=found.kind,
        sha256=sha256,
        file_name=said.pictures[sha256].file_name,
        categories=tuple(taxonomy.name(category_id) for category_id in found.category_ids),
        sources=found.sources,
        annotation_ids=tuple(number + 1 for number in found.objects),
        detail=found.detail,
    )
