import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from nuclio_functions.host.folders import read_functions
from pipelines.errors import BadProject
from pipelines.functions.render import render

PROJECT = """
name: cars
categories:
  - {name: dent, attributes: [{name: depth, type: select, values: [low, high]}]}
  - {name: dirty, kind: tag}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "carloop.yaml"
    path.write_text(PROJECT)
    return path


def run(project: Path, out: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        render, ["--project", str(project), "--out", str(out), *options], catch_exceptions=False
    )
    return result.exit_code, result.stdout


def test_the_folders_can_be_hosted_and_have_the_projects_classes(project: Path, tmp_path: Path) -> None:
    exit_code, said = run(project, tmp_path / "functions")

    assert (exit_code, len(said.splitlines())) == (0, 10)
    hosted = {function.name: function for function in read_functions(tmp_path / "functions", {})}
    assert len(hosted) == 4  # one wants weights
    labels = json.loads(hosted["carloop-car-condition"].config["metadata"]["annotations"]["spec"])
    assert [(label["name"], label["type"]) for label in labels] == [("dent", "rectangle"), ("dirty", "tag")]
    assert labels[0]["attributes"][0] == {"name": "depth", "input_type": "select", "values": ["low", "high"]}


def test_a_check_writes_nothing_and_tells_what_is_out_of_date(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "functions"
    assert run(project, out, "--check")[0] == 1
    assert not out.exists()
    run(project, out)
    assert run(project, out, "--check") == (0, "every function file is up to date\n")

    changed = out / "damage_tracker" / "function.yaml"
    changed.write_text(changed.read_text().replace("Follows", "Chases"))

    exit_code, said = run(project, out, "--check", "--json")
    assert (exit_code, json.loads(said)) == (1, {"stale": [str(changed)]})


def test_a_main_of_ones_own_stays_and_the_yaml_is_written_anew(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "functions" / "damage_tracker"
    folder.mkdir(parents=True)
    (folder / "main.py").write_text("# mine")
    (folder / "function.yaml").write_text("spec: old")

    run(project, tmp_path / "functions")

    assert (folder / "main.py").read_text() == "# mine"
    assert yaml.safe_load((folder / "function.yaml").read_text())["metadata"]["name"] == "carloop-damage-tracker"


def test_a_project_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadProject, match="is not there"):
        run(tmp_path / "none.yaml", tmp_path)
