"""Which label of a task stands for which label of a function, and attributes likewise. All by name, as in CVAT."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel
from sqlalchemy.orm import Session

from cvat.embedded.errors import BadRequest
from cvat.embedded.functions.nuclio import FunctionLabel
from cvat.embedded.labels import labels_of
from cvat.embedded.specs import AttributeSpec, LabelSpec, read_specs, top_labels
from cvat.embedded.tables import Task

#: Types that stand for each other.
_AREAS = {"mask", "polygon"}


class LabelChoice(BaseModel):
    """The task's label for one of a function's: its name, its attributes and, for a skeleton, its parts by name."""

    name: str
    attributes: dict[str, str] = {}
    sublabels: dict[str, "LabelChoice"] = {}


#: Choices by the names of the function's labels.
Choices = Mapping[str, LabelChoice]


@dataclass(frozen=True)
class Target:
    """Where a function's label goes: `attributes` and `parts` by the function's names."""

    label: LabelSpec
    attributes: Mapping[str, AttributeSpec]
    parts: Mapping[str, "Target"]


def read_labels(session: Session, task: Task) -> dict[str, LabelSpec]:
    """The top labels of a task by name."""
    return by_name(top_labels(read_specs(session, labels_of(task))).values())


def by_name(labels: Iterable[LabelSpec]) -> dict[str, LabelSpec]:
    """A task's labels by their names."""
    return {label.name: label for label in labels}


def choose_same_names(labels: Iterable[FunctionLabel], known: Mapping[str, LabelSpec]) -> Choices:
    """Labels and attributes of the same name, where the types go together."""
    return {
        label.name: _choose_same_names(label, known[label.name])
        for label in labels
        if label.name in known and _go_together(label.type, known[label.name].type)
    }


def _choose_same_names(label: FunctionLabel, target: LabelSpec) -> LabelChoice:
    names = {item.name for item in label.attributes} & set(_attributes(target))
    parts = choose_same_names(label.sublabels, by_name(target.parts.values()))
    return LabelChoice(name=label.name, attributes={name: name for name in names}, sublabels=dict(parts))


def resolve(choices: Choices, labels: Sequence[FunctionLabel], known: Mapping[str, LabelSpec]) -> dict[str, Target]:
    """The targets of a choice by the function's label. Raises BadRequest for one that names what is not there."""
    by_name = {label.name: label for label in labels}
    return {name: _target(name, choice, by_name.get(name), known) for name, choice in choices.items()}


def _target(name: str, choice: LabelChoice, label: FunctionLabel | None, known: Mapping[str, LabelSpec]) -> Target:
    if label is None:
        raise BadRequest(f'Invalid mapping. Unknown model label "{name}"')
    if choice.name not in known:
        raise BadRequest(f'Invalid mapping. Unknown db label "{choice.name}"')
    target = known[choice.name]
    if not _go_together(label.type, target.type):
        raise BadRequest(f'Invalid mapping. Model label "{name}" and database label "{target.name}" are not compatible')
    for given, wanted in choice.attributes.items():
        if given not in {item.name for item in label.attributes}:
            raise BadRequest(f'Invalid mapping. Unknown model attribute "{given}"')
        if wanted not in _attributes(target):
            raise BadRequest(f'Invalid mapping. Unknown db attribute "{wanted}"')
    if label.type == "skeleton" and not choice.sublabels:
        raise BadRequest(f'Mapping for elements was not specified in skeleton "{name}"')
    attributes = {given: _attributes(target)[wanted] for given, wanted in choice.attributes.items()}
    return Target(target, attributes, resolve(choice.sublabels, label.sublabels, by_name(target.parts.values())))


def _attributes(label: LabelSpec) -> dict[str, AttributeSpec]:
    return {attribute.name: attribute for attribute in label.attributes.values()}


def _go_together(given: str, wanted: str) -> bool:
    """Whether a function's type of label can be stored under a task's."""
    if given == "skeleton" or wanted == "skeleton":
        return given == wanted
    return given == wanted or wanted == "any" or given == "unknown" or {given, wanted} <= _AREAS
