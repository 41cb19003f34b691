"""Deploying with the real nuclio-jupyter to a stand-in of Nuclio's dashboard."""

import base64
import os
import socket
from pathlib import Path
from typing import Any

import pytest

import nuclio_functions
from nuclio_functions.deploying import deployer
from nuclio_functions.deploying.config import DIGEST, Placement, Volume, make_config, parse_volume
from nuclio_functions.deploying.dashboard import Dashboard, Health
from nuclio_functions.deploying.deployer import Result, Wait, config_of, deploy, find_folder
from nuclio_functions.errors import BadFunction, DashboardUnavailable, DeployFailed
from tests.nuclio_functions.standin import PROJECT_LABEL, Build, Nuclio

FUNCTIONS = Path(nuclio_functions.__file__).parent
NAME = "carloop-damage-detector"
PLACEMENT = Placement(base_image="carloop-functions:0.1.0")


@pytest.fixture(autouse=True)
def _poll_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployer, "POLL_SECONDS", 0.01)


def config(placement: Placement = PLACEMENT, *, folder: str = "damage_detector") -> dict[str, Any]:
    return config_of(FUNCTIONS / folder, placement)


def wait(told: list[str] | None = None, *, seconds: float = 5) -> Wait:
    return Wait(seconds, (told if told is not None else []).append)


def push(nuclio: Nuclio, placement: Placement = PLACEMENT, **options: Any) -> Result:
    return deploy(Dashboard(nuclio.url), config(placement), project=placement.project, wait=wait(), **options)


def test_a_function_goes_into_its_project_with_its_code_and_is_awaited(nuclio: Nuclio) -> None:
    told: list[str] = []

    result = deploy(Dashboard(nuclio.url), config(), project="carloop", wait=wait(told))

    assert (result.name, result.outcome, result.port) == (NAME, "created", 32768)
    assert nuclio.projects == {"default", "carloop"}
    held = nuclio.functions[NAME].config
    assert held["metadata"]["labels"][PROJECT_LABEL] == "carloop"
    code = base64.b64decode(held["spec"]["build"]["functionSourceCode"])
    assert code == (FUNCTIONS / "damage_detector" / "main.py").read_bytes()
    assert held["spec"]["runtime"] == "python:3.11"
    assert told == [
        f"{NAME} is building",
        "  Building processor image",
        "  Pushing docker image",
        f"{NAME} is waitingForResourceConfiguration",
        f"{NAME} is ready",
    ]


def test_the_same_again_does_nothing_and_anything_else_replaces_it(nuclio: Nuclio) -> None:
    first = push(nuclio)

    assert push(nuclio) == Result(NAME, "unchanged", first.digest, 32768)
    assert nuclio.builds == 1
    assert push(nuclio, Placement(PLACEMENT.base_image, workers=3)).outcome == "replaced"
    assert nuclio.functions[NAME].config["spec"]["triggers"]["http"]["maxWorkers"] == 3
    assert push(nuclio, Placement(PLACEMENT.base_image, workers=3), force=True).outcome == "replaced"
    assert nuclio.builds == 3


def test_one_that_failed_is_deployed_again_even_if_it_is_the_same(nuclio: Nuclio) -> None:
    nuclio.build = Build(("building", "error"), "no space left")
    with pytest.raises(DeployFailed):
        push(nuclio)
    nuclio.build = Build()

    assert push(nuclio).outcome == "replaced"


def test_one_that_is_being_built_is_awaited_first(nuclio: Nuclio) -> None:
    wanted = config()
    nuclio.projects.add("carloop")
    Dashboard(nuclio.url).push(wanted, "carloop")

    assert push(nuclio).outcome == "unchanged"
    assert nuclio.builds == 1


def test_a_failed_build_is_told_with_nuclios_reason_and_the_whole_log(nuclio: Nuclio) -> None:
    nuclio.build = Build(
        ("building", "building", "error"), "failed to pull carloop-functions:0.1.0", ("Pulling", "EOF")
    )

    with pytest.raises(DeployFailed) as raised:
        push(nuclio)

    assert str(raised.value) == (
        f"Nuclio could not deploy {NAME}, it is error: failed to pull carloop-functions:0.1.0"
        "\n  info Pulling\n  info EOF"
    )


def test_a_build_without_an_end_is_given_up_in_time(nuclio: Nuclio) -> None:
    nuclio.build = Build(("building",))

    with pytest.raises(DeployFailed, match=r"(?s)is still building after 0\.05 s.*larger --timeout"):
        deploy(Dashboard(nuclio.url), config(), project="carloop", wait=wait(seconds=0.05))


def test_a_project_that_somebody_else_makes_meanwhile_is_used(nuclio: Nuclio) -> None:
    nuclio.rivals = True

    assert push(nuclio).outcome == "created"


def test_a_function_of_another_project_is_left_alone(nuclio: Nuclio) -> None:
    push(nuclio)

    with pytest.raises(DeployFailed, match=r"already exists under a different project \(carloop\)"):
        push(nuclio, Placement(PLACEMENT.base_image, project="other"))


def test_a_dashboard_that_never_answers_is_told_in_time(nuclio: Nuclio) -> None:
    nuclio.hangs.set()

    with pytest.raises(DashboardUnavailable, match=r"did not answer within 0\.2 s"):
        Dashboard(nuclio.url, call_seconds=0.2).functions()


def test_no_dashboard_is_told_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

    for ask in (Dashboard(url).functions, lambda: Dashboard(url).find("some"), lambda: Dashboard(url).remove("some")):
        with pytest.raises(
            DashboardUnavailable,
            match=rf"^no Nuclio dashboard answers at {url} \(ConnectionError\); .*correct the URL$",
        ):
            ask()


def test_removing_waits_for_nobody_and_prints_nothing(nuclio: Nuclio, capsys: pytest.CaptureFixture[str]) -> None:
    push(nuclio)
    dashboard = Dashboard(nuclio.url)

    dashboard.remove(NAME)

    assert dashboard.find(NAME) is None
    assert dashboard.functions() == []
    assert capsys.readouterr().out == ""


def test_one_that_is_being_built_cannot_be_removed(nuclio: Nuclio) -> None:
    nuclio.build = Build(("building",))
    dashboard = Dashboard(nuclio.url)
    dashboard.push(config(), "carloop")

    with pytest.raises(DeployFailed, match=r"412 .*being provisioned and cannot be deleted"):
        dashboard.remove(NAME)


def test_a_function_tells_the_model_that_it_serves(nuclio: Nuclio) -> None:
    dashboard = Dashboard(nuclio.url)

    assert dashboard.health(NAME) == Health(model="damage_detector@3", bundle="ab" * 32)
    nuclio.health = (503, {"error": "no damage_detector is published"})
    assert dashboard.health(NAME).error == "no damage_detector is published"
    nuclio.health = (500, ["what is this"])
    assert dashboard.health(NAME).error.startswith("it answered 500")


def test_a_placement_is_told_in_nuclios_words() -> None:
    placement = Placement(
        base_image="there/carloop-functions:0.1.0",
        gpu=True,
        registry="there",
        env={"CARLOOP_BUNDLES": "s3://models", "MORE": "1"},
        volumes=(parse_volume("/srv/bundles:/opt/bundles"), parse_volume("pvc:models:/opt/models")),
        limits={"memory": "4Gi"},
        workers=2,
        replicas=3,
    )

    spec = config(placement, folder="damage_segmenter")["spec"]

    env = {each["name"]: each["value"] for each in spec["env"]}
    assert env == {"CARLOOP_SEGMENTER_WEIGHTS": "/opt/carloop/segmenter", "CARLOOP_BUNDLES": "s3://models", "MORE": "1"}
    assert spec["resources"]["limits"] == {"nvidia.com/gpu": 1, "memory": "4Gi"}
    assert (spec["minReplicas"], spec["maxReplicas"], spec["triggers"]["http"]["maxWorkers"]) == (3, 3, 2)
    assert (spec["build"]["registry"], spec["runRegistry"], spec["build"]["noBaseImagesPull"]) == (
        "there",
        "there",
        False,
    )
    assert spec["build"]["baseImage"] == "there/carloop-functions:0.1.0"
    folder, claim = spec["volumes"]
    assert folder["volume"] == {"name": "carloop-0", "hostPath": {"path": "/srv/bundles"}}
    assert folder["volumeMount"] == {"name": "carloop-0", "mountPath": "/opt/bundles", "readOnly": True}
    assert claim["volume"]["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}


def test_the_digest_is_of_all_that_is_deployed() -> None:
    content = {"metadata": {"name": "a", "annotations": {}}, "spec": {"handler": "main:handler"}}

    def digest(code: bytes = b"", **options: Any) -> str:
        made = make_config(content, code, Placement("image", **options))
        return str(made["metadata"]["annotations"][DIGEST])

    others = [digest(b"other"), digest(project="other"), digest(env={"A": "1"}), digest(registry="there")]
    assert len({digest(), *others}) == 5
    assert digest() == digest()
    assert content["metadata"]["annotations"] == {}


@pytest.mark.parametrize("text", ["", "bundles:/opt", "/srv:opt", "/srv", "pvc::/opt"])
def test_what_is_no_volume_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no /PATH:/TARGET"):
        parse_volume(text)


def test_a_windows_like_colon_belongs_to_the_source() -> None:
    assert parse_volume("/srv/a:b:/opt") == Volume("/srv/a:b", "/opt")


@pytest.mark.parametrize("name", ["damage_detector", "damage-detector", NAME])
def test_a_function_is_found_by_its_folders_name_or_by_nuclios(name: str) -> None:
    assert find_folder(FUNCTIONS, name) == FUNCTIONS / "damage_detector"


def test_an_unknown_function_and_a_broken_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadFunction, match=r"there is no function other in .*damage_detector"):
        find_folder(FUNCTIONS, "other")
    (tmp_path / "function.yaml").write_text("[")
    with pytest.raises(BadFunction, match="cannot be read"):
        config_of(tmp_path, PLACEMENT)
    (tmp_path / "function.yaml").write_text("spec: {}")
    with pytest.raises(BadFunction, match="without name or handler"):
        config_of(tmp_path, PLACEMENT)


def test_certificates_are_checked_unless_somebody_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    from nuclio import deploy as nuclio_deploy

    Dashboard("https://somewhere")
    assert nuclio_deploy.VERIFY_CERT is True
    monkeypatch.setitem(os.environ, "NUCLIO_VERIFY_CERT", "false")
    Dashboard("https://somewhere")
    assert nuclio_deploy.VERIFY_CERT is False
