"""Function folders as the host runs them: what it reads of Nuclio's function.yaml. Durations are in seconds."""

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from nuclio_functions.availability import is_available
from nuclio_functions.checking import read_configs, require_sound
from nuclio_functions.errors import BadFunction

FUNCTION_FILE = "function.yaml"
_SECONDS_PER = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}

log = logging.getLogger(__name__)


def _seconds(duration: Any) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", str(duration))
    if match is None:
        raise ValueError(f"{duration!r} is no duration such as 30s")
    return float(match[1]) * _SECONDS_PER[match[2]]


class _Part(BaseModel):
    """Part of a function.yaml. What is left out here is Nuclio's and stays in `HostedFunction.config`."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)


class _Variable(_Part):
    name: str
    value: str


class _Attributes(_Part):
    max_request_body_size: int = Field(default=4 * 2**20, gt=0)


class _Trigger(_Part):
    kind: str
    max_workers: int = Field(default=1, ge=1)
    worker_availability_timeout_milliseconds: int = Field(default=10_000, ge=0)
    attributes: _Attributes = _Attributes()


class _Metadata(_Part):
    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")


class _Spec(_Part):
    description: str  # CVAT's function list breaks without it
    handler: str = Field(pattern=r"^\w+:\w+$")
    env: tuple[_Variable, ...] = ()
    event_timeout: Annotated[float, BeforeValidator(_seconds)] = 60
    triggers: dict[str, _Trigger] = {}


class _File(_Part):
    metadata: _Metadata
    spec: _Spec


@dataclass(frozen=True)
class HostedFunction:
    """A function that can be run; `config` is its function.yaml as it stands, `max_body` in bytes."""

    folder: Path
    config: dict[str, Any]
    name: str
    handler: str
    env: dict[str, str]
    workers: int
    availability_timeout: float
    event_timeout: float
    max_body: int


def parse_function(folder: Path, config: dict[str, Any]) -> HostedFunction:
    """The function of a folder, from the content of its function.yaml. Raises pydantic's ValidationError."""
    parsed = _File.model_validate(config)
    triggers = parsed.spec.triggers.values()
    trigger = next((each for each in triggers if each.kind == "http"), _Trigger(kind="http"))
    return HostedFunction(
        folder=folder,
        config=config,
        name=parsed.metadata.name,
        handler=parsed.spec.handler,
        env={variable.name: variable.value for variable in parsed.spec.env},
        workers=trigger.max_workers,
        availability_timeout=trigger.worker_availability_timeout_milliseconds / 1000,
        event_timeout=parsed.spec.event_timeout,
        max_body=trigger.attributes.max_request_body_size,
    )


def read_functions(functions: Path, env: Mapping[str, str], *, only: Collection[str] = ()) -> list[HostedFunction]:
    """Every folder under `functions` that holds a function.yaml, by name, except those without weights: they are told.

    `env` stands over the values in the files; with `only`, folders of other names are left out. Raises BadFunction when
    there is none, or one that CVAT could not list.
    """
    configs = read_configs(functions)
    require_sound(configs)
    files = {path.parent: config for path, config in configs.items() if path.name == FUNCTION_FILE}
    if absent := set(only) - {folder.name for folder in files}:
        raise BadFunction(f"{functions} holds no function {', '.join(sorted(absent))}; check --only")
    wanted = {folder: config for folder, config in files.items() if not only or folder.name in only}
    reasons = {folder: is_available(config, env) for folder, config in wanted.items()}
    for reason in filter(None, reasons.values()):
        log.warning("%s", reason)
    found = [_read_function(folder, config) for folder, config in wanted.items() if not reasons[folder]]
    if not found:
        raise BadFunction(f"{functions} holds no folder with a {FUNCTION_FILE} that can run; check --functions")
    return found


def _read_function(folder: Path, config: Any) -> HostedFunction:
    try:
        return parse_function(folder, config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadFunction(f"{folder / FUNCTION_FILE}: {field}: {first['msg']}; correct it") from error
