"""Pulling: only what is accepted, all of it, and only what changed since."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cvat_sdk import Client, models
from msgspec.structs import replace

from cvat.errors import CvatConflict
from cvat.labels import read_labels
from datasets.labelled import KeyFrame, LabelledObject, Track, tag
from datasets.ledger import Prelabel
from tests.cvat.played import directly
from tests.cvat.pulled import DENT, EVERY_KIND, TAXONOMY, PullDesk, make_desk


@pytest.fixture(scope="module")
def client(shared_cvat_server) -> Iterator[Client]:
    with directly(shared_cvat_server) as client:
        yield client


@pytest.fixture
def desk(client: Client, tmp_path: Path) -> Iterator[PullDesk]:
    desk = make_desk(client, tmp_path)
    yield desk
    desk.ledger.close()


def test_every_kind_of_object_comes_back_as_it_was_drawn(desk: PullDesk) -> None:
    desk.draw(desk.jobs()[0], 1, *EVERY_KIND)
    desk.accept()
    (task,) = desk.tasks()
    found = {o.kind + str(o.rotation): o for o in task.frames[1].objects}
    wanted = {o.kind + str(o.rotation): o for o in EVERY_KIND}
    assert found == {
        key: replace(o, elements=tuple(sorted(o.elements, key=lambda e: e.category))) for key, o in wanted.items()
    }


def test_jobs_that_are_not_accepted_are_not_pulled(desk: PullDesk) -> None:
    first, second = desk.jobs()
    desk.accept(first)
    desk.accept(second, stage="validation")
    (task,) = desk.tasks()
    assert [frame.number for frame in task.frames] == [0, 1]


def test_a_team_of_one_stage_takes_jobs_that_are_completed_at_any(desk: PullDesk) -> None:
    first, second = desk.jobs()
    desk.accept(first, stage="annotation")
    desk.accept(second, stage="annotation", state="in progress")
    (task,) = desk.tasks(accept="completed")
    assert [frame.number for frame in task.frames] == [0, 1]


def test_a_pull_with_nothing_new_reads_no_job(desk: PullDesk) -> None:
    desk.draw(desk.jobs()[0], 0, DENT)
    desk.accept()
    first = desk.tasks()
    assert (desk.read, desk.tasks(), desk.read) == (2, first, 0)


def test_only_the_job_that_changed_is_read_again(desk: PullDesk) -> None:
    first, _ = desk.jobs()
    desk.accept()
    desk.pull()
    desk.draw(first, 0, DENT)
    (task,) = desk.tasks()
    assert desk.read == 1
    assert [o.category for o in task.frames[0].objects] == ["dent"]


def test_work_on_other_jobs_of_the_task_makes_no_job_be_read_again(desk: PullDesk) -> None:
    first, second = desk.jobs()
    desk.accept(first)
    desk.pull()
    desk.draw(second, 2, DENT)
    desk.pull()
    assert desk.read == 0


def test_a_job_that_is_opened_again_is_forgotten_with_its_fates(desk: PullDesk) -> None:
    first, _ = desk.jobs()
    desk.draw(first, 0, DENT)
    desk.accept()
    desk.pull()
    desk.accept(first, stage="annotation", state="in progress")
    (task,) = desk.tasks()
    assert [frame.number for frame in task.frames] == [2, 3]
    assert (desk.ledger.read_fates(), set(desk.ledger.read_pulls())) == ([], {desk.jobs()[1]})


def test_a_frame_deleted_after_a_pull_is_noticed_though_no_job_changed(desk: PullDesk) -> None:
    desk.draw(desk.jobs()[0], 0, DENT)
    desk.accept()
    assert [image.deleted for image in desk.accepted().dataset.images] == [False] * 4
    desk.delete_frame(0)
    pulled = desk.accepted()
    assert desk.read == 1
    tombstone = pulled.dataset.by_sha256[desk.images[0].sha256]
    assert (tombstone.deleted, tombstone.neg_category_ids, pulled.dataset.annotations) == (True, (), ())
    assert {image.sha256 for image in pulled.dataset.images} == {image.sha256 for image in desk.images}


def test_a_label_renamed_after_a_pull_is_noticed_though_no_job_changed(desk: PullDesk) -> None:
    desk.draw(desk.jobs()[0], 0, DENT)
    desk.accept()
    desk.pull()
    labels = read_labels(desk.client, "project_id", desk.project_id)
    renamed = models.PatchedLabelRequest(id=labels.id("dent"), name="bump")
    desk.client.projects.retrieve(desk.project_id).update(models.PatchedProjectWriteRequest(labels=[renamed]))
    (task,) = desk.tasks()
    assert [o.category for o in task.frames[0].objects] == ["bump"]


def test_a_job_that_changes_while_it_is_read_is_read_again(desk: PullDesk) -> None:
    first, _ = desk.jobs()
    desk.accept()

    def on_job(done: int, total: int) -> None:
        if (done, total) == (1, 2):
            desk.draw(first, 0, DENT)

    (task,) = desk.tasks(on_job=on_job)
    assert desk.read == 3
    assert [o.category for o in task.frames[0].objects] == ["dent"]


def test_a_job_that_never_rests_is_told(desk: PullDesk) -> None:
    first, _ = desk.jobs()
    desk.accept()
    with pytest.raises(CvatConflict, match="pull again when nobody writes"):
        desk.pull(on_job=lambda done, total: desk.draw(first, 0, DENT))


def test_classes_that_annotators_added_are_told_and_are_not_in_the_dataset(desk: PullDesk) -> None:
    desk.client.projects.retrieve(desk.project_id).update(
        models.PatchedProjectWriteRequest(labels=[models.PatchedLabelRequest(name="scratch", type="rectangle")])
    )
    desk.draw(desk.jobs()[0], 0, DENT, LabelledObject("scratch", (1.0, 1.0, 5.0, 5.0)))
    desk.accept()
    pulled = desk.accepted()
    assert pulled.drift == {"scratch": 1}
    assert [TAXONOMY.name(a.category_id) for a in pulled.dataset.annotations] == ["dent"]
    (task,) = desk.tasks()
    assert {o.category for o in task.frames[0].objects} == {"dent", "scratch"}


def test_what_coco_lacks_is_counted_and_its_class_is_not_absent(desk: PullDesk) -> None:
    desk.draw(desk.jobs()[0], 0, *EVERY_KIND)
    desk.accept()
    pulled = desk.accepted()
    assert pulled.left_out == {
        "polyline, which COCO lacks": 1,
        "points, which COCO lacks": 1,
        "cuboid, which COCO lacks": 1,
        "skeleton, which COCO lacks": 1,
    }
    assert pulled.dataset.by_sha256[desk.images[0].sha256].neg_category_ids == ()
    assert len(pulled.dataset.annotations) == 5


def test_every_object_that_is_not_in_the_dataset_is_counted(desk: PullDesk) -> None:
    outside = LabelledObject("dent", (70.0, 1.0, 80.0, 9.0))
    desk.draw(desk.jobs()[0], 0, DENT, outside, tag("dirty"), tag("dirty"))
    desk.accept()
    assert desk.accepted().left_out == {"objects with nothing inside their image": 1, "tags that say the same": 1}


def test_frames_with_a_probe_never_reach_the_dataset(desk: PullDesk) -> None:
    desk.accept()
    pulled = desk.accepted({desk.images[2].sha256: "with a probe"})
    assert desk.images[2].sha256 not in pulled.dataset.by_sha256
    assert pulled.left_out == {"frames with a probe": 1}


def test_a_track_is_an_object_on_every_frame_where_it_is_seen(desk: PullDesk) -> None:
    keys = (
        KeyFrame(0, LabelledObject("dent", (0.0, 0.0, 10.0, 10.0))),
        KeyFrame(2, LabelledObject("dent", (20.0, 10.0, 30.0, 20.0))),
        KeyFrame(3, LabelledObject("dent", (20.0, 10.0, 30.0, 20.0), outside=True)),
    )
    task_id = desk.push(segment_size=4)
    (job_id,) = desk.jobs(task_id)
    desk.draw_track(job_id, Track("dent", keys))
    desk.accept(job_id)
    (task,) = desk.tasks()
    assert [
        [(key.frame, key.shape.points, key.shape.outside) for key in track.key_frames] for track in task.tracks
    ] == [[(key.frame, key.shape.points, key.shape.outside) for key in keys]]
    annotations = desk.accepted().dataset.annotations
    by_image = {a.sha256: (a.bbox_xywh, a.track_id) for a in annotations}
    assert [by_image.get(image.sha256) for image in desk.images] == [
        ((0, 0, 10, 10), 1), ((10, 5, 10, 10), 1), ((20, 10, 10, 10), 1), None,
    ]  # fmt: skip


def test_what_two_jobs_have_alike_on_shared_frames_is_pulled_once(desk: PullDesk) -> None:
    task_id = desk.push(overlap=1, segment_size=2)
    first, second, third = desk.jobs(task_id)
    desk.draw(first, 1, DENT)
    nearly = replace(DENT, points=(10.25, 10.5, 40.0, 31.0))
    desk.draw(second, 1, nearly, LabelledObject("dent", (50.0, 1.0, 60.0, 9.0)))
    desk.accept(first, second, third)
    (task,) = desk.tasks()
    assert sorted(o.points for o in task.frames[1].objects) == [DENT.points, (50.0, 1.0, 60.0, 9.0)]


def test_the_newest_task_tells_of_an_image_that_two_tasks_show(desk: PullDesk) -> None:
    desk.draw(desk.jobs()[0], 0, DENT)
    newer = desk.push(desk.images[:1])
    desk.accept(*desk.jobs(), *desk.jobs(newer))
    pulled = desk.accepted()
    assert (pulled.dataset.annotations, pulled.left_out) == ((), {"frames of images that another frame tells of": 1})


def test_fates_annotator_and_times_are_noted(desk: PullDesk) -> None:
    first, _ = desk.jobs()
    desk.draw(first, 0, replace(DENT, source="auto", model="m@1", score=0.9))
    me = desk.client.users.retrieve_current_user()
    desk.client.jobs.retrieve(first).update(models.PatchedJobWriteRequest(assignee=me.id))
    desk.ledger.write_prelabels(
        first, [Prelabel(desk.images[0].sha256, "m@1", replace(DENT, points=(11.0, 14.0, 44.0, 34.0)))]
    )
    desk.accept()
    desk.pull()
    pull = desk.ledger.read_pulls()[first]
    assert (pull.assignee, pull.subset, pull.images, pull.working_seconds) == (me.username, "train", 2, None)
    assert pull.accepted_at == desk.ledger.read_job_events()[first][-1].at
    assert [(row.model, row.fate.verdict) for row in desk.ledger.read_fates()] == [("m@1", "moved")]
    assert [a.source for a in desk.accepted().dataset.annotations] == ["semi-auto"]
