"""`carloop function deploy`, `list` and `remove` against a stand-in for Nuclio's dashboard."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from nuclio_functions.deploying import deployer
from tests.nuclio_functions.conftest import write_function_to
from tests.nuclio_functions.standin import Build, Nuclio

Run = Callable[..., tuple[int, str, str]]
HANDLER = "def handler(context, event): ..."
WEIGHTS = "CARLOOP_TESTED_WEIGHTS"


@pytest.fixture(autouse=True)
def _poll_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployer, "POLL_SECONDS", 0.01)


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    """Two functions, of which one needs weights."""
    folder = write_function_to(tmp_path / "functions", HANDLER, name="echo")
    path = write_function_to(folder, HANDLER, name="clicks") / "clicks" / "function.yaml"
    path.write_text(path.read_text().replace("annotations:", f"annotations:\n    requires_weights: {WEIGHTS}"))
    return folder


def test_all_that_can_run_are_deployed_and_then_left_alone(nuclio: Nuclio, function: Run, functions: Path) -> None:
    code, out, err = function("deploy", "--functions", functions)

    assert code == 0, err
    assert out.startswith("echo created on port 32768, configuration ")
    assert "clicks is left out: CARLOOP_TESTED_WEIGHTS is not set" in err
    assert "echo is building\n  Building processor image\n" in err
    spec = nuclio.functions["echo"].config["spec"]
    assert spec["build"]["baseImage"] == f"carloop-functions:{version('carloop')}"
    again = function("deploy", "echo", "--functions", functions, "--json")
    assert json.loads(again[1])[0]["outcome"] == "unchanged"
    assert function("deploy", "echo", "--functions", functions, "--force")[1].startswith("echo replaced")


def test_options_reach_nuclio(nuclio: Nuclio, function: Run, functions: Path, tmp_path: Path) -> None:
    (tmp_path / "sam").mkdir()
    (tmp_path / "sam" / "config.json").touch()
    (tmp_path / "sam" / "model.safetensors").touch()
    volume = ("--volume", f"{tmp_path}/sam:/opt/sam", "--env", f"{WEIGHTS}=/opt/sam")

    code, _, err = function("deploy", "clicks", "--functions", functions, "--registry", "there:5000", *volume)

    assert code == 0, err
    spec = nuclio.functions["clicks"].config["spec"]
    assert spec["build"]["baseImage"] == f"there:5000/carloop-functions-gpu:{version('carloop')}"
    assert spec["env"] == [{"name": WEIGHTS, "value": "/opt/sam"}]
    assert spec["volumes"][0]["volume"]["hostPath"] == {"path": f"{tmp_path}/sam"}


def test_one_without_its_weights_is_refused_by_name(nuclio: Nuclio, function: Run, functions: Path) -> None:
    code, out, err = function("deploy", "clicks", "--functions", functions)

    assert (code, out) == (1, "")
    assert err.startswith("carloop: clicks is left out: CARLOOP_TESTED_WEIGHTS is not set")
    assert nuclio.builds == 0


def test_weights_on_a_volume_of_another_machine_are_taken_on_trust(
    nuclio: Nuclio, function: Run, functions: Path
) -> None:
    volume = ("--volume", "pvc:models:/opt/models", "--env", f"{WEIGHTS}=/opt/models/sam")

    assert function("deploy", "clicks", "--functions", functions, *volume)[0] == 0
    other = ("--volume", "pvc:models:/opt/models", "--env", "CARLOOP_BUNDLES=/opt/models", "--env", f"{WEIGHTS}=/none")
    assert "which is no folder here" in function("deploy", "clicks", "--functions", functions, *other)[2]


def test_a_failed_build_is_a_sentence_with_nuclios_reason(nuclio: Nuclio, function: Run, functions: Path) -> None:
    nuclio.build = Build(("building", "error"), "no such image", ("Pulling",))

    code, out, err = function("deploy", "echo", "--functions", functions)

    assert (code, out) == (1, "")
    assert "carloop: Nuclio could not deploy echo, it is error: no such image\n  info Pulling" in err


def test_what_cvat_could_not_list_is_not_deployed(nuclio: Nuclio, function: Run, functions: Path) -> None:
    path = functions / "echo" / "function.yaml"
    path.write_text(path.read_text().replace("type: detector", "type: classifier"))

    code, _, err = function("deploy", "--functions", functions)

    assert code == 1
    assert "the annotation type is 'classifier'" in err
    assert nuclio.builds == 0


@pytest.mark.parametrize("option", [("--env", "A"), ("--limit", "=1"), ("--volume", "here:there"), ("--workers", "0")])
def test_options_that_cannot_be_are_a_usage_error(function: Run, option: tuple[str, str]) -> None:
    code, _, err = function("deploy", *option)

    assert code == 2
    assert option[0] in err


def test_list_tells_state_version_and_the_model_that_is_served(nuclio: Nuclio, function: Run, functions: Path) -> None:
    assert function("list")[1] == "no functions\n"
    function("deploy", "--functions", functions)

    (row,) = json.loads(function("list", "--json")[1])
    table = function("list")[1]

    assert (row["name"], row["state"], row["project"], row["port"]) == ("echo", "ready", "carloop", 32768)
    assert (row["model"], row["bundle"], row["trouble"]) == ("damage_detector@3", "ab" * 32, "")
    assert len(row["configuration"]) == 64
    assert "damage_detector@3" in table
    nuclio.build = Build(("error",), "out of memory")
    function("deploy", "--functions", functions, "--force")
    (row,) = json.loads(function("list", "--json")[1])
    assert (row["state"], row["model"], row["trouble"]) == ("error", "", "out of memory")


def test_remove_takes_away_what_is_there(nuclio: Nuclio, function: Run, functions: Path) -> None:
    function("deploy", "--functions", functions)

    code, out, err = function("remove", "echo", "other")

    assert (code, out) == (0, "echo removed\n")
    assert err == f"there is no other at {nuclio.url}\n"
    assert nuclio.functions == {}


def test_without_a_dashboard_every_command_says_so(function: Run, functions: Path) -> None:
    for command in (["deploy", "--functions", functions], ["list"], ["remove", "echo"]):
        code, out, err = function(*command, "--dashboard", "http://127.0.0.1:9")
        assert (code, out) == (1, "")
        assert "no Nuclio dashboard answers at http://127.0.0.1:9" in err
