"""`carloop cvat pull` and `carloop cvat verify`: from accepted jobs to a version, and the round-trip certificate."""

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from cvat.client import call, read_all
from cvat.jobs import Job, list_jobs
from cvat.labels import read_labels
from cvat.project import find_project, require_project
from cvat.wire import change_wire, data_of, to_wire, track_to_wire
from datasets.coco import Dataset
from datasets.decisions import Decision, keep_decisions
from datasets.labelled import KeyFrame, LabelledObject, Track
from datasets.ledger import Ledger
from datasets.snapshot import decode_snapshot
from datasets.videos import video_digest
from pipelines.cli import main
from pipelines.shelf import Shelf
from tests.cvat.conftest import CvatServer
from tests.cvat.played import directly
from tests.pipelines.dataset.helpers import FRONT, PHOTOGRAPHS, REAR, SIDE, invoke, write_coco

PROJECT = """
name: cars
categories: [{{name: dent, attributes: [{{name: old, type: checkbox}}]}}, {{name: damaged door}}]
cvat: {{url: '{url}', project: {name}, segment_size: 2, control_share: 0}}
"""


@pytest.fixture
def project(server: CvatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project file here, which names a project of its own; the name."""
    name = f"cars {uuid4().hex}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARLOOP_CVAT_USER", server.user)
    monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", server.password)
    Path("carloop.yaml").write_text(PROJECT.format(url=server.url, name=name))
    return name


@pytest.fixture
def home(tmp_path: Path, project: str) -> Path:
    """A home with a version, `one`, that was pushed."""
    front, side, rear = (PHOTOGRAPHS[number] for number in (FRONT, SIDE, REAR))
    drawn = [("front.jpg", "dent", [10, 10, 40, 30]), ("side.jpg", "damaged door", [20, 20, 60, 40])]
    write_coco(tmp_path / "one", {"front.jpg": front, "side.jpg": side, "rear.jpg": rear}, drawn)
    home = tmp_path / "home"
    assert invoke("import", tmp_path / "one", "--home", home)[0] == 0
    cvat(home, "push", "one")
    return home


def run(home: Path, *arguments: object) -> tuple[int, str, str]:
    command = ["cvat", *map(str, arguments), "--home", str(home)]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def cvat(home: Path, *arguments: object) -> Any:
    """What a command that has to succeed prints."""
    code, out, err = run(home, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def jobs_of(server: CvatServer, project: str) -> list[Job]:
    with directly(server) as client:
        return list_jobs(client, project_id=require_project(client, project))


def accept(server: CvatServer, *jobs: Job, stage: str = "acceptance") -> None:
    body = msgspec.json.encode({"stage": stage, "state": "completed"})
    with directly(server) as client:
        for job in jobs:
            call(client, "PATCH", f"/api/jobs/{job.id}", body=body)


def draw(server: CvatServer, project: str, job: Job, *objects: LabelledObject) -> None:
    with directly(server) as client:
        labels = read_labels(client, "project_id", require_project(client, project))
        body = data_of(to_wire(labelled, job.start_frame, labels) for labelled in objects)
        change_wire(client, "jobs", job.id, "create", body)


def version(home: Path, told: Any) -> Dataset:
    return Shelf(home).read(told["version"])


def test_what_people_accepted_is_a_version_that_keeps_what_was_known_of_its_images(
    server: CvatServer, home: Path, project: str
) -> None:
    first, *_ = jobs = jobs_of(server, project)
    draw(server, project, first, LabelledObject("dent", (1.0, 2.0, 9.0, 8.0), attributes={"old": "true"}))
    accept(server, *jobs)
    told = cvat(home, "pull")
    pushed, pulled = Shelf(home).read("one"), version(home, told)
    assert (told["name"], told["jobs"], told["read"], told["images"], told["annotations"]) == (
        "cars-accepted", 2, 2, 3, 3,
    )  # fmt: skip
    assert {image.sha256: (image.family, image.source) for image in pulled.images} == {
        image.sha256: (image.family, image.source) for image in pushed.images
    }
    boxes = {(a.sha256, a.category_id, a.bbox_xywh) for a in pulled.annotations}
    assert {(a.sha256, a.category_id, a.bbox_xywh) for a in pushed.annotations} < boxes
    assert all(image.neg_category_ids for image in pulled.images)


def test_the_version_names_the_pushed_one_as_its_parent(server: CvatServer, home: Path, project: str) -> None:
    accept(server, *jobs_of(server, project))
    assert cvat(home, "pull")["parents"] == [Shelf(home).find("one").name]


def test_what_coco_cannot_hold_lies_beside_it(server: CvatServer, home: Path, project: str) -> None:
    first, *_ = jobs_of(server, project)
    draw(server, project, first, LabelledObject("dent", (5.0, 5.0, 9.0, 9.0), z_order=3, group=2))
    accept(server, first)
    folder = Shelf(home).versions / cvat(home, "pull")["version"]
    snapshot = decode_snapshot((folder / "snapshot.json").read_bytes(), told_in=folder)
    assert [label.name for label in snapshot.labels] == ["damaged door", "dent"]
    assert (3, 2) in {(o.z_order, o.group) for frame in snapshot.tasks[0].frames for o in frame.objects}


def test_a_pull_with_nothing_new_makes_nothing(server: CvatServer, home: Path, project: str) -> None:
    accept(server, *jobs_of(server, project))
    first = cvat(home, "pull")
    before = {path: path.stat().st_mtime_ns for path in Shelf(home).versions.rglob("*")}
    assert cvat(home, "pull") == {**first, "read": 0}
    assert {path: path.stat().st_mtime_ns for path in Shelf(home).versions.rglob("*")} == before


def test_a_version_that_was_removed_is_made_anew_without_reading_a_job(
    server: CvatServer, home: Path, project: str
) -> None:
    accept(server, *jobs_of(server, project))
    first = cvat(home, "pull")
    (Shelf(home).versions / first["version"] / "manifest.json").unlink()
    assert cvat(home, "pull") == {**first, "read": 0}


def test_more_that_is_accepted_makes_another_version(server: CvatServer, home: Path, project: str) -> None:
    first, second = jobs_of(server, project)
    accept(server, first)
    one = cvat(home, "pull", "--name", "accepted")
    accept(server, second)
    both = cvat(home, "pull", "--name", "accepted")
    assert (one["images"], both["images"], both["read"]) == (2, 3, 1)
    assert Shelf(home).names()["accepted"] == both["version"]


def test_classes_that_annotators_added_are_told(server: CvatServer, home: Path, project: str) -> None:
    first, *_ = jobs_of(server, project)
    with directly(server) as client:
        body = b'{"labels": [{"name": "scratch", "type": "rectangle", "attributes": []}]}'
        call(client, "PATCH", f"/api/projects/{require_project(client, project)}", body=body)
    draw(server, project, first, LabelledObject("scratch", (1.0, 2.0, 9.0, 8.0)))
    accept(server, first)
    assert cvat(home, "pull")["drift"] == {"scratch": 1}
    assert "class 'scratch' was added in CVAT" in run(home, "pull")[1]


def test_withdrawn_images_are_not_pulled(server: CvatServer, home: Path, project: str) -> None:
    accept(server, *jobs_of(server, project))
    image = Shelf(home).read("one").images[0]
    assert invoke("takedown", "--hash", image.sha256, "--home", home)[0] == 0
    told = cvat(home, "pull")
    assert image.sha256 not in version(home, told).by_sha256
    assert told["left_out"] == {"frames of images that were withdrawn": 1}


def decide(home: Path, decisions: dict[str, Decision]) -> None:
    keep_decisions(Shelf(home).decisions, decisions)


def test_what_reviewers_excluded_is_not_pulled_and_what_is_gold_is_on_no_side(
    server: CvatServer, home: Path, project: str
) -> None:
    accept(server, *jobs_of(server, project))
    before = cvat(home, "pull")
    excluded, gold, other = (image.sha256 for image in Shelf(home).read("one").images)
    decide(home, {excluded: Decision(("exclude",)), gold: Decision(("gold",)), other: Decision((), 3)})
    told = cvat(home, "pull")
    assert set(version(home, told).by_sha256) == {gold, other}
    assert told["left_out"] == {"frames that reviewers excluded": 1}
    decide(home, {excluded: Decision()})
    assert cvat(home, "pull")["version"] == before["version"]


def test_an_image_is_labelled_again_in_a_task_of_its_own_once_for_each_request(
    server: CvatServer, home: Path, project: str
) -> None:
    """It begins with what people left, and what they leave there alone is new to the ledger and to the version."""
    accept(server, *(jobs := jobs_of(server, project)))
    first = cvat(home, "pull")
    image = next(iter(version(home, first).annotations)).sha256
    decide(home, {image: Decision(("relabel",))})
    told = cvat(home, "push", "one")
    assert (told["again"], told["images"], told["there_already"], told["objects"]) == (1, 0, 2, 1)
    assert (told["prelabels"], told["probes"], told["controls"]) == (0, 0, 0)
    assert cvat(home, "push", "one")["tasks"] == []
    assert cvat(home, "pull")["version"] == first["version"]
    (again,) = [job for job in jobs_of(server, project) if job.task_id in told["tasks"]]
    draw(server, project, again, LabelledObject("dent", (70.0, 5.0, 80.0, 20.0)))
    accept(server, again)
    pulled = version(home, cvat(home, "pull"))
    assert len(pulled.annotations_of[image]) == len(version(home, first).annotations_of[image]) + 1
    with closing(Ledger(f"sqlite:///{home}/ledger.sqlite", f"{server.url} {project}")) as ledger:
        fates = ledger.read_fates_by_job()
        assert [row.fate.verdict for row in fates[again.id]] == ["added"]
        assert len(ledger.read_fates()) == len(version(home, first).annotations) + 1
    (old,) = [job for job in jobs if any(row.sha256 == image for row in fates.get(job.id, ()))]
    accept(server, old, stage="validation")
    cvat(home, "pull")
    accept(server, old)
    assert f"job {old.id} was accepted after a newer task that tells of 1 of its images" in run(home, "pull")[1]
    for marks, asked in (((), 0), (("relabel",), 1), (("relabel",), 0)):
        decide(home, {image: Decision(marks)})
        assert cvat(home, "push", "one")["again"] == asked
    assert len(jobs_of(server, project)) == len(jobs) + 2


def test_frames_of_a_video_are_fetched_once_with_an_object_on_each_where_its_track_is_seen(
    server: CvatServer, home: Path, project: str, tmp_path: Path
) -> None:
    clip = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(3):
        writer.write(np.full((48, 64, 3), 80 * number, np.uint8))
    writer.release()
    (task_id,) = cvat(home, "push", "--video", clip, "--as", "file")["tasks"]
    boxes = ((0, LabelledObject("dent", (0.0, 0.0, 10.0, 10.0))), (1, LabelledObject("dent", (20.0, 0.0, 30.0, 10.0))))
    track = Track("dent", tuple(KeyFrame(number, box) for number, box in boxes))
    with directly(server) as client:
        labels = read_labels(client, "project_id", require_project(client, project))
        (first, *_) = jobs = list_jobs(client, task_id=task_id)
        change_wire(client, "jobs", first.id, "create", data_of([], [track_to_wire(track, labels)]))
    accept(server, *jobs)
    pulled = version(home, cvat(home, "pull"))
    assert {image.derived_from for image in pulled.images} == {video_digest(clip)}
    assert {image.family for image in pulled.images} == {f"drive-{video_digest(clip)[:8]}"}
    assert len(pulled.images) == 3
    assert [(a.bbox_xywh, a.track_id) for a in sorted(pulled.annotations, key=lambda a: a.bbox_xywh)] == [
        ((0, 0, 10, 10), 1), ((20, 0, 10, 10), 1),
    ]  # fmt: skip
    shutil.rmtree(home / "datasets" / "versions" / cvat(home, "pull")["version"])
    assert version(home, cvat(home, "pull")) == pulled


def test_nothing_accepted_makes_no_version(home: Path) -> None:
    told = cvat(home, "pull")
    assert (told["version"], told["jobs"]) == (None, 0)
    assert "no job is accepted yet" in run(home, "pull")[1]


def test_a_project_that_is_not_there_is_one_sentence(home: Path, server: CvatServer) -> None:
    Path("carloop.yaml").write_text(PROJECT.format(url=server.url, name="nobody's"))
    code, out, err = run(home, "pull")
    assert (code, out) == (1, "")
    assert 'has no project "nobody\'s"; make it with carloop cvat push' in err


def test_a_version_that_comes_back_as_it_was_is_certified(server: CvatServer, home: Path, project: str) -> None:
    assert cvat(home, "verify", "one") == {"version": "one", "images": 3, "differences": 0, "found": []}
    with directly(server) as client:
        names = {p.name for p in read_all(client, "/api/projects", Named, {}) if p.name.startswith(project)}
    assert names == {project}


def test_a_version_that_comes_back_otherwise_fails_and_is_listed(server: CvatServer, home: Path, project: str) -> None:
    Path("carloop.yaml").write_text(
        PROJECT.format(url=server.url, name=project).replace("{name: damaged door}", "{name: damaged door, kind: tag}")
    )
    code, out, _ = run(home, "verify", "one", "--keep")
    assert code == 1
    assert "1 of class 'damaged door'" in out
    with directly(server) as client:
        assert find_project(client, f"{project} (verify {Shelf(home).find('one').name[:12]})") is not None


class Named(msgspec.Struct):
    """A project, as it is listed."""

    name: str
