"""`carloop cvat push` and `carloop cvat quality`: from a version on the shelf to tasks, or one sentence why not."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from cvat.client import read_all
from cvat.jobs import Task, list_jobs
from cvat.project import require_project
from cvat.wire import read_wire
from datasets.videos import video_digest
from pipelines.cli import main
from pipelines.shelf import Shelf
from tests.cvat.conftest import CvatServer
from tests.cvat.played import directly
from tests.pipelines.dataset.helpers import FRONT, PHOTOGRAPHS, REAR, SIDE, invoke, jpeg, picture, write_coco


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two datasets that see other classes on one image, `all` of them, and `more` than that."""
    root = tmp_path_factory.mktemp("shelf")
    front, side, rear = (PHOTOGRAPHS[number] for number in (FRONT, SIDE, REAR))
    one = [("front.jpg", "dent", [10, 10, 40, 30]), ("side.jpg", "damaged door", [20, 20, 60, 40])]
    write_coco(root / "one", {"front.jpg": front, "side.jpg": side, "rear.jpg": rear}, one)
    say_of_first(root / "one" / "annotations.json", {"rust": "much"})
    write_coco(root / "two", {"a.jpg": front}, [("a.jpg", "damaged door", [10, 10, 40, 30])])
    write_coco(root / "three", {"new.jpg": jpeg(picture(9))})
    commands = (
        *(["import", root / name] for name in ("one", "two", "three")),
        ["merge", "one", "two", "--no-pixels", "--name", "all"],
        ["merge", "all", "three", "--no-pixels", "--name", "more"],
    )
    for command in commands:
        assert invoke(*command, "--home", root / "home")[0] == 0
    return root / "home"


def say_of_first(path: Path, attributes: dict[str, str]) -> None:
    content = json.loads(path.read_text())
    content["annotations"][0]["attributes"] = attributes
    path.write_text(json.dumps(content))


@pytest.fixture
def project(server: CvatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project file here, which names a project of its own; the name."""
    name = f"cars {uuid4().hex}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARLOOP_CVAT_USER", server.user)
    monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", server.password)
    Path("carloop.yaml").write_text(
        f"cvat: {{url: '{server.url}', project: {name}, segment_size: 2, control_share: 0}}"
    )
    return name


def cvat(home: Path, *arguments: object) -> tuple[int, str, str]:
    command = ["cvat", *map(str, arguments), "--home", str(home)]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def push(home: Path, *arguments: object) -> Any:
    code, out, err = cvat(home, "push", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def refusal(home: Path, *arguments: object) -> str:
    """The one sentence of a command that is refused."""
    code, out, err = cvat(home, *arguments)
    assert (code, out) == (1, "")
    (sentence,) = [line for line in err.splitlines() if line.startswith("carloop: ")]
    return sentence


def tasks_of(server: CvatServer, project: str) -> list[Task]:
    with directly(server) as client:
        return read_all(client, "/api/tasks", Task, {"project_id": require_project(client, project)})


def test_a_version_is_pushed_with_what_is_known_and_pushed_again_without_effect(
    server, home: Path, project: str
) -> None:
    told = push(home, "all", "--title", "first")
    assert {name: told[name] for name in ("images", "there_already", "objects")} == {
        "images": 3,
        "there_already": 0,
        "objects": 3,
    }
    with directly(server) as client:
        jobs = list_jobs(client, task_id=told["tasks"][0])
        assert sum(len(read_wire(client, "jobs", job.id).shapes) for job in jobs) == 3
    again = push(home, "all", "--title", "first")
    assert (again["images"], again["there_already"], again["tasks"]) == (0, 3, [])
    grown = push(home, "more", "--title", "first")
    assert (grown["images"], grown["there_already"]) == (1, 3)
    assert [task.size for task in tasks_of(server, project)] == [3, 1]


def test_options_go_before_the_project_file(server, home: Path, project: str) -> None:
    options = ["--no-annotations", "--task-size", 2, "--subset", "extra", "--assign", "annotator", "--control-share", 1]
    told = push(home, "all", *options)
    assert (told["objects"], told["assigned"], told["controls"]) == (0, 2, 2)
    assert [(task.size, task.subset) for task in tasks_of(server, project)] == [(2, "extra"), (1, "extra")]
    assert all(task.name.startswith("carloop [") for task in tasks_of(server, project))


def test_what_a_person_should_know_is_told(home: Path, project: str) -> None:
    code, out, _ = cvat(home, "push", "all", "--subset", "test", "--probe-share", 1)
    assert code == 0
    assert re.search(r"issues +1\n", out)
    assert "no probes: they need images" in out
    assert "1 values of 'rust' were not pushed; add it to the attributes of 'dent' in the project file" in out


def test_probes_are_planted_where_people_drew_boxes_and_agree(home: Path, project: str) -> None:
    told = push(home, "all", "--probe-share", 1)
    assert told["probes"] == 1
    assert push(home, "all", "--probe-share", 1)["probes"] == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["all", "--assign", "alice"], "CVAT has no user 'alice'"),
        (["all", "--ground-truth", "5%"], "has no quality control"),
        (["some"], "some is no dataset version here"),
        (["all", "--overlap", 2], "overlap 2 has to be less than segment_size 2"),
    ],
)
def test_what_cannot_be_pushed_is_told_before_anything_is_made(
    server, home: Path, project: str, options: list[object], told: str
) -> None:
    assert told in refusal(home, "push", *options)
    with directly(server) as client:
        assert client.api_client.projects_api.list(name=project)[0].count == 0


def test_a_wrong_address_and_a_wrong_password_are_told(home: Path, project: str, monkeypatch) -> None:
    monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", "wrong")
    assert "does not let user 'annotator' in" in refusal(home, "push", "all")
    monkeypatch.setenv("CARLOOP_CVAT_URL", "http://127.0.0.1:9")
    assert "cannot reach CVAT at http://127.0.0.1:9" in refusal(home, "push", "all")


@pytest.mark.parametrize("frames", ["0", "-1", "1.5", "150%", "some"])
def test_a_number_of_frames_that_is_none_is_told(home: Path, frames: str) -> None:
    code, _, err = cvat(home, "push", "all", "--ground-truth", frames)
    assert code == 2
    assert repr(frames) in err


def test_quality_of_a_server_that_has_none_is_told(home: Path, project: str) -> None:
    assert "has no quality control" in refusal(home, "quality")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "drive.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(6):
        writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    writer.release()
    return path


def test_frames_of_a_video_become_a_version_and_its_tasks_once(server, home: Path, project: str, clip: Path) -> None:
    told = push(home, "--video", clip, "--step", 2)
    assert told["images"] == 3
    again = push(home, "--video", clip, "--step", 2)
    assert (again["images"], again["there_already"]) == (0, 3)
    named = [name for name in Shelf(home).names() if name.startswith("drive-")]
    (version,) = [Shelf(home).read(name) for name in named]
    assert {image.derived_from for image in version.images} == {video_digest(clip)}


def test_a_video_file_becomes_a_task_of_its_own(server, home: Path, project: str, clip: Path) -> None:
    told = push(home, "--video", clip, "--as", "file", "--start", 1, "--stop", 4)
    assert told["frames"] == 4
    assert push(home, "--video", clip, "--as", "file", "--start", 1, "--stop", 4)["tasks"] == told["tasks"]
    assert [task.size for task in tasks_of(server, project)] == [4]


@pytest.mark.parametrize("arguments", [[], ["all", "--video", "clip.mp4"]])
def test_either_a_version_or_a_video_is_pushed(home: Path, arguments: list[str]) -> None:
    code, _, err = cvat(home, "push", *arguments)
    assert code == 2
    assert "name a VERSION to push, or a --video" in err
