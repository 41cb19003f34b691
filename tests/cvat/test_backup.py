"""A backup is whole or absent, restores what was there, and puts annotations back by names alone."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from cvat_sdk import Client, models
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cvat.backup import ANNOTATIONS, ARCHIVE, Backup, read_backup, read_snapshot, write_backup
from cvat.client import call, list_all
from cvat.errors import CvatConflict, CvatRefused
from cvat.jobs import list_jobs
from cvat.labels import read_labels
from cvat.placing import place_annotations, plan_placing
from cvat.restoring import restore_project
from cvat.wire import data_of, replace_wire, to_wire, track_to_wire
from datasets.coco import Image
from datasets.errors import BadDataset
from datasets.files import MANIFEST
from datasets.labelled import KeyFrame, LabelledObject, Track, tag
from datasets.snapshot import Frame, Snapshot, TaskSnapshot
from datasets.store import ImageStore
from pipelines.annotation.backup import backup_command, restore_command
from tests.cvat.played import directly, photograph, push

DENT = LabelledObject("dent", (1.0, 2.0, 30.5, 40.25), rotation=30.0, model="m@1", score=0.5)
MOVING = Track("damaged door", (KeyFrame(0, DENT), KeyFrame(2, LabelledObject("dent", (2.0, 2.0, 9.0, 9.0)))))


@pytest.fixture(scope="module")
def client(shared_cvat_server) -> Iterator[Client]:
    with directly(shared_cvat_server) as client:
        yield client


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    return ImageStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def images(store: ImageStore) -> list[Image]:
    return [photograph(store, shade) for shade in (0, 60, 120)]


@pytest.fixture(scope="module")
def project(client: Client, images: list[Image], store: ImageStore) -> str:
    """A project whose task has shapes, a tag, a track and a deleted frame."""
    name = f"cars {uuid4().hex}"
    project_id, task_id = push(client, name, images, store)
    labels = read_labels(client, "project_id", project_id)
    objects = [to_wire(one, frame, labels) for frame, one in ((0, DENT), (0, DENT), (2, tag("dirty")))]
    track = Track("damaged door", tuple(KeyFrame(n, door(n)) for n in (0, 2)))
    replace_wire(client, "tasks", task_id, data_of(objects, [track_to_wire(track, labels)]))
    call(client, "PATCH", f"/api/tasks/{task_id}/data/meta", body=b'{"deleted_frames": [1]}')
    return name


def door(shift: int) -> LabelledObject:
    return LabelledObject("damaged door", (5.0 + shift, 5.0, 20.0 + shift, 20.0))


@pytest.fixture(scope="module")
def backup(client: Client, project: str, tmp_path_factory: pytest.TempPathFactory) -> Backup:
    folder = tmp_path_factory.mktemp("backups") / "backup"
    write_backup(client, project, folder)
    return read_backup(folder)


def test_a_restored_project_is_as_it_was(client: Client, backup: Backup) -> None:
    restored = restore_project(client, backup, f"restored {uuid4().hex}")
    assert restored.differences == []
    found = read_snapshot(client, restored.project_id)
    assert found == backup.snapshot
    (task,) = found.tasks
    assert [len(frame.objects) for frame in task.frames] == [2, 0, 1]
    assert [frame.deleted for frame in task.frames] == [False, True, False]
    assert len(task.tracks) == 2  # one in each job, as CVAT cuts them


def test_restoring_again_takes_the_project_that_is_there(client: Client, backup: Backup) -> None:
    name = f"restored {uuid4().hex}"
    first = restore_project(client, backup, name)
    assert restore_project(client, backup, name).project_id == first.project_id


class Stopped(Exception):
    """Stands for a process that is killed."""


def stop(*_: object) -> None:
    raise Stopped


def cut_short(client: Client, backup: Backup, name: str, *, at: str) -> None:
    """Begin a restore that ends when it gets there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"cvat.restoring.{at}", stop)
        with pytest.raises(Stopped):
            restore_project(client, backup, name)


def projects(client: Client, **query: str) -> list[int]:
    return [project.id for project in list_all(client.api_client.projects_api, **query)]


@pytest.mark.parametrize("moment", ["_rename", "differences"])
def test_a_restore_that_was_cut_short_is_finished_by_the_next(
    client: Client, project: str, backup: Backup, moment: str
) -> None:
    before, name = projects(client), f"restored {uuid4().hex}"
    cut_short(client, backup, name, at=moment)
    left = set(projects(client)) - set(before)
    assert len(left) == 2  # the copy and the mark
    restored = restore_project(client, backup, name)
    assert restored.differences in ([], ())
    assert set(projects(client)) - set(before) == {restored.project_id} < left
    assert projects(client, name=name) == [restored.project_id]
    assert min(projects(client, name=project)) in before


def test_a_restore_whose_upload_was_cut_short_leaves_no_mark(client: Client, backup: Backup) -> None:
    before, name = projects(client), f"restored {uuid4().hex}"
    cut_short(client, backup, name, at="_upload")
    restored = restore_project(client, backup, name)
    assert set(projects(client)) - set(before) == {restored.project_id}


def test_a_copy_that_somebody_changed_meanwhile_is_left_and_told(client: Client, backup: Backup) -> None:
    before, name = projects(client), f"restored {uuid4().hex}"
    cut_short(client, backup, name, at="_rename")
    copy = max(projects(client))
    (job, *_) = list_jobs(client, project_id=copy)
    replace_wire(client, "jobs", job.id, data_of([]))
    with pytest.raises(CvatConflict, match=f"project {copy} was left by a restore that was cut short"):
        restore_project(client, backup, name)
    for project_id in set(projects(client)) - set(before):  # or other restores here would find them
        call(client, "DELETE", f"/api/projects/{project_id}")


def test_a_project_of_that_name_that_is_another_is_left_alone(client: Client, backup: Backup) -> None:
    name = f"another {uuid4().hex}"
    client.projects.create(models.ProjectWriteRequest(name=name))
    with pytest.raises(CvatConflict, match="restore under another --name"):
        restore_project(client, backup, name)


def test_annotations_are_put_onto_frames_of_the_same_names_in_other_tasks(
    client: Client, images: list[Image], store: ImageStore
) -> None:
    one, other = f"cars {uuid4().hex}", f"cars {uuid4().hex}"
    source, task_id = push(client, one, images, store)
    labels = read_labels(client, "project_id", source)
    replace_wire(client, "tasks", task_id, data_of(to_wire(DENT, frame, labels) for frame in (0, 0, 2)))
    target, _ = push(client, other, images[:1], store)
    push(client, other, images[1:], store)
    snapshot = read_snapshot(client, source)
    assert place_annotations(client, target, snapshot) == []
    assert drawn(read_snapshot(client, target)) == drawn(snapshot)
    assert place_annotations(client, target, snapshot) == []
    assert drawn(read_snapshot(client, target)) == drawn(snapshot)


def drawn(snapshot: Snapshot) -> dict[str, tuple[LabelledObject, ...]]:
    return {frame.name: frame.objects for task in snapshot.tasks for frame in task.frames}


def test_tracks_and_deleted_frames_are_put_back_into_a_task_of_the_same_frames(
    client: Client, backup: Backup, images: list[Image], store: ImageStore
) -> None:
    target, _ = push(client, f"cars {uuid4().hex}", images, store)
    assert place_annotations(client, target, backup.snapshot) == []
    assert read_snapshot(client, target).tasks == backup.snapshot.tasks


def test_labels_that_the_project_lacks_are_made(
    client: Client, backup: Backup, images: list[Image], store: ImageStore, tmp_path: Path
) -> None:
    name = f"cars {uuid4().hex}"
    bare = client.projects.create(models.ProjectWriteRequest(name=name, labels=[{"name": "other"}]))
    task = client.tasks.create(models.TaskWriteRequest(name="bare", project_id=bare.id))
    folder = tmp_path / "frames"
    folder.mkdir()
    names = [frame.name for frame in backup.snapshot.tasks[0].frames]
    for frame, image in zip(names, images, strict=True):
        shutil.copy(store.path(image.file_name), folder / frame)
    task.upload_data([folder / frame for frame in names], params={"sorting_method": "predefined"})
    assert place_annotations(client, bare.id, backup.snapshot) == []
    labels = read_labels(client, "project_id", bare.id).labels
    assert {label.name for label in labels} == {"other", *(label.name for label in backup.snapshot.labels)}


def test_annotations_that_are_there_are_not_lost(
    client: Client, backup: Backup, images: list[Image], store: ImageStore
) -> None:
    target, task_id = push(client, f"cars {uuid4().hex}", images, store)
    labels = read_labels(client, "project_id", target)
    replace_wire(client, "tasks", task_id, data_of([to_wire(tag("clean"), 0, labels)]))
    before = read_snapshot(client, target)
    with pytest.raises(CvatConflict, match="has other annotations, which would be lost"):
        place_annotations(client, target, backup.snapshot)
    assert read_snapshot(client, target) == before


def test_annotations_without_a_frame_are_named() -> None:
    source = Snapshot((), (TaskSnapshot("one", "", (Frame(0, "a.jpg", "", 9, 9, objects=(DENT,)),)),))
    with pytest.raises(CvatConflict, match=r"no frame for the annotations of 1 frames, such as 'a.jpg'"):
        plan_placing(source, {1: TaskSnapshot("one", "", (Frame(0, "b.jpg", "", 9, 9),))})


def test_tracks_without_a_task_of_their_frames_are_named() -> None:
    frames = tuple(Frame(number, name, "", 9, 9) for number, name in enumerate("ab"))
    source = Snapshot((), (TaskSnapshot("one", "", frames, (MOVING,)),))
    with pytest.raises(CvatConflict, match="no task with the frames of 'one' in their order"):
        plan_placing(source, {1: TaskSnapshot("two", "", frames[:1])})


def drawn_on(frames: list[Frame]) -> Counter[tuple[str, tuple[int, ...]]]:
    return Counter((frame.name, tuple(one.z_order for one in frame.objects)) for frame in frames if frame.objects)


def task_of(name: str, frames: list[tuple[str, list[LabelledObject]]]) -> TaskSnapshot:
    numbered = enumerate(frames)
    return TaskSnapshot(name, "", tuple(Frame(n, frame, "", 9, 9, objects=tuple(on)) for n, (frame, on) in numbered))


def test_a_frame_that_two_tasks_have_gets_back_what_it_had_in_each() -> None:
    first, second = (TaskSnapshot(name, "", (Frame(0, "a.jpg", "", 9, 9),)) for name in ("one", "two"))
    dented = TaskSnapshot("two", "", (Frame(0, "a.jpg", "", 9, 9, objects=(DENT,)),))
    assert plan_placing(Snapshot((), (first, dented)), {1: first, 2: second}) == {1: first, 2: dented}


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=4), max_size=4), st.data())
def test_everything_is_placed_exactly_once_however_the_frames_are_cut_into_tasks(cut, data) -> None:
    numbered = iter(range(100))
    tasks = [
        task_of(
            "one", [(name, [replace(DENT, z_order=next(numbered)) for _ in range(count)]) for name, count in frames]
        )
        for frames in cut
    ]
    every = [frame for task in tasks for frame in task.frames]
    shuffled = data.draw(st.permutations([frame.name for frame in every]))
    middle = data.draw(st.integers(0, len(shuffled)))
    parts = (shuffled[:middle], shuffled[middle:])
    present = {number: task_of("one", [(name, []) for name in part]) for number, part in enumerate(parts)}
    planned = plan_placing(Snapshot((), tuple(tasks)), present)
    found = [frame for task in planned.values() for frame in task.frames]
    assert drawn_on(found) == drawn_on(every)
    assert plan_placing(Snapshot((), tuple(planned.values())), planned) == planned


@pytest.mark.parametrize("damage", ["no manifest", "broken manifest", "cut archive", "changed annotations"])
def test_a_backup_that_is_not_whole_is_told(backup: Backup, damage: str, tmp_path: Path) -> None:
    folder = shutil.copytree(backup.archive.parent, tmp_path / "damaged")
    if damage == "no manifest":
        (folder / MANIFEST).unlink()
    elif damage == "broken manifest":
        (folder / MANIFEST).write_bytes(b"\xff{")
    elif damage == "cut archive":
        content = (folder / ARCHIVE).read_bytes()
        (folder / ARCHIVE).write_bytes(content[: len(content) // 2])
    else:
        (folder / ANNOTATIONS).write_bytes(b"{}")
    with pytest.raises(BadDataset, match=r"no whole backup|is not what was backed up"):
        read_backup(folder)


def test_an_archive_that_cvat_cannot_read_makes_no_project(client: Client, backup: Backup, tmp_path: Path) -> None:
    archive = tmp_path / "hostile.zip"
    archive.write_bytes(b"PK\x03\x04 and then nothing")
    name = f"hostile {uuid4().hex}"
    with pytest.raises(CvatRefused, match="while restoring"):
        restore_project(client, Backup(backup.manifest, archive, backup.snapshot), name)
    assert projects(client, search=name) == []


def test_a_backup_that_fails_leaves_nothing(client: Client, tmp_path: Path) -> None:
    with pytest.raises(CvatRefused, match="has no project"):
        write_backup(client, f"nobody's {uuid4().hex}", tmp_path / "backup")
    assert not list(tmp_path.iterdir())


def test_a_backup_is_not_written_over_another(client: Client, backup: Backup, project: str) -> None:
    with pytest.raises(BadDataset, match="is there already"):
        write_backup(client, project, backup.archive.parent)


def test_the_commands_back_up_and_restore(shared_cvat_server, project: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CARLOOP_CVAT_USER", shared_cvat_server.user)
    monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", shared_cvat_server.password)
    path = tmp_path / "carloop.yaml"
    path.write_text(f"cvat:\n  project: {project!r}\n  url: {shared_cvat_server.url}\n")
    options = ["--project", str(path), "--home", str(tmp_path / "home"), "--json"]
    runner, folder = CliRunner(), str(tmp_path / "safe")
    made = runner.invoke(backup_command, [folder, *options], catch_exceptions=False)
    assert json.loads(made.stdout)["objects"] == 3 + 2
    told = runner.invoke(restore_command, [folder, "--name", f"{project} again", *options], catch_exceptions=False)
    assert told.exit_code == 0
    assert json.loads(told.stdout)["differences"] == []
    with directly(shared_cvat_server) as client:
        assert list_jobs(client, project_id=json.loads(told.stdout)["project_id"])
