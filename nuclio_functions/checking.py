"""Checks of function.yaml files: what would break CVAT's list of functions, or make it leave one out without a word.

One function without a description, or with a `spec` that is not what CVAT reads, takes the whole list down in some
versions of CVAT. Source: `LambdaFunction` in `cvat/apps/lambda_manager/views.py` of https://github.com/cvat-ai/cvat.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from datasets.taxonomy import Attribute, Kind
from nuclio_functions.errors import BadFunction

TYPES = ("detector", "interactor", "reid", "tracker")
LABEL_TYPES = get_args(Kind)
INPUT_TYPES = get_args(Attribute.model_fields["type"].annotation)
ATTRIBUTE_KEYS = ("name", "input_type", "values")
NUMBERS = ("version", "min_pos_points", "min_neg_points")
FLAGS = ("startswith_box", "startswith_box_optional")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_HANDLER = re.compile(r"(\w+):\w+")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a function.yaml; as a text one sentence with the file."""

    file: Path
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


def read_configs(functions: Path) -> dict[Path, Any]:
    """Every function*.yaml in the folders under `functions`. Raises BadFunction for one that is no YAML."""
    return {path: _read_config(path) for path in sorted(functions.glob("*/function*.yaml"))}


def _read_config(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadFunction(f"{path} cannot be read: {' '.join(str(error).split())}") from None


def require_sound(configs: Mapping[Path, Any]) -> None:
    """Raises BadFunction with all that `check_specs` finds."""
    if findings := check_specs(configs):
        raise BadFunction("\n".join(map(str, findings)))


def check_specs(configs: Mapping[Path, Any]) -> list[Finding]:
    """What is wrong with the contents of function.yaml files, by where each lies; nothing where CVAT can list them all.

    The handler's file is looked for beside each. A folder's files for CPU and for GPU may share a name.
    """
    found = [Finding(path, problem) for path, config in configs.items() for problem in _problems(path, config)]
    return [*found, *_shared_names(configs)]


def _shared_names(configs: Mapping[Path, Any]) -> Iterator[Finding]:
    folders: dict[Any, set[Path]] = defaultdict(set)
    for path, config in configs.items():
        name = _part(config, "metadata").get("name")
        if isinstance(name, str) and (others := folders[name] - {path.parent}):
            yield Finding(path, f"the function in {min(others)} is called {name} too; rename one")
        folders[name].add(path.parent)


def _problems(path: Path, config: Any) -> Iterator[str]:
    if not isinstance(config, dict):
        yield "holds no mapping; write metadata and spec"
        return
    metadata, spec = _part(config, "metadata"), _part(config, "spec")
    yield from _name_problems(metadata.get("name"))
    if not _is_text(spec.get("description")):
        yield "spec.description is missing, without which CVAT lists no function at all; describe it in a sentence"
    yield from _handler_problems(path, spec.get("handler"))
    yield from _annotation_problems(_part(metadata, "annotations"))


def _name_problems(name: Any) -> Iterator[str]:
    if not _is_text(name):
        yield "metadata.name is missing; name the function"
    elif not _NAME.fullmatch(name):
        yield f"metadata.name is {name!r}; Nuclio allows small letters, digits and - inside, and no underscore"


def _handler_problems(path: Path, handler: Any) -> Iterator[str]:
    match = _HANDLER.fullmatch(handler) if isinstance(handler, str) else None
    if match is None:
        yield f"spec.handler is {handler!r}, not like main:handler"
    elif not (path.parent / f"{match[1]}.py").is_file():
        yield f"spec.handler is {handler}, but {path.parent} has no {match[1]}.py; put it there"


def _annotation_problems(annotations: Mapping[str, Any]) -> Iterator[str]:
    if annotations.get("type") not in TYPES:
        yield f"the annotation type is {annotations.get('type')!r}; CVAT knows {', '.join(TYPES)}"
    for name, value in annotations.items():
        if not isinstance(value, str):
            yield f"the annotation {name} is {value!r}, but annotations are texts; put it in quotes"
    for name in NUMBERS:
        if name in annotations and not re.fullmatch(r"-?\d+", str(annotations[name])):
            yield f"the annotation {name} is {annotations[name]!r}, not a whole number"
    for name in FLAGS:
        if str(annotations.get(name, "true")).lower() != "true":
            yield f"the annotation {name} is {annotations[name]!r}, which CVAT takes for yes; leave it out"
    if "supported_shape_types" in annotations:
        yield from _shape_type_problems(str(annotations["supported_shape_types"]))
    yield from _spec_problems(annotations.get("spec"), needs_labels=annotations.get("type") == "detector")


def _shape_type_problems(text: str) -> Iterator[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in LABEL_TYPES]:
        yield f"the annotation supported_shape_types names {unknown[0]!r}; CVAT knows {', '.join(LABEL_TYPES)}"


def _spec_problems(text: Any, *, needs_labels: bool) -> Iterator[str]:
    try:
        labels = json.loads(text) if text else []
    except (TypeError, ValueError) as error:
        yield f"the annotation spec is no JSON text ({error}); write a list of labels"
        return
    if not isinstance(labels, list):
        yield "the annotation spec is no list of labels; put [ and ] around them"
    elif needs_labels and not labels:
        yield "the annotation spec has no labels, so that CVAT would keep nothing of what it finds; add some"
    else:
        yield from _labels_problems(labels)


def _labels_problems(labels: Sequence[Any]) -> Iterator[str]:
    for label in labels:
        yield from _label_problems(label)
    for name in _twice(label.get("name") for label in labels if isinstance(label, dict)):
        yield f"two labels are called {name!r}, of whatever types; CVAT lists no function with such a spec; rename one"


def _label_problems(label: Any) -> Iterator[str]:
    if not isinstance(label, dict) or not _is_text(label.get("name")):
        yield f"a label without a name: {_shown(label)}; name it"
        return
    name, attributes = label["name"], label.get("attributes")
    if label.get("type") not in LABEL_TYPES:
        yield f"label {name!r} is of type {label.get('type')!r}; CVAT knows {', '.join(LABEL_TYPES)}"
    if not isinstance(attributes, list):
        yield f"label {name!r} has no list of attributes; write [] for none"
        return
    for attribute in attributes:
        yield from (f"label {name!r}: {problem}" for problem in _attribute_problems(attribute))
    for twice in _twice(each.get("name") for each in attributes if isinstance(each, dict)):
        yield f"label {name!r} has two attributes {twice!r}; rename one"
    if label.get("type") == "skeleton":
        yield from _skeleton_problems(label)


def _skeleton_problems(label: Mapping[str, Any]) -> Iterator[str]:
    name = label["name"]
    if not isinstance(label.get("svg"), str):
        yield f"the skeleton {name!r} has no svg, without which CVAT lists no function at all; draw it"
    if isinstance(label.get("sublabels"), list):
        yield from (f"the skeleton {name!r}: {problem}" for problem in _labels_problems(label["sublabels"]))
    else:
        yield f"the skeleton {name!r} has no list of sublabels; name its points there"


def _attribute_problems(attribute: Any) -> Iterator[str]:
    missing = [key for key in ATTRIBUTE_KEYS if not isinstance(attribute, dict) or key not in attribute]
    if missing:
        yield f"the attribute {_shown(attribute)} has no {' and no '.join(missing)}; CVAT needs all three keys"
    elif attribute["input_type"] not in INPUT_TYPES:
        yield f"attribute {attribute['name']!r} is a {attribute['input_type']!r}; CVAT knows {', '.join(INPUT_TYPES)}"
    elif not isinstance(attribute["values"], list):
        yield f"the values of attribute {attribute['name']!r} are no list; write [] for none"


def _part(config: Any, key: str) -> Mapping[str, Any]:
    part = config.get(key) if isinstance(config, dict) else None
    return part if isinstance(part, dict) else {}


def _twice(names: Iterable[Any]) -> list[str]:
    texts = [name for name in names if isinstance(name, str)]
    return sorted({name for name in texts if texts.count(name) > 1})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) < 80 else f"{text[:77]}…"
