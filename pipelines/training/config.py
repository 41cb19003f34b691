"""Training configurations: a YAML file, `a.b=value` overrides over it, options over both.

`configs/` has those that Carloop ships.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from datasets.taxonomy import validation_problems
from pipelines.errors import BadProject
from pipelines.project import SettingsModel


def read_config(
    path: Path,
    model: type[SettingsModel],
    *,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> SettingsModel:
    """Settings of a YAML file, with `a.b=value` overrides over it and `options` that are not None over both.

    Raises:
        BadProject: the file is missing or broken, an override is none, or keys and values do not fit; all are told.
    """
    content = _merged(_read_yaml(path), [*map(_parse_override, overrides), *_given(options or {})])
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise BadProject(f"{path} does not fit: {'; '.join(validation_problems(error))}") from None


def _read_yaml(path: Path) -> Any:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadProject(f"{path} is not there; configs/ has some") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadProject(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict | None):
        raise BadProject(f"{path} holds a {type(content).__name__}; it has to be a mapping of settings")
    return content or {}


def _parse_override(text: str) -> tuple[list[str], Any]:
    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        raise BadProject(f"{text!r} is no override; write key=value, with dots between the parts of a key")
    try:
        return key.split("."), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise BadProject(f"{text!r} has no YAML value: {' '.join(str(error).split())}") from None


def _given(options: Mapping[str, Any]) -> Iterable[tuple[list[str], Any]]:
    return ((key.split("."), value) for key, value in options.items() if value is not None)


def _merged(content: Mapping[str, Any], changes: Iterable[tuple[list[str], Any]]) -> dict[str, Any]:
    merged = dict(content)
    for (first, *rest), value in changes:
        if rest:
            inner = merged.get(first)
            merged[first] = _merged(inner if isinstance(inner, dict) else {}, [(rest, value)])
        else:
            merged[first] = value
    return merged
