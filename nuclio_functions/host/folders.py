"""Function folders as the host runs them: what it reads of Nuclio's function.yaml. Durations are in seconds."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from nuclio_functions.errors import BadFunction

FUNCTION_FILE = "function.yaml"
_SECONDS_PER = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


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


class _Trigger(_Part):
    kind: str
    max_workers: int = Field(default=1, ge=1)
    worker_availability_timeout_milliseconds: int = Field(default=10_000, ge=0)


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
    """A function that can be run; `config` is its function.yaml as it stands."""

    folder: Path
    config: dict[str, Any]
    name: str
    handler: str
    env: dict[str, str]
    workers: int
    availability_timeout: float
    event_timeout: float


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
    )


def read_functions(functions: Path) -> list[HostedFunction]:
    """Every folder under `functions` that holds a function.yaml, by name.

    Raises BadFunction when there is none, when one cannot be used, or when two have the same name.
    """
    found = [_read_function(path) for path in sorted(functions.glob(f"*/{FUNCTION_FILE}"))]
    if not found:
        raise BadFunction(f"{functions} holds no folder with a {FUNCTION_FILE}; check --functions")
    by_name = {function.name: function for function in found}
    for function in found:
        if (other := by_name[function.name]) is not function:
            raise BadFunction(f"{function.folder} and {other.folder} are both called {function.name}; rename one")
    return found


def _read_function(path: Path) -> HostedFunction:
    try:
        return parse_function(path.parent, yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise BadFunction(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadFunction(f"{path}: {field}: {first['msg']}; correct it") from error
