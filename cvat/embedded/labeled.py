"""Annotations as CVAT's API sends and shows them: tags, shapes, and tracks made of key frames.

Points are absolute pixels, x before y; a mask's are run lengths by row, background first, and its box with both
corners included. Rotations are degrees. They are msgspec structs, as ten thousand shapes may come in one request;
as elsewhere, unknown fields are dropped without a word and wrong values refused.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from cvat.embedded.errors import BadRequest

ShapeType = Literal["rectangle", "polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton"]
_Number = Annotated[int, Meta(ge=0, lt=2**31)]
_Order = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
_Source = Annotated[str, Meta(min_length=1, max_length=16)]
_Degrees = Annotated[float, Meta(ge=0, le=360)]

#: How many coordinates a shape has: the exact number, or the smallest where there may be more.
_EXACT_COORDINATES = {"rectangle": 4, "ellipse": 4, "cuboid": 16, "skeleton": 0}
_LEAST_COORDINATES = {"polygon": 6, "polyline": 4, "points": 2, "mask": 6}

#: More than the largest image that is taken; what decodes masks can rely on it.
MOST_MASK_PIXELS = 2**27


class AttributeValue(Struct, frozen=True, gc=False):
    """The value of one attribute. Numbers are taken, too; they mean their text."""

    spec_id: int
    value: Annotated[str, Meta(max_length=4096)] | int | float


class Tag(Struct, frozen=True, kw_only=True, gc=False):
    """A label of a whole frame."""

    id: int | None = None
    frame: _Number
    label_id: int
    group: _Number | None = None
    source: _Source = "manual"
    attributes: list[AttributeValue] = []


class Element(Tag, frozen=True, kw_only=True, gc=False):
    """A shape that is not made of others."""

    type: ShapeType
    occluded: bool = False
    outside: bool = False
    z_order: _Order = 0
    rotation: _Degrees = 0.0
    points: list[float] = []


class Shape(Element, frozen=True, kw_only=True, gc=False):
    """A shape on one frame. A skeleton, and nothing else, is made of elements."""

    elements: list[Element] = []


class KeyFrame(Struct, frozen=True, kw_only=True, gc=False):
    """The shape of a track on one frame; it moves from there to the next one."""

    id: int | None = None
    frame: _Number
    type: ShapeType
    occluded: bool = False
    outside: bool = False
    z_order: _Order = 0
    rotation: _Degrees = 0.0
    points: list[float] = []
    attributes: list[AttributeValue] = []


class ElementTrack(Tag, frozen=True, kw_only=True, gc=False):
    """A track that is not made of others. Its own attributes are those that cannot change on the way."""

    shapes: list[KeyFrame] = []


class Track(ElementTrack, frozen=True, kw_only=True, gc=False):
    """An object over several frames. A skeleton is made of the tracks of its elements."""

    elements: list[ElementTrack] = []


class LabeledData(Struct, frozen=True, kw_only=True, gc=False):
    """The annotations of a task or job, or some of them."""

    version: int = 0
    tags: list[Tag] = []
    shapes: list[Shape] = []
    tracks: list[Track] = []


_decoder = msgspec.json.Decoder(LabeledData, strict=False)


def decode(body: bytes) -> LabeledData:
    """Annotations from a request's JSON. Raises BadRequest, which names the field that is wrong."""
    try:
        return checked(_decoder.decode(body))
    except msgspec.ValidationError as error:
        raise BadRequest(_in_fields(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest({"detail": f"JSON parse error - {error}"}) from None


def from_plain(annotations: Mapping[str, Any]) -> LabeledData:
    """Annotations from plain dictionaries and lists of the same form. Raises BadRequest like `decode`."""
    try:
        return checked(msgspec.convert(annotations, LabeledData, strict=False))
    except msgspec.ValidationError as error:
        raise BadRequest(_in_fields(str(error))) from None


def encode(annotations: LabeledData) -> bytes:
    """Annotations as JSON."""
    return msgspec.json.encode(annotations)


def checked(annotations: LabeledData) -> LabeledData:
    """The same annotations, if every shape has as many coordinates and elements as its type wants.

    Raises:
        BadRequest: one has not; the field that is wrong is named in CVAT's form.
    """
    _refuse("shapes", map(_shape_errors, annotations.shapes))
    _refuse("tracks", map(_track_errors, annotations.tracks))
    return annotations


def values_of(attributes: Iterable[AttributeValue]) -> dict[int, str]:
    """The texts of attribute values, by the ids of the attributes."""
    return {attribute.spec_id: str(attribute.value) for attribute in attributes}


def attributes_of(values: Mapping[int, str]) -> list[AttributeValue]:
    """Attribute values from texts by the ids of the attributes."""
    return [AttributeValue(spec_id, value) for spec_id, value in values.items()]


def _refuse(name: str, errors: Iterable[Mapping[str, Any]]) -> None:
    told = list(errors)
    if any(told):
        raise BadRequest({name: told})


def _shape_errors(shape: Shape) -> dict[str, Any]:
    errors = _point_errors(shape)
    if (shape.type == "skeleton") != bool(shape.elements):
        errors["elements"] = ["A skeleton has elements, and nothing else has."]
    elif any(told := [_element_errors(element) for element in shape.elements]):
        errors["elements"] = told
    return errors


def _element_errors(element: Element | KeyFrame) -> dict[str, Any]:
    if element.type == "skeleton":
        return {"type": ["A skeleton is not made of skeletons."]}
    return _point_errors(element)


def _point_errors(shape: Element | KeyFrame) -> dict[str, Any]:
    if not all(map(math.isfinite, (*shape.points, shape.rotation))):
        return {"points": ["Coordinates and rotations are finite numbers."]}
    count, exact = len(shape.points), _EXACT_COORDINATES.get(shape.type)
    if exact is not None:
        return {} if count == exact else {"points": [f"A {shape.type} has {exact} coordinates, not {count}."]}
    if count < _LEAST_COORDINATES[shape.type] or (shape.type != "mask" and count % 2):
        return {"points": [f"A {shape.type} cannot have {count} coordinates."]}
    if shape.type == "mask" and not _fills_its_box(shape.points):
        return {"points": ["The run lengths of a mask fill its box, in whole pixels."]}
    return {}


def _fills_its_box(points: Sequence[float]) -> bool:
    *runs, left, top, right, bottom = points
    pixels = (right - left + 1) * (bottom - top + 1)
    whole = all(value == int(value) for value in points) and min(runs) >= 0
    return whole and right >= left and bottom >= top and sum(runs) == pixels <= MOST_MASK_PIXELS


def _track_errors(track: Track) -> dict[str, Any]:
    errors = _key_frame_errors(track.shapes, _point_errors)
    is_skeleton = any(shape.type == "skeleton" for shape in track.shapes)
    if track.shapes and is_skeleton != bool(track.elements):
        errors["elements"] = ["A skeleton has elements, and nothing else has."]
    elif any(told := [_key_frame_errors(element.shapes, _element_errors) for element in track.elements]):
        errors["elements"] = told
    return errors


def _key_frame_errors(shapes: Sequence[KeyFrame], errors_of: Callable[[KeyFrame], dict[str, Any]]) -> dict[str, Any]:
    if any(told := [errors_of(shape) for shape in shapes]):
        return {"shapes": told}
    if len({shape.type for shape in shapes}) > 1:
        return {"shapes": ["The key frames of a track are of one type."]}
    if len({shape.frame for shape in shapes}) < len(shapes):
        return {"shapes": ["A track has one shape on a frame."]}
    return {}


def _in_fields(sentence: str) -> dict[str, Any]:
    """msgspec's "... - at `$.shapes[1].points`" in the nested form of CVAT: `{"shapes": [{}, {"points": [...]}]}`."""
    reason, _, place = sentence.partition(" - at `$")
    if missing := re.search(r"missing required field `(\w+)`", reason):
        place, reason = f"{place.rstrip('`')}.{missing[1]}`", "This field is required."
    steps = [int(step) if step.isdigit() else step for step in re.findall(r"\w+", place)]
    return _nested(steps or ["non_field_errors"], reason)


def _nested(steps: Sequence[str | int], reason: str) -> dict[str, Any]:
    name, *rest = steps
    if rest and isinstance(rest[0], int) and len(rest) > 1:
        return {str(name): [*({} for _ in range(rest[0])), _nested(rest[1:], reason)]}
    return {str(name): [reason]}
