import json
from pathlib import Path

import pytest
import yaml

import nuclio_functions
from datasets.taxonomy import DEFAULT_TAXONOMY, Category, Taxonomy
from nuclio_functions.host.folders import read_functions
from nuclio_functions.spec import FUNCTIONS, render_function_yaml, spec_labels, write_function_yamls

FOLDER = Path(nuclio_functions.__file__).parent


def test_labels_are_the_projects_classes_with_text_attributes() -> None:
    taxonomy = Taxonomy(categories=(Category(name="scratch"), Category(name="wet", kind="tag")))

    assert spec_labels(taxonomy, "tag") == [
        {
            "name": "wet",
            "type": "tag",
            "attributes": [
                {"name": "model", "input_type": "text", "values": []},
                {"name": "confidence", "input_type": "text", "values": []},
            ],
        }
    ]


def test_the_committed_function_files_are_those_of_the_default_project(tmp_path: Path) -> None:
    for function in FUNCTIONS:
        (tmp_path / function.folder).mkdir()
    write_function_yamls(tmp_path, DEFAULT_TAXONOMY)

    for rendered in tmp_path.glob("*/*.yaml"):
        committed = FOLDER / rendered.relative_to(tmp_path)
        assert committed.read_text() == rendered.read_text(), "run spec.write_function_yamls"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.folder)
def test_cvat_finds_all_it_reads_in_a_function_file(function) -> None:
    config = yaml.safe_load(render_function_yaml(function, DEFAULT_TAXONOMY))

    annotations = config["metadata"]["annotations"]
    assert annotations["type"] == "detector"
    assert [label["name"] for label in json.loads(annotations["spec"])] == DEFAULT_TAXONOMY.names(function.kind)
    assert config["spec"]["description"]


def test_a_gpu_function_has_one_worker() -> None:
    config = yaml.safe_load(render_function_yaml(FUNCTIONS[0], DEFAULT_TAXONOMY, gpu=True))

    assert config["spec"]["resources"] == {"limits": {"nvidia.com/gpu": 1}}
    assert config["spec"]["triggers"]["http"]["maxWorkers"] == 1


def test_the_host_reads_the_committed_folders() -> None:
    detector = {function.name: function for function in read_functions(FOLDER)}["carloop-damage-detector"]

    assert (detector.workers, detector.availability_timeout, detector.event_timeout) == (2, 10, 60)
