"""Labels and their attributes as plain data: what annotations are checked against and exports are written with."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from cvat.embedded.tables import Attribute, Label


@dataclass(frozen=True)
class AttributeSpec:
    """An attribute of a label; `values` as they are shown: choices, or smallest, largest and step of a number."""

    id: int
    name: str
    input_type: str
    mutable: bool
    default_value: str
    values: Sequence[str]


@dataclass(frozen=True)
class LabelSpec:
    """A label with its attributes and, for a skeleton, its drawing and its parts; both by id, in their order."""

    id: int
    name: str
    type: str
    color: str = ""
    svg: str = ""
    parent_id: int | None = None
    attributes: Mapping[int, AttributeSpec] = field(default_factory=dict)
    parts: Mapping[int, "LabelSpec"] = field(default_factory=dict)

    @cached_property
    def defaults(self) -> dict[int, str]:
        """The values of attributes nobody set, by attribute id."""
        return {spec.id: spec.default_value for spec in self.attributes.values()}

    @cached_property
    def fixed(self) -> dict[int, str]:
        """`defaults` of the attributes that cannot change along a track."""
        return {spec.id: spec.default_value for spec in self.attributes.values() if not spec.mutable}

    @cached_property
    def mutable(self) -> dict[int, str]:
        """`defaults` of the attributes that can change along a track."""
        return {spec.id: spec.default_value for spec in self.attributes.values() if spec.mutable}

    def part_named(self, name: str) -> "LabelSpec | None":
        """The part of this name."""
        return next((part for part in self.parts.values() if part.name == name), None)


def read_specs(session: Session, labels: ColumnElement[bool]) -> dict[int, LabelSpec]:
    """The labels that a condition selects, by id and in their order, parts of skeletons among them."""
    attributes = defaultdict[int, dict[int, AttributeSpec]](dict)
    wanted = select(Attribute).join(Label, Label.id == Attribute.label_id).where(labels).order_by(Attribute.id)
    for row in session.scalars(wanted):
        attributes[row.label_id][row.id] = AttributeSpec(
            row.id, row.name, row.input_type, row.mutable, row.default_value, row.values.split("\n")
        )
    specs: dict[int, LabelSpec] = {}
    parts = defaultdict[int, dict[int, LabelSpec]](dict)
    for label in session.scalars(select(Label).where(labels).order_by(Label.id)):
        specs[label.id] = LabelSpec(
            id=label.id,
            name=label.name,
            type=label.type,
            color=label.color,
            svg=label.svg,
            parent_id=label.parent_id,
            attributes=attributes[label.id],
            parts=parts[label.id],
        )
        if label.parent_id is not None:
            parts[label.parent_id][label.id] = specs[label.id]
    return specs


def top_labels(specs: Mapping[int, LabelSpec]) -> dict[int, LabelSpec]:
    """Those that are not parts of a skeleton."""
    return {label_id: spec for label_id, spec in specs.items() if spec.parent_id is None}
