"""A canonical snapshot of an annotation project: labels, and per task its frames with all that is drawn on them.

It is told by names and content alone, without any server's ids, so that two can be compared and one can be restored
anywhere. Coordinates are pixels of the upright image, rounded to 0.0001; order is canonical but for the frames', which
is the task's.
"""

import re
from collections.abc import Container, Iterable, Mapping
from html import escape
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datasets.errors import BadDataset
from datasets.labelled import KeyFrame, LabelledObject, Track

DECIMALS = 4
SNAPSHOT = "snapshot.json"  # beside a version's annotations
_LABEL_ID = re.compile(r'data-label-id="(\d+)"')


class AttributeSpec(Struct, frozen=True):
    """An attribute of a label, in CVAT's words."""

    name: str
    input_type: str
    mutable: bool = False
    default_value: str = ""
    values: tuple[str, ...] = ()


class LabelSpec(Struct, frozen=True, omit_defaults=True):
    """A label, or one of a skeleton's elements; `svg` is a skeleton's drawing, with elements by name."""

    name: str
    type: str
    attributes: tuple[AttributeSpec, ...] = ()
    sublabels: tuple["LabelSpec", ...] = ()
    color: str = ""
    svg: str = ""


class Frame(Struct, frozen=True, omit_defaults=True):
    """A frame by its number in the task. `sha256` is empty where nobody knows the image's bytes."""

    number: int
    name: str
    sha256: str
    width: int
    height: int
    deleted: bool = False
    objects: tuple[LabelledObject, ...] = ()


class TaskSnapshot(Struct, frozen=True, omit_defaults=True):
    """A task, or the part of it that was taken; key frames are told by the numbers of frames."""

    name: str
    subset: str
    frames: tuple[Frame, ...]
    tracks: tuple[Track, ...] = ()


class Snapshot(Struct, frozen=True):
    """A whole project, or the part of it that was taken."""

    labels: tuple[LabelSpec, ...] = ()
    tasks: tuple[TaskSnapshot, ...] = ()


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Snapshot)


def make_snapshot(labels: Iterable[LabelSpec], tasks: Iterable[TaskSnapshot]) -> Snapshot:
    """A snapshot in canonical order: labels by name, tasks by name, what is drawn by class, kind and place."""
    return Snapshot(
        tuple(sorted((_canonical_label(label) for label in labels), key=lambda label: label.name)),
        tuple(sorted(map(canonical_task, tasks), key=lambda task: (task.name, _ENCODER.encode(task)))),
    )


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """The snapshot as JSON: the same content gives the same bytes."""
    return _ENCODER.encode(snapshot)


def decode_snapshot(content: bytes, *, told_in: object) -> Snapshot:
    """The inverse of `encode_snapshot`. Raises BadDataset that names `told_in`, the file or place it came from."""
    try:
        return _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadDataset(f"{told_in} is no annotation snapshot: {error}; make it again") from None


def without_images(task: TaskSnapshot, sha256s: Container[str]) -> TaskSnapshot:
    """The task without the frames that show these images."""
    return replace(task, frames=tuple(frame for frame in task.frames if frame.sha256 not in sha256s))


def with_named_elements(svg: str, name_of: Mapping[int, str]) -> str:
    """A skeleton's drawing as it is sent to CVAT: elements by name instead of by id."""
    return _LABEL_ID.sub(lambda found: f'data-label-name="{escape(name_of[int(found[1])])}"', svg)


def canonical_task(task: TaskSnapshot) -> TaskSnapshot:
    """The task without ids, rounded and in canonical order."""
    frames = tuple(replace(frame, objects=canonical_objects(frame.objects)) for frame in task.frames)
    return replace(task, frames=frames, tracks=_ordered(map(_canonical_track, task.tracks)))


def canonical_objects(objects: Iterable[LabelledObject]) -> tuple[LabelledObject, ...]:
    """What is on one frame, without ids, rounded and in canonical order."""
    return tuple(sorted(map(canonical_object, objects), key=_place))


def canonical_object(labelled: LabelledObject) -> LabelledObject:
    """An object without its id, rounded."""
    return replace(
        labelled,
        points=tuple(round(float(value), DECIMALS) for value in labelled.points),
        rotation=round(float(labelled.rotation), DECIMALS) % 360,
        shape_id=None,
        attributes=dict(sorted(labelled.attributes.items())),
        elements=canonical_objects(labelled.elements),
    )


def _place(labelled: LabelledObject) -> tuple[Any, ...]:
    return (labelled.category, labelled.kind, labelled.points, _ENCODER.encode(labelled))


def _canonical_track(track: Track) -> Track:
    keys = (KeyFrame(key.frame, canonical_object(key.shape)) for key in track.key_frames)
    return replace(
        track,
        track_id=None,
        key_frames=tuple(sorted(keys, key=lambda key: key.frame)),
        attributes=dict(sorted(track.attributes.items())),
        elements=_ordered(map(_canonical_track, track.elements)),
    )


def _ordered(tracks: Iterable[Track]) -> tuple[Track, ...]:
    return tuple(sorted(tracks, key=lambda track: (track.category, _ENCODER.encode(track))))


def _canonical_label(label: LabelSpec) -> LabelSpec:
    return replace(
        label,
        attributes=tuple(sorted(label.attributes, key=lambda spec: spec.name)),
        sublabels=tuple(sorted(map(_canonical_label, label.sublabels), key=lambda part: part.name)),
    )
