"""The functions as Nuclio's function.yaml describes them, made from the project's classes.

`python -m nuclio_functions.spec` writes the files of the default project anew; a test says when they are out of date.

CVAT reads a function's labels from the annotation `spec`, a JSON text. It knows no classifiers: one is a `detector`
whose labels are tags. Annotations are texts, and CVAT takes any text of a flag, even `false`, for yes: what isn't so is
left out. Fields: https://docs.nuclio.io, "Function-Configuration Reference".
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from datasets.files import write_bytes
from datasets.taxonomy import DEFAULT_TAXONOMY, Attribute, Category, Kind, Taxonomy
from nuclio_functions.availability import REQUIRES_WEIGHTS
from nuclio_functions.contract import MAX_REQUEST_BYTES as MAX_REQUEST_BYTES
from nuclio_functions.contract import PRELABEL_ATTRIBUTES

BUNDLES = "/opt/carloop/bundles"
BUNDLES_VARIABLE = "CARLOOP_BUNDLES"
SEGMENTER_WEIGHTS = "/opt/carloop/segmenter"
SEGMENTER_VARIABLE = "CARLOOP_SEGMENTER_WEIGHTS"
CONFIG_FILES = {"function.yaml": False, "function-gpu.yaml": True}
"""The files of a function by name, and whether they are for a GPU."""
SHAPES: tuple[Kind, ...] = ("rectangle", "polygon", "mask")
"""What a detector draws; a class of another kind is for people alone."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function: the folder it lies in and what people and CVAT read of it.

    `kinds` are those of the classes that it gives. `notes` are more annotations, `env` what it is started with. Each
    worker has a process of its own; one that takes longer than `seconds` for a call is ended.
    """

    folder: str
    title: str
    description: str
    type: Literal["detector", "interactor", "tracker"] = "detector"
    kinds: tuple[Kind, ...] = ()
    framework: str = "openvino"
    notes: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=lambda: {BUNDLES_VARIABLE: BUNDLES})
    workers: int = 2
    seconds: int = 60

    @property
    def name(self) -> str:
        """Its name in Nuclio, which allows no underscore."""
        return f"carloop-{self.folder.replace('_', '-')}"

    @property
    def uses_gpu(self) -> bool:
        """Whether a GPU makes it quicker; OpenVINO's graphs and OpenCV's optical flow stay on the CPU."""
        return self.framework == "pytorch"


FUNCTIONS = (
    Function("damage_detector", "Carloop damage detector", "Boxes damaged parts of cars", kinds=SHAPES),
    Function("cleanliness_classifier", "Carloop cleanliness classifier", "Tags cars as clean or dirty", kinds=("tag",)),
    Function(
        "car_condition",
        "Carloop car condition",
        "Boxes damaged parts of cars and tags cars as clean or dirty, in one call",
        kinds=(*SHAPES, "tag"),
    ),
    Function(
        "damage_segmenter",
        "Carloop damage segmenter",
        "Outlines what is clicked on, or lies in a box",
        type="interactor",
        framework="pytorch",
        notes={
            "version": "2",  # that its reply is a mask
            "min_pos_points": "0",  # a box alone is enough
            "min_neg_points": "0",
            "startswith_box_optional": "true",
            "help_message": "Click on the damage, and with the right button beside it; or begin with a box around it",
            REQUIRES_WEIGHTS: SEGMENTER_VARIABLE,
        },
        env={SEGMENTER_VARIABLE: SEGMENTER_WEIGHTS},
        workers=1,  # the next click on a picture has to meet the process that remembers the picture
        seconds=120,  # as long as CVAT waits: on a CPU the first click on a picture takes a large model that long
    ),
    Function(
        "damage_tracker",
        "Carloop tracker",
        "Follows boxes and polygons from frame to frame by optical flow",
        type="tracker",
        framework="opencv",
        notes={"supported_shape_types": "rectangle,polygon"},
        env={},
    ),
)


def functions_of(taxonomy: Taxonomy) -> list[Function]:
    """The functions that have something to say of these classes."""
    return [function for function in FUNCTIONS if not function.kinds or spec_labels(taxonomy, function.kinds)]


def spec_labels(taxonomy: Taxonomy, kinds: Sequence[Kind]) -> list[dict[str, Any]]:
    """The labels CVAT is told of, in the project's order; each carries the model and the confidence as text."""
    return [_label(category) for category in taxonomy.categories if category.kind in kinds]


def _label(category: Category) -> dict[str, Any]:
    own = (attribute for attribute in category.attributes if attribute.name not in PRELABEL_ATTRIBUTES)
    carried = (Attribute(name=name) for name in PRELABEL_ATTRIBUTES)
    attributes = [
        {"name": attribute.name, "input_type": attribute.type, "values": list(attribute.values)}
        for attribute in (*own, *carried)
    ]
    return {"name": category.name, "type": category.kind, "attributes": attributes}


def function_config(function: Function, taxonomy: Taxonomy, *, gpu: bool = False) -> dict[str, Any]:
    """Nuclio's configuration of a function, on CPUs alone, or with one GPU if it uses one."""
    reserves = gpu and function.uses_gpu
    return {
        "metadata": {"name": function.name, "annotations": _annotations(function, taxonomy)},
        "spec": {
            "description": function.description,
            "handler": "main:handler",
            "runtime": "python:3.11",
            "env": [{"name": name, "value": value} for name, value in function.env.items()],
            "eventTimeout": f"{function.seconds}s",
            **({"resources": {"limits": {"nvidia.com/gpu": 1}}} if reserves else {}),
            "triggers": {"http": _http_trigger(max_workers=1 if reserves else function.workers)},
        },
    }


def _annotations(function: Function, taxonomy: Taxonomy) -> Mapping[str, str]:
    labels = [f"  {json.dumps(label)}" for label in spec_labels(taxonomy, function.kinds)]
    return {
        "name": function.title,
        "version": "1",
        "type": function.type,
        "framework": function.framework,
        **function.notes,
        "spec": _Block("[\n" + ",\n".join(labels) + "\n]\n") if labels else "[]",
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
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


def render_function_yamls(taxonomy: Taxonomy) -> Iterator[tuple[Path, str]]:
    """Both files of every function of these classes: where each lies under the folder of functions, and its text."""
    for function in functions_of(taxonomy):
        for name, gpu in CONFIG_FILES.items():
            yield Path(function.folder, name), render_function_yaml(function, taxonomy, gpu=gpu)


def write_function_yamls(functions: Path, taxonomy: Taxonomy) -> None:
    """Write both files of every function of these classes under the folder `functions`, each in one step."""
    for path, text in render_function_yamls(taxonomy):
        (functions / path).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(functions / path, text.encode())


class _Block(str):
    """Text that YAML shows line by line."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))


if __name__ == "__main__":
    write_function_yamls(Path(__file__).parent, DEFAULT_TAXONOMY)
