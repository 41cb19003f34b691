"""What a detector answers, and annotations made of it. Points are absolute pixels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from cvat.embedded.errors import FunctionFailed
from cvat.embedded.functions.mapping import Target, by_name
from cvat.embedded.labeled import LabeledData, from_plain
from cvat.embedded.specs import AttributeSpec, LabelSpec

AUTO = "auto"


class Value(BaseModel):
    """The value of an attribute, by its name."""

    name: str
    value: Any


class Detection(BaseModel):
    """One thing found. A mask is the bits of a crop, row by row, then the crop's left, top, right and bottom pixel;
    its `points` may be its outline. What else a function says (a confidence) is handed on in online calls.
    """

    model_config = ConfigDict(extra="allow")

    label: str
    type: str
    attributes: list[Value] = []
    points: list[Any] = []
    mask: list[Any] = []
    rotation: float = 0
    group_id: int | None = None
    outside: bool = False
    elements: list["Detection"] = []


_DETECTIONS = TypeAdapter(list[Detection])


def read_detections(answer: Any, targets: Mapping[str, Target], *, function: str) -> list[Detection]:
    """A detector's answer under the task's names. Labels, attributes and values that the task lacks are left out.

    Raises:
        FunctionFailed: the answer is no list of detections.
    """
    try:
        return _renamed(_DETECTIONS.validate_python(answer), targets)
    except ValidationError as error:
        raise FunctionFailed(500, f"{function} answered something that is no list of detections: {error}") from None


def _renamed(detections: Iterable[Detection], targets: Mapping[str, Target]) -> list[Detection]:
    return [_under_target(item, targets[item.label]) for item in detections if item.label in targets]


def _under_target(item: Detection, target: Target) -> Detection:
    named = {"label": target.label.name, "attributes": list(_known_values(item.attributes, target.attributes))}
    parts = {"elements": _renamed(item.elements, target.parts)} if item.elements else {}
    return item.model_copy(update={**named, **parts})


def _known_values(values: Iterable[Value], attributes: Mapping[str, AttributeSpec]) -> Iterable[Value]:
    for item in values:
        attribute, text = attributes.get(item.name), str(item.value)
        if attribute is not None and _accepts(attribute, text):
            yield Value(name=attribute.name, value=text)


def _accepts(attribute: AttributeSpec, text: str) -> bool:
    """CVAT's check: numbers are digits only, choices have to be among those offered."""
    match attribute.input_type:
        case "number":
            return text.isnumeric()
        case "checkbox":
            return text in ("true", "false")
        case "select" | "radio":
            return text in attribute.values
        case _:
            return True


def to_annotations(
    detections: Iterable[Detection], frame: int, labels: Mapping[str, LabelSpec], *, masks_as_polygons: bool
) -> LabeledData:
    """Detections on a frame, under the task's names, as annotations. Raises BadRequest where points make no shape."""
    tags, shapes = [], []
    for item in detections:
        label = labels[item.label]
        if item.type.lower() == "tag":
            tags.append(_common(item, frame, label))
        elif item.type != "skeleton":
            shapes.append(_shape(item, frame, label, masks_as_polygons=masks_as_polygons))
        elif found := _elements(item.elements, frame, by_name(label.parts.values())):
            shapes.append({**_common(item, frame, label), "type": item.type, "elements": found})
    return from_plain({"tags": tags, "shapes": shapes})


def _common(item: Detection, frame: int, label: LabelSpec) -> dict[str, Any]:
    ids = {attribute.name: attribute.id for attribute in label.attributes.values()}
    values = [{"spec_id": ids[value.name], "value": value.value} for value in item.attributes]
    return {"frame": frame, "label_id": label.id, "source": AUTO, "group": item.group_id, "attributes": values}


def _shape(item: Detection, frame: int, label: LabelSpec, *, masks_as_polygons: bool = False) -> dict[str, Any]:
    told = {**_common(item, frame, label), "type": item.type, "points": item.points, "outside": item.outside}
    if item.type in ("rectangle", "ellipse"):
        told["rotation"] = item.rotation
    if item.type == "mask" and item.points and masks_as_polygons:
        told["type"] = "polygon"
    elif item.type == "mask":
        told["points"] = _run_lengths(item.mask)
    return told


def _elements(items: Sequence[Detection], frame: int, parts: Mapping[str, LabelSpec]) -> list[dict[str, Any]]:
    """All parts of a skeleton in the task's order; those that were not found lie outside, in the middle of the rest.

    Nothing where no part is inside.
    """
    found = {item.label: item for item in items}
    places = [item.points[:2] for item in items if len(item.points) >= 2]
    middle = [sum(place[axis] for place in places) / max(len(places), 1) for axis in (0, 1)]
    missing = {"type": "points", "points": middle, "outside": True}
    whole = [found.get(name) or Detection(label=name, **missing) for name in parts]
    if all(item.outside for item in whole):
        return []
    return [_shape(item, frame, parts[item.label]) for item in whole]


def _run_lengths(mask: Sequence[int]) -> list[int]:
    """A mask of bits and corners as CVAT keeps it."""
    import numpy as np

    from datasets.crops import run_lengths

    return [*run_lengths(np.array(mask[:-4], bool)), *mask[-4:]]
