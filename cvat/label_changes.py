"""What a CVAT project's labels lack of those that the project file wants, and what no change could bring without loss.

Labels and attributes may be added, choices may be added and ranges widened. CVAT drops or ignores annotations that no
longer fit their label, so any other difference is told and changes nothing. Labels that others made are left alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvat.labels import WireAttribute, WireLabel

Spec = Mapping[str, Any]
_RANGE = 3


@dataclass(frozen=True)
class LabelChanges:
    """`wanted` is what to send to CVAT: new labels, and by id those with attributes to add or widen."""

    wanted: Sequence[Spec]
    conflicts: Sequence[str]


def compare_labels(specs: Iterable[Spec], present: Iterable[WireLabel]) -> LabelChanges:
    """From a project's labels to the specifications (`cvat.labels.label_specs`)."""
    by_name = {label.name: label for label in present}
    wanted: list[Spec] = []
    conflicts: list[str] = []
    for spec in specs:
        label = by_name.get(spec["name"])
        if label is None:
            wanted.append(spec)
            continue
        conflicts += _conflicts(spec, label)
        if changed := _changed_attributes(spec["attributes"], label.attributes):
            wanted.append({"id": label.id, "name": label.name, "attributes": changed})
    return LabelChanges(wanted, conflicts)


def _conflicts(spec: Spec, label: WireLabel) -> Iterator[str]:
    name = repr(spec["name"])
    if not _allows(label.type, spec["type"]):
        yield f"{name} is {label.type}, not {spec['type']}"
        return
    yield from _attribute_conflicts(name, spec["attributes"], label.attributes)
    parts = {part.name: part for part in label.sublabels}
    wanted = {part["name"]: part for part in spec.get("sublabels", ())}
    if parts.keys() != wanted.keys():
        yield f"{name} has the points {_listed(parts)}, not {_listed(wanted)}"
        return
    for part in wanted.values():
        place = f"point {part['name']!r} of {name}"
        yield from _attribute_conflicts(place, part["attributes"], parts[part["name"]].attributes)
        yield from (
            f"{place} has no attribute {new['name']!r}"
            for new in _changed_attributes(part["attributes"], parts[part["name"]].attributes)
        )


def _allows(present: str, wanted: str) -> bool:
    """Whether a label of one type takes annotations of another."""
    return present == wanted or (present == "any" and wanted != "skeleton")


def _attribute_conflicts(place: str, specs: Iterable[Spec], present: Iterable[WireAttribute]) -> Iterator[str]:
    by_name = {attribute.name: attribute for attribute in present}
    for spec in specs:
        attribute = by_name.get(spec["name"])
        if attribute is None:
            continue
        told = f"attribute {spec['name']!r} of {place}"
        if attribute.input_type != spec["input_type"]:
            yield f"{told} is {attribute.input_type}, not {spec['input_type']}"
        elif not _holds(spec, attribute.values):
            yield f"{told} has the values {_listed(attribute.values)}, not {_listed(spec['values'])}"
        if attribute.mutable != spec["mutable"]:
            was, wanted = ("may change" if mutable else "is fixed" for mutable in (attribute.mutable, spec["mutable"]))
            yield f"{told} {was} along a track; the project file wants one that {wanted}"


def _holds(spec: Spec, values: Sequence[str]) -> bool:
    """Whether what an attribute allows takes every value that it allowed before."""
    if spec["input_type"] in ("select", "radio"):
        return set(values) <= set(spec["values"])
    if spec["input_type"] != "number" or tuple(values) == tuple(spec["values"]):
        return True
    if len(values) != _RANGE or not all(value.removeprefix("-").isdecimal() for value in values):
        return False
    (least, most, step), (new_least, new_most, new_step) = (tuple(map(int, v)) for v in (values, spec["values"]))
    return new_least <= least and most <= new_most and step % new_step == 0 and (least - new_least) % new_step == 0


def _changed_attributes(specs: Iterable[Spec], present: Iterable[WireAttribute]) -> list[Spec]:
    """Attributes that are missing, or whose choices or range have to grow."""
    by_name = {attribute.name: attribute for attribute in present}
    return [spec for spec in specs if spec["name"] not in by_name or _grows(spec, by_name[spec["name"]])]


def _grows(spec: Spec, attribute: WireAttribute) -> bool:
    return spec["input_type"] in ("select", "radio", "number") and set(spec["values"]) != set(attribute.values)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
