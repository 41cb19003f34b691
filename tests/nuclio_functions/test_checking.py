import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cvat.embedded.functions.nuclio import Function as ListedFunction
from nuclio_functions.availability import is_available
from nuclio_functions.checking import check_specs, read_configs, require_sound
from nuclio_functions.errors import BadFunction

LABEL = {"name": "dent", "type": "rectangle", "attributes": [{"name": "model", "input_type": "text", "values": []}]}
SOUND = {
    "metadata": {"name": "finder", "annotations": {"name": "Finder", "type": "detector", "spec": json.dumps([LABEL])}},
    "spec": {"description": "Finds", "handler": "main:handler"},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a function.yaml would lie, beside its handler."""
    (tmp_path / "finder").mkdir()
    (tmp_path / "finder" / "main.py").touch()
    return tmp_path / "finder" / "function.yaml"


LISTED = {
    "id": "contract-parts",
    "kind": "detector",
    "labels_v2": [
        {
            "name": "car",
            "type": "rectangle",
            "attributes": [
                {"name": "state", "input_type": "select", "values": ["ok", "bad"]},
                {"name": "score", "input_type": "number", "values": ["0", "100", "1"]},
                {"name": "note", "input_type": "text", "values": []},
            ],
        },
        {"name": "ghost", "type": "rectangle", "attributes": []},
    ],
    "description": "contract-parts of the contract",
    "name": "contract parts",
    "version": 1,
}
"""What a running CVAT server listed of a function."""


def test_what_cvat_was_seen_to_list_has_no_findings(path: Path) -> None:
    notes = {"name": LISTED["name"], "type": LISTED["kind"], "spec": json.dumps(LISTED["labels_v2"])}
    config = {
        "metadata": {"name": LISTED["id"], "annotations": notes},
        "spec": {"description": LISTED["description"], "handler": "main:handler"},
    }

    assert check_specs({path: config}) == []
    assert ListedFunction.model_validate({**config, "status": {"httpPort": 1}}).show() == LISTED


def problems(path: Path, change: Callable[[Any], Any]) -> list[str]:
    config = copy.deepcopy(SOUND)
    change(config)
    return [str(finding).removeprefix(f"{path}: ") for finding in check_specs({path: config})]


def set_spec(labels: Any) -> Callable[[Any], Any]:
    text = labels if isinstance(labels, str) else json.dumps(labels)
    return lambda config: config["metadata"]["annotations"].update(spec=text)


def annotate(**annotations: Any) -> Callable[[Any], Any]:
    return lambda config: config["metadata"]["annotations"].update(annotations)


def with_attribute(**attribute: Any) -> Callable[[Any], Any]:
    return set_spec([{**LABEL, "attributes": [attribute]}])


def test_a_sound_function_has_no_findings(path: Path) -> None:
    assert problems(path, lambda config: None) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda config: config["spec"].pop("description"), "spec.description is missing"),
        (lambda config: config["spec"].update(description=" "), "spec.description is missing"),
        (lambda config: config["spec"].update(handler="other:handler"), "has no other.py"),
        (lambda config: config["spec"].update(handler="main"), "'main', not like main:handler"),
        (lambda config: config["metadata"].update(name="my_finder"), "no underscore"),
        (lambda config: config["metadata"].pop("name"), "metadata.name is missing"),
        (lambda config: config["metadata"].pop("annotations"), "the annotation type is None"),
        (lambda config: config.clear(), "metadata.name is missing"),
        (annotate(type="classifier"), "the annotation type is 'classifier'; CVAT knows detector"),
        (annotate(version=2), "the annotation version is 2, but annotations are texts"),
        (annotate(min_pos_points="one"), "'one', not a whole number"),
        (annotate(startswith_box="false"), "'false', which CVAT takes for yes; leave it out"),
        (annotate(supported_shape_types="rectangle,blob"), "supported_shape_types names 'blob'"),
        (set_spec("[{"), "the annotation spec is no JSON text"),
        (set_spec({"dent": "rectangle"}), "the annotation spec is no list of labels"),
        (set_spec([]), "the annotation spec has no labels"),
        (set_spec([{"type": "rectangle", "attributes": []}]), "a label without a name"),
        (set_spec(["dent"]), 'a label without a name: "dent"'),
        (set_spec([{"name": "dent", "attributes": []}]), "label 'dent' is of type None"),
        (set_spec([{**LABEL, "type": "box"}]), "label 'dent' is of type 'box'"),
        (set_spec([{"name": "dent", "type": "tag"}]), "label 'dent' has no list of attributes"),
        (set_spec([LABEL, {**LABEL, "type": "tag"}]), "two labels are called 'dent', of whatever types"),
        (set_spec([{**LABEL, "attributes": LABEL["attributes"] * 2}]), "two attributes 'model'"),
        (set_spec([{**LABEL, "type": "skeleton", "sublabels": []}]), "the skeleton 'dent' has no svg"),
        (set_spec([{**LABEL, "type": "skeleton", "svg": ""}]), "the skeleton 'dent' has no list of sublabels"),
        (with_attribute(name="depth", input_type="text"), "has no values; CVAT needs all three keys"),
        (with_attribute(values=[]), "has no name and no input_type"),
        (with_attribute(name="depth", input_type="slider", values=[]), "attribute 'depth' is a 'slider'"),
        (
            with_attribute(name="depth", input_type="select", values="low"),
            "the values of attribute 'depth' are no list",
        ),
    ],
)
def test_what_breaks_cvats_list_is_one_sentence_each(path: Path, change: Callable[[Any], Any], problem: str) -> None:
    found = problems(path, change)

    assert any(problem in each for each in found), found
    assert all("\n" not in each for each in found)


def test_a_file_that_holds_no_mapping_is_told(path: Path) -> None:
    assert str(check_specs({path: ["metadata"]})[0]).startswith(f"{path}: holds no mapping")


def test_two_folders_with_one_name_are_told_but_not_the_gpu_file_beside(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "function.yaml"
    other.parent.mkdir()
    (other.parent / "main.py").touch()
    gpu = path.with_name("function-gpu.yaml")

    assert check_specs({path: SOUND, gpu: SOUND}) == []
    (finding,) = check_specs({path: SOUND, gpu: SOUND, other: SOUND})
    assert str(finding) == f"{other}: the function in {path.parent} is called finder too; rename one"


def test_every_finding_of_a_folder_of_functions_is_told_at_once(path: Path, tmp_path: Path) -> None:
    path.write_text(yaml.safe_dump({"metadata": {"name": "a_b"}, "spec": {}}))

    with pytest.raises(BadFunction) as error:
        require_sound(read_configs(tmp_path))

    lines = str(error.value).splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"{path}: ") for line in lines)


def test_a_file_that_is_no_yaml_is_one_sentence(path: Path, tmp_path: Path) -> None:
    path.write_text("metadata: [")

    with pytest.raises(BadFunction, match=rf"^{path} cannot be read: [^\n]+$"):
        read_configs(tmp_path)


NEEDY = {
    "metadata": {"name": "clicker", "annotations": {"requires_weights": "WEIGHTS"}},
    "spec": {"env": [{"name": "WEIGHTS", "value": "/nowhere"}]},
}


def test_a_function_without_its_weights_says_which_variable_should_name_them(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").touch()

    assert is_available(SOUND, {}) is None
    assert is_available(NEEDY, {}) == (
        "clicker is left out: WEIGHTS is /nowhere, which is no folder here; put config.json and *.safetensors there"
    )
    assert "has no config.json" in str(is_available(NEEDY, {"WEIGHTS": str(tmp_path)}))
    (tmp_path / "config.json").touch()
    assert "pickled weights are never opened" in str(is_available(NEEDY, {"WEIGHTS": str(tmp_path)}))
    (tmp_path / "model.safetensors").touch()
    assert is_available(NEEDY, {"WEIGHTS": str(tmp_path)}) is None
    assert "WEIGHTS is not set" in str(is_available({**NEEDY, "spec": {}}, {}))
