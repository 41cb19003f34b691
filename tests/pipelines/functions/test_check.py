"""`carloop function check` through the embedded CVAT and the functions' host, both real."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from cvat.client import Credentials, connect
from cvat.labels import WireAttribute, WireLabel
from cvat.project import push_project
from datasets.taxonomy import Category, Taxonomy
from pipelines.functions.lambdas import LambdaAttribute, LambdaLabel, compare_labels
from tests.cvat.conftest import CvatServer
from tests.nuclio_functions.conftest import hosts, write_function_to

Run = Callable[..., tuple[int, str, str]]
DENT = {"label": "dent", "type": "rectangle", "points": [1, 2, 30, 40], "attributes": []}
ANSWERS = f"""
import json
def handler(context, event):
    if "shapes" in event.body:
        return context.Response(body=json.dumps({{"shapes": event.body["shapes"], "states": [1]}}))
    return context.Response(body=json.dumps([{DENT!r}]))
"""
FAILS = "def handler(context, event): 1 / 0"
TAXONOMY = Taxonomy(categories=(Category(name="dent"), Category(name="dirty", kind="tag")))


def write_functions(folder: Path) -> None:
    """One that is well, one whose label is another type in the project, one that fails, and a tracker."""
    write_function_to(folder, ANSWERS, name="well")
    write_function_to(folder, FAILS, name="failing")
    write_function_to(folder, ANSWERS, name="tracking")
    write_function_to(folder, ANSWERS, name="unfit")
    annotate(folder / "unfit", spec=json.dumps([{"name": "dirty", "type": "rectangle", "attributes": []}]))
    annotate(folder / "tracking", type="tracker", spec="[]")


def annotate(folder: Path, **annotations: str) -> None:
    content = yaml.safe_load((folder / "function.yaml").read_text())
    content["metadata"]["annotations"] |= annotations
    (folder / "function.yaml").write_text(yaml.safe_dump(content))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CvatServer]:
    """An embedded CVAT whose functions a host of four serves."""
    folder = tmp_path_factory.mktemp("check")
    write_functions(folder / "functions")
    with hosts(folder, folder / "bundles") as run:
        host = run("--functions", folder / "functions")
        server = CvatServer(folder, CARLOOP_NUCLIO_URL=host.url)
        yield server
        server.kill()


@pytest.fixture(scope="module")
def pushed(server: CvatServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A project with one image; its name."""
    picture = tmp_path_factory.mktemp("picture") / "car.jpg"
    Image.new("RGB", (64, 48), "navy").save(picture)
    with connect(server.url, Credentials(server.user, server.password)) as client:
        project_id = push_project(client, "cars", TAXONOMY)
        client.tasks.create_from_data({"name": "one", "project_id": project_id}, [str(picture)])
    return "cars"


@pytest.fixture
def check(server: CvatServer, function: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("CARLOOP_CVAT_USER", server.user)
    monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", server.password)
    path = tmp_path / "carloop.yaml"

    def run(project: str, *arguments: str) -> tuple[int, str, str]:
        path.write_text(f"cvat: {{project: {project}}}")
        return function("check", *arguments, "--cvat", server.url, "--project", path)

    return run


def test_a_function_that_fits_gives_a_frame_back(check: Callable[..., Any], pushed: str) -> None:
    code, out, err = check(pushed, "well", "tracking", "--json")

    assert code == 0, err
    well, tracking = json.loads(out)
    assert (well["name"], well["problems"], well["found"]) == ("well", [], 1)
    assert well["seconds"] > 0
    assert (tracking["problems"], tracking["found"]) == ([], 1)


def test_what_is_wrong_is_told_in_sentences(check: Callable[..., Any], pushed: str) -> None:
    code, out, _ = check(pushed, "well", "failing", "unfit", "absent")

    assert code == 1
    assert "well: well, 1 found in " in out
    assert "failing: wrong\n  a frame of task 1 did not come back: " in out
    assert "label 'dirty' is a rectangle of the function and a tag in the project, so it vanishes" in out
    assert "does not list it; it lists failing, tracking, unfit, well" in out


def test_a_project_without_a_task_is_checked_for_its_labels_alone(
    check: Callable[..., Any], server: CvatServer
) -> None:
    with connect(server.url, Credentials(server.user, server.password)) as client:
        push_project(client, "empty", TAXONOMY)

    code, out, _ = check("empty", "well")

    assert code == 0
    assert out == "well: well\n  no frame was asked about: the project has no task with images yet\n"


def test_a_project_that_is_not_there_is_a_sentence(check: Callable[..., Any]) -> None:
    code, out, err = check("nowhere", "well")

    assert (code, out) == (1, "")
    assert "has no project 'nowhere'" in err


def test_labels_are_compared_as_cvat_matches_them() -> None:
    model = WireAttribute(1, "model", "text")
    there = [WireLabel(1, "area", "mask"), WireLabel(2, "any", "any"), WireLabel(3, "dent", "rectangle", (model,))]
    both = (LambdaAttribute("model"), LambdaAttribute("confidence"), LambdaAttribute("other"))

    def problems(name: str, kind: str, attributes: tuple[LambdaAttribute, ...] = ()) -> list[str]:
        return list(compare_labels([LambdaLabel(name, kind, attributes)], there))

    assert problems("area", "polygon") == problems("any", "tag") == problems("dent", "unknown") == []
    assert problems("dent", "rectangle", both) == [
        "label 'dent' has no attribute 'confidence' in the project; push makes it"
    ]
    assert problems("dent", "mask")[0].startswith("label 'dent' is a mask of the function and a rectangle")
    assert problems("rust", "rectangle")[0].startswith("the project has no label 'rust'")
