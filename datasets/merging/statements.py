"""What every source says of every image: gathered from all files, as if none had ever been merged."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from datasets.merging.sources import Source
from datasets.numbers import sorted_unique
from datasets.records import Copy, ImageRecord, Provenance, Split, Tag, View

_ENCODER = msgspec.json.Encoder(order="deterministic")


@dataclass
class Statements:
    """By the SHA-256 of the picture meant: its size, what is said of it, and what it is related to."""

    pictures: dict[str, Copy] = field(default_factory=dict)
    views: dict[str, list[View]] = field(default_factory=lambda: defaultdict(list))
    scaled: set[tuple[str, str]] = field(default_factory=set)
    near: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    deleted: set[str] = field(default_factory=set)
    derived_from: dict[str, str] = field(default_factory=dict)

    @property
    def related(self) -> set[str]:
        """Pictures of which more is told than their views."""
        return self.near.keys() | self.deleted | self.derived_from.keys()


def gather_statements(sources: Iterable[Source]) -> Statements:
    """Everything said of images; category ids are the project's already.

    A file whose images name no views is one view of each, by that source.
    """
    said = Statements()
    for source in sources:
        present = _present_category_ids(source)
        for place, record in enumerate(source.content.images):
            _note_picture(said, Copy(record.sha256, record.file_name, record.width, record.height))
            if not record.views:
                said.views[record.sha256].append(_implied_view(record, source.name, present.get(place, ())))
            for view in record.views:
                said.views[view.sha256 or record.sha256].append(replace(view, sha256=None) if view.sha256 else view)
            if record.copies or record.near or record.deleted or record.derived_from:
                _note_relations(said, record)
    for sha256, views_there in said.views.items():
        if len(views_there) > 1:
            said.views[sha256] = _joined(views_there)
    return said


def _note_picture(said: Statements, picture: Copy) -> None:
    known = said.pictures.get(picture.sha256)
    if known is None:
        said.pictures[picture.sha256] = picture
    elif known != picture:
        said.pictures[picture.sha256] = min(known, picture, key=lambda p: (p.file_name, p.width, p.height))


def _note_relations(said: Statements, record: ImageRecord) -> None:
    for copy in record.copies:
        _note_picture(said, copy)
        said.scaled.add((record.sha256, copy.sha256))
    for other in record.near:
        said.near[record.sha256].add(other)
        said.near[other].add(record.sha256)
    if record.deleted:
        said.deleted.add(record.sha256)
    if record.derived_from:
        said.derived_from[record.sha256] = min(
            record.derived_from, said.derived_from.get(record.sha256, record.derived_from)
        )


def _present_category_ids(source: Source) -> Mapping[int, Sequence[int]]:
    """The classes of each image's objects, by the image's place in the file."""
    content = source.content
    if all(image.views for image in content.images):
        return {}
    category_ids = np.array([annotation.category_id for annotation in content.annotations], np.int64)
    return categories_by_image(source.images, category_ids)


def categories_by_image(images: NDArray[np.int64], category_ids: NDArray[np.int64]) -> dict[int, list[int]]:
    """The distinct classes of each image, in order, from the images and classes of objects, (N,) each."""
    scale = int(category_ids.max(initial=0)) + 1
    found, classes = np.divmod(sorted_unique(images * scale + category_ids), scale)
    starts = np.flatnonzero(np.diff(found, prepend=-1))
    ends = [*starts[1:].tolist(), len(found)]
    listed = classes.tolist()
    places = zip(found[starts].tolist(), starts.tolist(), ends, strict=False)
    return {image: listed[start:end] for image, start, end in places}


def _implied_view(record: ImageRecord, source: str, present: Iterable[int]) -> View:
    searched = (*present, *record.neg_category_ids, *[tag.category_id for tag in record.tags])
    return View(
        source=source,
        file_name=record.file_name,
        family=record.family,
        split=record.split,
        category_ids=sorted_ids(searched),
        not_exhaustive_category_ids=record.not_exhaustive_category_ids,
        tags=record.tags,
        provenance=record.source,
    )


def _joined(views: Iterable[View]) -> list[View]:
    """What one source says of one file of its own is one statement, on every side that it puts it; in canonical order.

    Said without a side, it is said again of those sides that are stated: in whatever order they come, the end is one.
    """
    joined: dict[tuple[str, ...], View] = {}
    sides: dict[tuple[str, ...], set[Split | None]] = defaultdict(set)
    for view in views:
        key = _statement(view)
        joined[key] = _join(joined[key], view) if key in joined else view
        sides[key].add(view.split)
    stated = [
        replace(view, split=side)
        for key, view in joined.items()
        for side in (sides[key] - {None} or {None})  # a set's order is no matter: it is sorted below
    ]
    return sorted(stated, key=_ENCODER.encode)


def _statement(view: View) -> tuple[str, ...]:
    return (view.source, view.file_name if view.source else "", view.family)


def _join(one: View, other: View) -> View:
    if one == other:
        return one
    return replace(
        one,
        file_name=min(one.file_name, other.file_name),
        category_ids=sorted_ids((*one.category_ids, *other.category_ids)),
        not_exhaustive_category_ids=sorted_ids((*one.not_exhaustive_category_ids, *other.not_exhaustive_category_ids)),
        tags=join_tags((*one.tags, *other.tags)),
        provenance=best_provenance((one.provenance, other.provenance)),
    )


def join_tags(tags: Iterable[Tag]) -> tuple[Tag, ...]:
    """One tag of each class, in the order of their ids."""
    joined: dict[int, Tag] = {}
    for tag in tags:
        joined[tag.category_id] = min(joined.get(tag.category_id, tag), tag, key=lambda t: sorted(t.attributes.items()))
    return tuple(joined[category_id] for category_id in sorted(joined))


def best_provenance(provenances: Iterable[Provenance]) -> Provenance:
    """The one that says most, whole: pieces of several would say what nobody said."""
    return min(provenances, key=_silence)


def _silence(provenance: Provenance) -> tuple[Any, ...]:
    said = msgspec.structs.astuple(provenance)
    return (provenance.license is None, said.count(None), _ENCODER.encode(provenance))


def sorted_ids(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(values)))
