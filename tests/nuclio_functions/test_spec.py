import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import nuclio_functions
from cvat.embedded.functions.nuclio import Function as ListedFunction
from datasets.taxonomy import DEFAULT_TAXONOMY, Attribute, Category, Taxonomy
from nuclio_functions.checking import check_specs, read_configs
from nuclio_functions.host.folders import read_functions
from nuclio_functions.spec import (
    FUNCTIONS,
    Function,
    functions_of,
    render_function_yaml,
    spec_labels,
    write_function_yamls,
)

FOLDER = Path(nuclio_functions.__file__).parent
TEXTS = [
    {"name": "model", "input_type": "text", "values": []},
    {"name": "confidence", "input_type": "text", "values": []},
]
MIXED = Taxonomy(
    categories=(
        Category(name="dent", attributes=(Attribute(name="depth", type="number", values=("0", "9", "1")),)),
        Category(name="scratch", kind="polygon", attributes=(Attribute(name="model", type="text"),)),
        Category(name="rust", kind="mask"),
        Category(name="lane", kind="polyline"),
        Category(name="wet", kind="tag"),
    )
)


def listed_by_cvat(config: dict[str, Any]) -> dict[str, Any]:
    """A function as CVAT lists it."""
    return ListedFunction.model_validate({**config, "status": {"state": "ready", "httpPort": 1}}).show()


def test_labels_are_the_projects_classes_with_its_attributes_and_two_texts() -> None:
    labels = spec_labels(MIXED, ("rectangle", "polygon"))

    assert labels == [
        {
            "name": "dent",
            "type": "rectangle",
            "attributes": [{"name": "depth", "input_type": "number", "values": ["0", "9", "1"]}, *TEXTS],
        },
        {"name": "scratch", "type": "polygon", "attributes": TEXTS},
    ]


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("damage_detector", ["dent", "scratch", "rust"]),
        ("cleanliness_classifier", ["wet"]),
        ("car_condition", ["dent", "scratch", "rust", "wet"]),
        ("damage_segmenter", []),
        ("damage_tracker", []),
    ],
)
def test_each_function_gives_the_classes_of_its_kinds(folder: str, names: list[str]) -> None:
    (function,) = (function for function in FUNCTIONS if function.folder == folder)

    listed = listed_by_cvat(yaml.safe_load(render_function_yaml(function, MIXED)))

    kinds = {category.name: category.kind for category in MIXED.categories}
    assert [(label["name"], label["type"]) for label in listed["labels_v2"]] == [(name, kinds[name]) for name in names]


def test_a_function_without_classes_is_left_out() -> None:
    boxes_only = Taxonomy(categories=(Category(name="dent"),))

    assert {function.folder for function in functions_of(boxes_only)} == {
        "damage_detector",
        "car_condition",
        "damage_segmenter",
        "damage_tracker",
    }


def test_the_committed_function_files_are_those_of_the_default_project(tmp_path: Path) -> None:
    write_function_yamls(tmp_path, DEFAULT_TAXONOMY)

    rendered = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.glob("*/*.yaml")}
    committed = {path.relative_to(FOLDER): path.read_text() for path in FOLDER.glob("*/function*.yaml")}
    assert committed == rendered, "run python -m nuclio_functions.spec"


def test_nothing_in_the_committed_files_breaks_cvats_list() -> None:
    configs = read_configs(FOLDER)

    assert len(configs) == 2 * len(FUNCTIONS)
    assert check_specs(configs) == []


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.folder)
def test_cvat_finds_all_it_reads_in_a_function_file(function: Function) -> None:
    config = yaml.safe_load(render_function_yaml(function, DEFAULT_TAXONOMY))

    listed = listed_by_cvat(config)
    assert (listed["id"], listed["kind"], listed["name"]) == (function.name, function.type, function.title)
    assert listed["description"] == function.description
    annotations = config["metadata"]["annotations"]
    assert json.loads(annotations["spec"]) == spec_labels(DEFAULT_TAXONOMY, function.kinds)
    assert {type(value) for value in annotations.values()} == {str}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.folder)
def test_a_gpu_is_reserved_for_a_function_that_uses_it_alone_and_has_one_worker_then(function: Function) -> None:
    on_cpu, on_gpu = (
        yaml.safe_load(render_function_yaml(function, DEFAULT_TAXONOMY, gpu=gpu))["spec"] for gpu in (False, True)
    )

    assert "resources" not in on_cpu
    if function.framework == "pytorch":
        assert on_gpu["resources"] == {"limits": {"nvidia.com/gpu": 1}}
        assert on_gpu["triggers"]["http"]["maxWorkers"] == 1
    else:
        assert on_gpu == on_cpu


def test_the_host_reads_the_committed_folders_and_leaves_out_the_one_without_weights() -> None:
    hosted = {function.name: function for function in read_functions(FOLDER, {"CARLOOP_SEGMENTER_WEIGHTS": ""})}

    detector = hosted["carloop-damage-detector"]
    assert (detector.workers, detector.availability_timeout, detector.event_timeout) == (2, 10, 60)
    assert set(hosted) == {function.name for function in FUNCTIONS} - {"carloop-damage-segmenter"}


@pytest.mark.parametrize("folder", ["damage_tracker", "damage_segmenter"])
def test_what_people_wait_for_imports_no_torch_before_there_are_weights(folder: str) -> None:
    code = (
        "import logging, sys; from types import SimpleNamespace as N; import main; "
        "main.init_context(N(user_data=N(), logger=logging)); "
        "print(*({'torch', 'transformers', 'openvino', 'mlflow', 'ultralytics', 'timm'} & set(sys.modules)))"
    )
    env = {"PYTHONPATH": f"{FOLDER / folder}:{FOLDER.parent}"}

    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
