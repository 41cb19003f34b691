"""Annotations as CVAT sends and takes them, and as the rest of Carloop knows them.

cvat-sdk's own models check every field of every shape, which takes longer than the server does; msgspec reads and
writes the same JSON (https://docs.cvat.ai/docs/api_sdk/sdk/reference/models/labeled-data/). Unknown fields are ignored.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Literal, cast

import msgspec
from cvat_sdk import Client
from msgspec import UNSET, Struct, UnsetType

from cvat.client import call
from cvat.labels import CONFIDENCE, MODEL, Labels
from datasets.labelled import KeyFrame, LabelledObject, ShapeKind, Track

Place = Literal["jobs", "tasks"]
_SCORE = re.compile(r"0(\.\d+)?|1(\.0+)?")
Action = Literal["create", "update", "delete"]


class WireValue(Struct, frozen=True):
    """An attribute's value."""

    spec_id: int
    value: str


class WireObject(Struct, frozen=True, omit_defaults=True):
    """A shape, a tag (without `type`), or one of a skeleton's elements."""

    frame: int
    label_id: int
    id: int | None = None
    group: int | None = None
    source: str = "manual"
    attributes: tuple[WireValue, ...] = ()
    type: ShapeKind | UnsetType = UNSET
    points: tuple[float, ...] = ()
    rotation: float = 0.0
    occluded: bool = False
    outside: bool = False
    z_order: int = 0
    elements: tuple["WireObject", ...] = ()


class WireKeyFrame(Struct, frozen=True, omit_defaults=True):
    """One key frame of a track."""

    frame: int
    type: ShapeKind
    id: int | None = None
    points: tuple[float, ...] = ()
    rotation: float = 0.0
    occluded: bool = False
    outside: bool = False
    z_order: int = 0
    attributes: tuple[WireValue, ...] = ()


class WireTrack(Struct, frozen=True, omit_defaults=True):
    """A track, or one of a skeleton track's elements."""

    frame: int
    label_id: int
    shapes: tuple[WireKeyFrame, ...]
    id: int | None = None
    group: int | None = None
    source: str = "manual"
    attributes: tuple[WireValue, ...] = ()
    elements: tuple["WireTrack", ...] = ()


class WireData(Struct, frozen=True):
    """All annotations of a job or a task."""

    version: int = 0
    tags: tuple[WireObject, ...] = ()
    shapes: tuple[WireObject, ...] = ()
    tracks: tuple[WireTrack, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tags or self.shapes or self.tracks)


_DECODER = msgspec.json.Decoder(WireData)


def read_wire(client: Client, place: Place, number: int) -> WireData:
    """The annotations of a job or task. Raises CvatError."""
    return _DECODER.decode(call(client, "GET", f"/api/{place}/{number}/annotations"))


def replace_wire(client: Client, place: Place, number: int, wanted: WireData) -> WireData:
    """Put these annotations in the place of all there are; they come back with their ids. Raises CvatError."""
    return _DECODER.decode(call(client, "PUT", f"/api/{place}/{number}/annotations", body=msgspec.json.encode(wanted)))


def change_wire(client: Client, place: Place, number: int, action: Action, changed: WireData) -> WireData:
    """Create, update or delete these annotations and leave the others. Raises CvatError."""
    path = f"/api/{place}/{number}/annotations?action={action}"
    return _DECODER.decode(call(client, "PATCH", path, body=msgspec.json.encode(changed)))


def data_of(objects: Iterable[WireObject], tracks: Iterable[WireTrack] = ()) -> WireData:
    """Objects and tracks as one body."""
    every = list(objects)
    return WireData(
        tags=tuple(o for o in every if o.type is UNSET),
        shapes=tuple(o for o in every if o.type is not UNSET),
        tracks=tuple(tracks),
    )


def objects_of(content: WireData, labels: Labels) -> list[tuple[int, LabelledObject]]:
    """Every shape and tag, each with its frame."""
    return [(o.frame, from_wire(o, labels)) for o in chain(content.shapes, content.tags)]


def from_wire(o: WireObject, labels: Labels) -> LabelledObject:
    values = labels.all_values(o.label_id, o.attributes)
    return LabelledObject(
        category=labels.name_of[o.label_id],
        points=o.points,
        shape_id=o.id,
        score=_take_score(values),
        model=values.pop(MODEL, "") or None,
        attributes=values,
        kind="tag" if o.type is UNSET else o.type,
        rotation=o.rotation,
        occluded=o.occluded,
        outside=o.outside,
        z_order=o.z_order,
        group=o.group or 0,
        source=o.source,
        elements=tuple(from_wire(element, labels) for element in o.elements),
    )


def to_wire(labelled: LabelledObject, frame: int, labels: Labels, *, parent: str = "") -> WireObject:
    """An object as CVAT takes it, without values of attributes that the label lacks: `lost_values` tells of them.

    Raises:
        CvatConflict: the labels lack its class.
    """
    label_id = labels.id(labelled.category, parent=parent)
    return WireObject(
        frame=frame,
        label_id=label_id,
        id=labelled.shape_id,
        group=labelled.group,
        source=labelled.source,
        attributes=_values(labels, label_id, _texts(labelled)),
        type=UNSET if labelled.kind == "tag" else labelled.kind,
        points=labelled.points,
        rotation=labelled.rotation,
        occluded=labelled.occluded,
        outside=labelled.outside,
        z_order=labelled.z_order,
        elements=tuple(to_wire(part, frame, labels, parent=labelled.category) for part in labelled.elements),
    )


def lost_values(objects: Iterable[LabelledObject], labels: Labels) -> Counter[tuple[str, str]]:
    """Values that `to_wire` leaves out, for the label lacks the attribute: by class and attribute."""
    return Counter(lost for labelled in objects for lost in _lost(labelled, labels))


def _lost(labelled: LabelledObject, labels: Labels, *, parent: str = "") -> Iterator[tuple[str, str]]:
    for name in labels.lacking(labels.id(labelled.category, parent=parent), _texts(labelled)):
        yield labelled.category, name
    for part in labelled.elements:
        yield from _lost(part, labels, parent=labelled.category)


def _texts(labelled: LabelledObject) -> dict[str, str]:
    """Attributes as CVAT has them: with the model and its confidence, to two decimals."""
    predicted = {MODEL: labelled.model, CONFIDENCE: None if labelled.score is None else f"{labelled.score:.2f}"}
    return {**labelled.attributes, **{name: value for name, value in predicted.items() if value is not None}}


def _take_score(values: dict[str, str]) -> float | None:
    """The score that `confidence` tells; anything else that a person wrote there stays an attribute."""
    text = values.get(CONFIDENCE, "")
    if text and not _SCORE.fullmatch(text):
        return None
    values.pop(CONFIDENCE, None)
    return float(text) if text else None


def track_from_wire(track: WireTrack, labels: Labels) -> Track:
    category = labels.name_of[track.label_id]
    return Track(
        category=category,
        key_frames=tuple(KeyFrame(shape.frame, _key_shape(shape, category, labels)) for shape in track.shapes),
        attributes=labels.values_of(track.attributes),
        group=track.group or 0,
        source=track.source,
        track_id=track.id,
        elements=tuple(track_from_wire(element, labels) for element in track.elements),
    )


def track_to_wire(track: Track, labels: Labels, *, parent: str = "") -> WireTrack:
    label_id = labels.id(track.category, parent=parent)
    elements = tuple(track_to_wire(element, labels, parent=track.category) for element in track.elements)
    return WireTrack(
        frame=min((key.frame for key in track.key_frames), default=0),
        label_id=label_id,
        shapes=tuple(_to_key(key, label_id, labels) for key in track.key_frames),
        id=track.track_id,
        group=track.group,
        source=track.source,
        attributes=_values(labels, label_id, track.attributes),
        elements=elements,
    )


def _key_shape(shape: WireKeyFrame, category: str, labels: Labels) -> LabelledObject:
    values = labels.values_of(shape.attributes)
    return LabelledObject(
        category,
        shape.points,
        shape_id=shape.id,
        score=_take_score(values),
        model=values.pop(MODEL, "") or None,
        attributes=values,
        kind=shape.type,
        rotation=shape.rotation,
        occluded=shape.occluded,
        outside=shape.outside,
        z_order=shape.z_order,
    )


def _to_key(key: KeyFrame, label_id: int, labels: Labels) -> WireKeyFrame:
    shape = key.shape
    return WireKeyFrame(
        frame=key.frame,
        type=cast(ShapeKind, shape.kind),
        points=shape.points,
        rotation=shape.rotation,
        occluded=shape.occluded,
        outside=shape.outside,
        z_order=shape.z_order,
        attributes=_values(labels, label_id, _texts(shape)),
    )


def _values(labels: Labels, label_id: int, values: Mapping[str, str]) -> tuple[WireValue, ...]:
    return tuple(WireValue(spec_id, value) for spec_id, value in labels.to_send(label_id, values))
