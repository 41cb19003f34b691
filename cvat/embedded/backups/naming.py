"""Annotations with names in the place of ids, and back: ids are a server's own, names mean the same on every one."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from cvat.embedded.errors import RefusedUpload
from cvat.embedded.specs import LabelSpec, top_labels

#: What is kept of tags, shapes, tracks, key frames and elements: all but ids.
_KEPT = ("type", "occluded", "outside", "z_order", "points", "rotation", "frame", "group", "source")

_KINDS = ("tags", "shapes", "tracks")


def to_names(annotations: Mapping[str, Any], specs: Mapping[int, LabelSpec]) -> dict[str, Any]:
    """The annotations of a job as a backup has them."""
    told = {kind: [_to_names(body, specs, None) for body in annotations[kind]] for kind in _KINDS}
    return {"version": 0, **told}


class NamedValue(BaseModel):
    """The value of an attribute, by its name."""

    name: str
    value: Any


class NamedBody(BaseModel):
    """A tag, shape, track, key frame or element; a key frame has no label of its own."""

    model_config = ConfigDict(extra="allow")

    label: str | None = None
    attributes: list[NamedValue] = []
    elements: list["NamedBody"] = []
    shapes: list["NamedBody"] = []


class NamedAnnotations(BaseModel):
    """The annotations of a job as a backup has them."""

    tags: list[NamedBody] = []
    shapes: list[NamedBody] = []
    tracks: list[NamedBody] = []


_LISTS = TypeAdapter(list[NamedAnnotations])


def read_named(content: bytes, *, jobs: int) -> list[NamedAnnotations]:
    """`annotations.json` of a task with so many jobs. Raises RefusedUpload."""
    try:
        found = _LISTS.validate_json(content)
    except ValidationError as error:
        raise RefusedUpload(f"annotations.json: this is not what a backup has there: {error}") from None
    if len(found) != jobs:
        raise RefusedUpload(f"annotations.json is of {len(found)} jobs, task.json of {jobs}; the backup is not whole")
    return found


def to_ids(annotations: NamedAnnotations, specs: Mapping[int, LabelSpec]) -> dict[str, Any]:
    """The annotations of a job as the API takes them. Raises RefusedUpload for a name that the labels lack."""
    known = top_labels(specs).values()
    return {kind: [_to_ids(body, known, None) for body in getattr(annotations, kind)] for kind in _KINDS}


def _to_names(body: Mapping[str, Any], specs: Mapping[int, LabelSpec], track: LabelSpec | None) -> dict[str, Any]:
    """`track` is the label of the track that a key frame belongs to."""
    spec = track or specs[body["label_id"]]
    told = {name: body[name] for name in _KEPT if name in body}
    told["attributes"] = [
        {"name": spec.attributes[item["spec_id"]].name, "value": item["value"]} for item in body["attributes"]
    ]
    if track is None:
        told["label"] = spec.name
    if "elements" in body:
        told["elements"] = [_to_names(element, specs, None) for element in body["elements"]]
    if "shapes" in body:
        told["shapes"] = [_to_names(key_frame, specs, spec) for key_frame in body["shapes"]]
    return told


def _to_ids(body: NamedBody, known: Iterable[LabelSpec], track: LabelSpec | None) -> dict[str, Any]:
    spec = track or _named("label", body.label, known)
    more = body.model_extra or {}
    values = [
        {"spec_id": _named("attribute", item.name, spec.attributes.values()).id, "value": item.value}
        for item in body.attributes
    ]
    return {
        **{name: more[name] for name in _KEPT if name in more},
        "label_id": spec.id,
        "attributes": values,
        "elements": [_to_ids(element, spec.parts.values(), None) for element in body.elements],
        "shapes": [_to_ids(key_frame, (), spec) for key_frame in body.shapes],
    }


def _named(kind: str, name: Any, known: Iterable[Any]) -> Any:
    for spec in known:
        if spec.name == name:
            return spec
    raise RefusedUpload(f"annotations.json: there is no {kind} {name!r} among those of the backup")
