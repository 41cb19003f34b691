"""A project's labels: as the project file wants them, as CVAT has them, and both ways between ids and names."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Literal

from cvat_sdk import Client
from msgspec import Struct

from cvat.client import read_all
from cvat.errors import CvatConflict
from datasets.taxonomy import Attribute, Category, Element, Taxonomy

MODEL = "model"
CONFIDENCE = "confidence"
_PRELABEL_ATTRIBUTES = tuple(Attribute(name=name, mutable=True) for name in (MODEL, CONFIDENCE))


class WireAttribute(Struct, frozen=True):
    """An attribute of a label in CVAT."""

    id: int
    name: str
    input_type: str
    mutable: bool = False
    default_value: str = ""
    values: tuple[str, ...] = ()


class WireLabel(Struct, frozen=True):
    """A label in CVAT, or one of a skeleton's elements."""

    id: int
    name: str
    type: str = "any"
    attributes: tuple[WireAttribute, ...] = ()
    sublabels: tuple["WireLabel", ...] = ()
    color: str = ""
    svg: str = ""


def read_labels(client: Client, owner: Literal["project_id", "task_id", "job_id"], number: int) -> "Labels":
    """The labels of a project, task or job. Raises CvatError."""
    return Labels(read_all(client, "/api/labels", WireLabel, {owner: number}))


class Labels:
    """Labels both ways between CVAT's ids and names. A skeleton's elements are named within their skeleton."""

    def __init__(self, labels: Iterable[WireLabel]) -> None:
        self.labels = tuple(labels)
        self.name_of = {label.id: label.name for _, label in self._every()}
        self._ids = {(parent, label.name): label.id for parent, label in self._every()}
        self._specs = {label.id: {spec.name: spec.id for spec in label.attributes} for _, label in self._every()}
        self._defaults = {
            label.id: {spec.name: spec.default_value for spec in label.attributes} for _, label in self._every()
        }
        self.spec_name = {spec.id: spec.name for _, label in self._every() for spec in label.attributes}

    def id(self, name: str, *, parent: str = "") -> int:
        """A label's id. Raises CvatConflict."""
        try:
            return self._ids[parent, name]
        except KeyError:
            raise CvatConflict(
                f"CVAT has no label {name!r}{f' in {parent!r}' if parent else ''}; "
                "run carloop cvat push, which adds the labels of the project file"
            ) from None

    def to_send(self, label_id: int, values: Mapping[str, str]) -> Iterator[tuple[int, str]]:
        """Attribute values by id, of those that the label has."""
        specs = self._specs[label_id]
        return ((specs[name], value) for name, value in values.items() if name in specs)

    def lacking(self, label_id: int, names: Iterable[str]) -> list[str]:
        """Those of these attributes that a label does not have."""
        return [name for name in names if name not in self._specs[label_id]]

    def values_of(self, values: Iterable[Any]) -> dict[str, str]:
        """Attribute values by name."""
        return {self.spec_name[item.spec_id]: item.value for item in values}

    def all_values(self, label_id: int, values: Iterable[Any]) -> dict[str, str]:
        """The values of all attributes of a label: the default where none is given, as CVAT tells when it is read."""
        return {**self._defaults[label_id], **self.values_of(values)}

    def _every(self) -> Iterator[tuple[str, WireLabel]]:
        for label in self.labels:
            yield "", label
            yield from ((label.name, part) for part in label.sublabels)


def label_specs(taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """CVAT's label specifications in the project's order; what models draw also carries their name and confidence."""
    return [_spec(category) for category in taxonomy.categories]


def _spec(category: Category) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": category.name,
        "type": category.kind,
        "attributes": [_attribute(one) for one in (*category.attributes, *_PRELABEL_ATTRIBUTES)],
    }
    if category.elements:
        spec["sublabels"] = [
            {"name": part.name, "type": "points", "attributes": [_attribute(one) for one in part.attributes]}
            for part in category.elements
        ]
        spec["svg"] = _draw_skeleton(category)
    return spec


def _attribute(attribute: Attribute) -> dict[str, Any]:
    defaults = {"checkbox": "false", "number": attribute.values[:1], "text": ""}
    default = attribute.default or "".join(defaults.get(attribute.type, attribute.values[:1]))
    return {
        "name": attribute.name,
        "mutable": attribute.mutable,
        "input_type": attribute.type,
        "default_value": default,
        "values": list(attribute.values),
    }


def _draw_skeleton(category: Category) -> str:
    """The drawing by which CVAT shows a skeleton (https://docs.cvat.ai/docs/manual/advanced/skeletons/)."""
    numbered = {part.name: (number, part) for number, part in enumerate(category.elements, start=1)}
    lines = (_line(*numbered[one], *numbered[other]) for one, other in category.edges)
    return "".join([*lines, *(_circle(number, part) for number, part in numbered.values())])


def _line(one: int, start: Element, other: int, end: Element) -> str:
    return (
        f'<line x1="{start.x}" y1="{start.y}" x2="{end.x}" y2="{end.y}" stroke="black" data-type="edge" '
        f'data-node-from="{one}" data-node-to="{other}"></line>'
    )


def _circle(number: int, part: Element) -> str:
    return (
        f'<circle r="1.5" stroke="black" fill="#b3b3b3" cx="{part.x}" cy="{part.y}" data-type="element node" '
        f'data-element-id="{number}" data-node-id="{number}" data-label-name="{escape(part.name)}"></circle>'
    )
