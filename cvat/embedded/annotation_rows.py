"""Annotations as rows of the tables, both ways; conversions without a database.

Attribute values and points are JSON text in their columns: SQLAlchemy's own JSON type would take most of the time of
reading and writing ten thousand shapes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from cvat.embedded.labeled import (
    AttributeValue,
    Element,
    ElementTrack,
    KeyFrame,
    LabeledData,
    Shape,
    Tag,
    Track,
    attributes_of,
    values_of,
)
from cvat.embedded.specs import LabelSpec
from cvat.embedded.tracks import with_lasting_attributes

TAG, SHAPE = "tag", "shape"

_DRAWN = ("type", "occluded", "outside", "z_order", "rotation")
_NO_SHAPE: dict[str, Any] = dict.fromkeys((*_DRAWN, "points"))

_encode = msgspec.json.encode
_decode_attributes = msgspec.json.Decoder(list[AttributeValue]).decode
_decode_points = msgspec.json.Decoder(list[float]).decode


AnyTrack = TypeVar("AnyTrack", bound=ElementTrack)


class StoredAnnotation(NamedTuple):
    """The columns of an annotation that are read. (A SQLAlchemy row takes ten times as long to give a column.)"""

    id: int
    job_id: int
    parent_id: int | None
    kind: str
    label_id: int
    frame: int
    group: int | None
    source: str
    attributes: str
    type: str
    occluded: bool
    outside: bool
    z_order: int
    rotation: float
    points: str


class StoredTrack(NamedTuple):
    """The columns of a track that are read."""

    id: int
    job_id: int
    parent_id: int | None
    label_id: int
    frame: int
    group: int | None
    source: str
    attributes: str


class StoredKeyFrame(NamedTuple):
    """The columns of a key frame that are read."""

    id: int
    track_id: int
    frame: int
    attributes: str
    type: str
    occluded: bool
    outside: bool
    z_order: int
    rotation: float
    points: str


@dataclass
class Rows:
    """Rows to insert, in the order in which they refer to each other."""

    annotations: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    key_frames: list[dict[str, Any]] = field(default_factory=list)


class RowMaker:
    """Makes rows of annotations, under ids that follow the last ones given (of annotations, tracks, key frames)."""

    def __init__(self, last_annotation: int, last_track: int, last_key_frame: int) -> None:
        self.rows = Rows()
        self._ids = count(last_annotation + 1)
        self._track_ids = count(last_track + 1)
        self._key_frame_ids = count(last_key_frame + 1)

    def add(self, job_id: int, annotations: LabeledData) -> LabeledData:
        """Add what goes into a job. Gives it back with ids; what has an id keeps it."""
        return replace(
            annotations,
            tags=[self._add_tag(job_id, tag) for tag in annotations.tags],
            shapes=[self._add_shape(job_id, shape) for shape in annotations.shapes],
            tracks=[self._add_track(job_id, track) for track in annotations.tracks],
        )

    def _add_tag(self, job_id: int, tag: Tag) -> Tag:
        told = replace(tag, id=tag.id or next(self._ids))
        self.rows.annotations.append({**_row(told, job_id, None), "kind": TAG, **_NO_SHAPE})
        return told

    def _add_shape(self, job_id: int, shape: Shape) -> Shape:
        told = replace(shape, id=shape.id or next(self._ids))
        self.rows.annotations.append({**_row(told, job_id, None), "kind": SHAPE, **_drawn(told)})
        if not shape.elements:
            return told
        elements = [replace(element, id=next(self._ids)) for element in shape.elements]
        self.rows.annotations += [
            {**_row(element, job_id, told.id), "kind": SHAPE, **_drawn(element)} for element in elements
        ]
        return replace(told, elements=elements)

    def _add_track(self, job_id: int, track: Track) -> Track:
        told = self._add_element_track(job_id, None, replace(track, id=track.id or next(self._track_ids)))
        elements = [
            self._add_element_track(job_id, told.id, replace(element, id=next(self._track_ids)))
            for element in track.elements
        ]
        return replace(told, elements=elements)

    def _add_element_track(self, job_id: int, parent_id: int | None, track: AnyTrack) -> AnyTrack:
        shapes = [replace(shape, id=next(self._key_frame_ids)) for shape in track.shapes]
        self.rows.tracks.append(_row(track, job_id, parent_id))
        self.rows.key_frames += [
            {
                "id": shape.id,
                "track_id": track.id,
                "frame": shape.frame,
                "attributes": _encode(shape.attributes).decode(),
                **_drawn(shape),
            }
            for shape in shapes
        ]
        return replace(track, shapes=shapes)


def _row(annotation: Tag, job_id: int, parent_id: int | None) -> dict[str, Any]:
    return {
        "id": annotation.id,
        "job_id": job_id,
        "parent_id": parent_id,
        "label_id": annotation.label_id,
        "frame": annotation.frame,
        "group": annotation.group,
        "source": annotation.source,
        "attributes": _encode(annotation.attributes).decode(),
    }


def _drawn(shape: Element | KeyFrame) -> dict[str, Any]:
    return {
        "type": shape.type,
        "occluded": shape.occluded,
        "outside": shape.outside,
        "z_order": shape.z_order,
        "rotation": shape.rotation,
        "points": _encode(shape.points).decode(),
    }


def read_rows(
    annotations: Sequence[StoredAnnotation],
    tracks: Iterable[StoredTrack],
    key_frames: Iterable[StoredKeyFrame],
    specs: Mapping[int, LabelSpec],
) -> dict[int, LabeledData]:
    """Rows, by frame and age, as the annotations of each job; attributes that nobody set have their defaults."""
    found = defaultdict[int, LabeledData](LabeledData)
    elements = defaultdict[int, list[Element]](list)
    for row in annotations:
        if row.parent_id is not None:
            elements[row.parent_id].append(Element(**_common(row, specs), **_shape_fields(row)))
    for row in annotations:
        if row.parent_id is None and row.kind == TAG:
            found[row.job_id].tags.append(Tag(**_common(row, specs)))
        elif row.parent_id is None:
            parts = sorted(elements.get(row.id, ()), key=lambda element: element.id or 0)
            found[row.job_id].shapes.append(Shape(**_common(row, specs), **_shape_fields(row), elements=parts))
    for job_id, track in _read_tracks(tracks, key_frames, specs):
        found[job_id].tracks.append(track)
    return found


def _read_tracks(
    rows: Iterable[StoredTrack], key_frames: Iterable[StoredKeyFrame], specs: Mapping[int, LabelSpec]
) -> Iterator[tuple[int, Track]]:
    shapes = defaultdict[int, list[KeyFrame]](list)
    for row in key_frames:
        attributes = _decode_attributes(row.attributes)
        shape = KeyFrame(id=row.id, frame=row.frame, attributes=attributes, **_shape_fields(row))
        shapes[row.track_id].append(shape)
    elements = defaultdict[int, list[ElementTrack]](list)
    tops = []
    for track in rows:
        spec = specs[track.label_id]
        fields = {**_fields(track), "attributes": _with_defaults(track.attributes, spec.fixed)}
        fields["shapes"] = with_lasting_attributes(shapes[track.id], spec.mutable)
        if track.parent_id is None:
            tops.append((track.job_id, fields))
        else:
            elements[track.parent_id].append(ElementTrack(**fields))
    for job_id, fields in tops:
        yield job_id, Track(**fields, elements=elements[fields["id"]])


def _common(row: StoredAnnotation, specs: Mapping[int, LabelSpec]) -> dict[str, Any]:
    return {**_fields(row), "attributes": _with_defaults(row.attributes, specs[row.label_id].defaults)}


def _fields(row: StoredAnnotation | StoredTrack) -> dict[str, Any]:
    return {
        "id": row.id,
        "label_id": row.label_id,
        "frame": row.frame,
        "group": row.group,
        "source": row.source,
    }


def _shape_fields(row: StoredAnnotation | StoredKeyFrame) -> dict[str, Any]:
    return {
        "type": row.type,
        "occluded": row.occluded,
        "outside": row.outside,
        "z_order": row.z_order,
        "rotation": row.rotation,
        "points": _decode_points(row.points),
    }


def _with_defaults(stored: str, defaults: Mapping[int, str]) -> list[AttributeValue]:
    attributes = _decode_attributes(stored)
    return attributes if len(attributes) == len(defaults) else attributes_of({**defaults, **values_of(attributes)})
