"""What an export writes: the frames of a task with their annotations, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LabelSpec:
    """A label with its attributes and, for a skeleton, its parts, both by id."""

    id: int
    name: str
    type: str
    color: str
    attributes: Mapping[int, "AttributeSpec"]
    parts: Mapping[int, "LabelSpec"]


@dataclass(frozen=True)
class AttributeSpec:
    """An attribute of a label; `values` as they are shown, smallest, largest and step for a number."""

    name: str
    input_type: str
    mutable: bool
    default_value: str
    values: Sequence[str]


@dataclass(frozen=True)
class DatasetFrame:
    """A frame that is kept, with its annotations as the API shows them. Sizes are upright, in pixels."""

    number: int
    name: str
    width: int
    height: int
    path: Path
    tags: Sequence[Mapping[str, Any]]
    shapes: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Dataset:
    """A task to write. `subset` is CVAT's `default` where the task has none; labels are in their order, by id."""

    task_id: int
    task_name: str
    size: int
    subset: str
    labels: Mapping[int, LabelSpec]
    frames: Sequence[DatasetFrame]


def attribute_values(label: LabelSpec, annotation: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """(input type, value) by attribute name, in the order of the label."""
    values = {item["spec_id"]: item["value"] for item in annotation["attributes"]}
    return {
        spec.name: (spec.input_type, values[spec_id]) for spec_id, spec in label.attributes.items() if spec_id in values
    }
