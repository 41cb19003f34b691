"""The functions as Nuclio's function.yaml describes them, made from the project's classes.

`python -m nuclio_functions.spec` writes the files of the default project anew; a test says when they are out of date.

CVAT reads a function's labels from the annotation `spec`, a JSON text. It knows no classifiers: one is a `detector`
whose labels are tags. Fields: https://docs.nuclio.io, "Function-Configuration Reference".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from datasets.files import write_bytes
from datasets.taxonomy import DEFAULT_TAXONOMY, Kind, Taxonomy
from nuclio_functions.contract import PRELABEL_ATTRIBUTES

BUNDLES = "/opt/carloop/bundles"
MAX_REQUEST_BYTES = 33_554_432
"""Nuclio's own limit is 4 MiB, which a photograph in base64 easily exceeds."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function: the folder it lies in, which is also its model's name, and what people read of it."""

    folder: str
    kind: Kind
    title: str
    description: str

    @property
    def name(self) -> str:
        """Its name in Nuclio, which allows no underscore."""
        return f"carloop-{self.folder.replace('_', '-')}"


FUNCTIONS = (
    Function("damage_detector", "rectangle", "Carloop damage detector", "Boxes damaged parts of cars"),
    Function("cleanliness_classifier", "tag", "Carloop cleanliness classifier", "Tags cars as clean or dirty"),
)


def spec_labels(taxonomy: Taxonomy, kind: Kind) -> list[dict[str, Any]]:
    """The labels CVAT is told of, in the project's order; each carries the model and the confidence as text."""
    attributes = [{"name": name, "input_type": "text", "values": []} for name in PRELABEL_ATTRIBUTES]
    return [{"name": name, "type": kind, "attributes": attributes} for name in taxonomy.names(kind)]


def function_config(function: Function, taxonomy: Taxonomy, *, gpu: bool = False) -> dict[str, Any]:
    """Nuclio's configuration of a function, on CPUs or on one GPU."""
    return {
        "metadata": {"name": function.name, "annotations": _annotations(function, taxonomy)},
        "spec": {
            "description": function.description,
            "handler": "main:handler",
            "runtime": "python:3.11",
            "env": [{"name": "CARLOOP_BUNDLES", "value": BUNDLES}],
            "eventTimeout": "60s",
            **({"resources": {"limits": {"nvidia.com/gpu": 1}}} if gpu else {}),
            "triggers": {"http": _http_trigger(max_workers=1 if gpu else 2)},
        },
    }


def _annotations(function: Function, taxonomy: Taxonomy) -> Mapping[str, str]:
    labels = (f"  {json.dumps(label)}" for label in spec_labels(taxonomy, function.kind))
    return {
        "name": function.title,
        "version": "1",
        "type": "detector",
        "framework": "openvino",
        "spec": _Block("[\n" + ",\n".join(labels) + "\n]\n"),
    }


def _http_trigger(*, max_workers: int) -> dict[str, Any]:
    return {
        "kind": "http",
        "maxWorkers": max_workers,
        "workerAvailabilityTimeoutMilliseconds": 10_000,
        "attributes": {"maxRequestBodySize": MAX_REQUEST_BYTES},
    }


def render_function_yaml(function: Function, taxonomy: Taxonomy, *, gpu: bool = False) -> str:
    """The text of function.yaml, or of function-gpu.yaml."""
    config = function_config(function, taxonomy, gpu=gpu)
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=1000)


def write_function_yamls(functions: Path, taxonomy: Taxonomy) -> None:
    """Write both files of every function under the folder `functions`."""
    for function in FUNCTIONS:
        for name, gpu in (("function.yaml", False), ("function-gpu.yaml", True)):
            content = render_function_yaml(function, taxonomy, gpu=gpu)
            write_bytes(functions / function.folder / name, content.encode())


class _Block(str):
    """Text that YAML shows line by line."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))


if __name__ == "__main__":
    write_function_yamls(Path(__file__).parent, DEFAULT_TAXONOMY)
