"""What Nuclio is sent for a function: its function.yaml, its main.py, and where and how it is to run.

The package is baked into the base image (deploy/Dockerfile.functions), so main.py is all the code that is sent: Nuclio
renames the file it gets after the handler's module. Nothing here asks the network.
Fields: https://docs.nuclio.io, "Function-Configuration Reference".
"""

import base64
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from nuclio.config import new_config, set_env_dict, update_in  # type: ignore[import-untyped]

from datasets.files import digest
from nuclio_functions.errors import BadFunction

DIGEST = "carloop-digest"
"""The annotation that tells which configuration is deployed."""
FILES = {False: "function.yaml", True: "function-gpu.yaml"}
_PVC = "pvc"


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder of the Docker host, or on Kubernetes a claim (`pvc:NAME`), at a path within the container."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how functions are to run; what is None or empty is as function.yaml says."""

    base_image: str
    project: str = "carloop"
    gpu: bool = False
    registry: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    volumes: Sequence[Volume] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    workers: int | None = None
    replicas: int | None = None


def parse_volume(text: str) -> Volume:
    """The volume in `SOURCE:TARGET`, with an absolute path or `pvc:NAME` as source. Raises ValueError."""
    source, _, target = text.rpartition(":")
    claim = source.startswith(f"{_PVC}:") and len(source) > len(_PVC) + 1
    if not (claim or PurePosixPath(source).is_absolute()) or not PurePosixPath(target).is_absolute():
        raise ValueError(f"{text!r} is no /PATH:/TARGET and no pvc:NAME:/TARGET")
    return Volume(source, target)


def read_config(folder: Path, *, gpu: bool) -> dict[str, Any]:
    """The function.yaml of a folder, or its function-gpu.yaml. Raises BadFunction."""
    path = folder / FILES[gpu]
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadFunction(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise BadFunction(f"{path} is no mapping; render it again")
    return content


def make_config(content: Mapping[str, Any], code: bytes, placement: Placement) -> dict[str, Any]:
    """Nuclio's configuration from a function.yaml's content and a handler file's bytes, with a digest of all of it."""
    config: dict[str, Any] = new_config()
    update_in(config, "metadata", {"labels": {}, **deepcopy(content["metadata"])})
    for name, value in deepcopy(content["spec"]).items():
        update_in(config, ["spec", name], value)
    _place(config, placement)
    update_in(config, "spec.build.functionSourceCode", base64.b64encode(code).decode())
    update_in(config, ["metadata", "annotations", DIGEST], digest({"project": placement.project, "config": config}))
    return config


def _place(config: dict[str, Any], placement: Placement) -> None:
    set_env_dict(config, placement.env)
    update_in(config, "spec.build.baseImage", placement.base_image)
    update_in(config, "spec.build.noBaseImagesPull", not placement.registry)
    if placement.registry:
        update_in(config, "spec.build.registry", placement.registry)
        update_in(config, "spec.runRegistry", placement.registry)
    if placement.workers is not None:
        update_in(config, "spec.triggers.http.maxWorkers", placement.workers)
    if placement.replicas is not None:
        update_in(config, "spec.minReplicas", placement.replicas)
        update_in(config, "spec.maxReplicas", placement.replicas)
    for resource, limit in placement.limits.items():
        update_in(config, ["spec", "resources", "limits", resource], limit)
    for number, volume in enumerate(placement.volumes):
        update_in(config, "spec.volumes", _volume(f"carloop-{number}", volume), append=True)


def _volume(name: str, volume: Volume) -> dict[str, Any]:
    kind, _, claim = volume.source.partition(":")
    if kind == _PVC:
        source: dict[str, Any] = {"persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
    else:
        source = {"hostPath": {"path": volume.source}}
    mount = {"name": name, "mountPath": volume.target, "readOnly": True}
    return {"volume": {"name": name, **source}, "volumeMount": mount}
