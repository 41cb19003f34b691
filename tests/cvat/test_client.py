"""Carloop's side of CVAT: pushed once, pre-labelled without doubling, corrected."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest
from cvat_sdk import Client, models
from PIL import Image as PillowImage

from cvat.annotator import annotate_task
from cvat.client import Credentials, connect, list_all
from cvat.errors import CvatConflict, CvatRefused, CvatUnavailable
from cvat.jobs import Frames, Job, list_jobs, read_frames, read_objects
from cvat.prelabel import prelabel_job
from cvat.project import push_project
from cvat.push import push_task
from cvat.settings import CvatSettings
from cvat.wire import change_wire, data_of, to_wire
from datasets.coco import Image, Provenance
from datasets.labelled import LabelledObject, tag
from datasets.ledger import Ledger, Prelabel
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY, Category, Taxonomy
from tests.cvat.played import new_ledger, prelabel_task

DOOR = LabelledObject("damaged door", (10.0, 10.0, 40.0, 30.0), score=0.9)
DENT = LabelledObject("dent", (5.0, 30.0, 25.0, 45.0), score=0.55)
DIRTY = tag("dirty", score=0.8)


@dataclass(frozen=True)
class Desk:
    """A client, and one task of four photographs in two jobs."""

    client: Client
    store: ImageStore
    images: Sequence[Image]
    project_id: int
    task_id: int
    title: str
    ledger: Ledger

    @property
    def frames(self) -> Frames:
        return read_frames(self.client, self.task_id, {image.sha256: image for image in self.images})

    def push(self) -> int:
        return push(self.client, self.project_id, self.images, self.store, self.title)

    def prelabels(self, *labelled: LabelledObject) -> list[Prelabel]:
        """The same objects predicted on every photograph."""
        return [Prelabel(image.sha256, "damage_detector@1", one) for image in self.images for one in labelled]

    def write(self, *labelled: LabelledObject) -> dict[int, list[Prelabel]]:
        """Pre-label; gives what the ledger knows then."""
        jobs = prelabel_task(self.client, self.ledger, self.frames, self.prelabels(*labelled))
        return {job: self.ledger.read_prelabels(job) for job in jobs}

    def draw(self, *, frame: int, source: str) -> None:
        """A dent that no model saw, on a frame of the first job."""
        box = LabelledObject("dent", (1.0, 1.0, 9.0, 9.0), source=source)
        body = data_of([to_wire(box, frame, self.frames.labels)])
        change_wire(self.client, "jobs", self.jobs()[0], "create", body)

    def jobs(self) -> list[int]:
        return [job.id for job in list_jobs(self.client, task_id=self.task_id)]

    def found(self) -> list[tuple[str, LabelledObject]]:
        frames = self.frames
        return [found for job in self.jobs() for found in read_objects(self.client, job, frames)]


def push(client: Client, project_id: int, images: Sequence[Image], store: ImageStore, title: str) -> int:
    settings = CvatSettings(segment_size=2)
    return push_task(client, project_id, images, store, title=title, subset="train", settings=settings)


@pytest.fixture(scope="module")
def client(shared_cvat_server) -> Iterator[Client]:
    credentials = Credentials(shared_cvat_server.user, shared_cvat_server.password)
    with connect(shared_cvat_server.url, credentials) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


@pytest.fixture
def images(store: ImageStore) -> list[Image]:
    return [photograph(store, number) for number in range(4)]


def photograph(store: ImageStore, number: int) -> Image:
    content = io.BytesIO()
    PillowImage.new("RGB", (64, 48), (60 * number, 90, 30)).save(content, "JPEG")
    stored = store.write_image(content.getvalue())
    source = Provenance(url=f"http://cars.test/photos/Käfer {number}.jpg")
    return Image(stored.sha256, stored.file_name, 64, 48, family=f"car-{9 - number}", source=source)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with new_ledger() as ledger:
        yield ledger


@pytest.fixture
def desk(client: Client, store: ImageStore, images: list[Image], ledger: Ledger) -> Desk:
    title = f"round {uuid4().hex}"
    project_id = push_project(client, f"cars {uuid4().hex}", DEFAULT_TAXONOMY)
    return Desk(client, store, images, project_id, push(client, project_id, images, store, title), title, ledger)


def test_a_client_leaves_no_connection_open(shared_cvat_server) -> None:
    port = urlsplit(shared_cvat_server.url).port

    def connections() -> set[int]:
        found = psutil.Process().net_connections("tcp")
        return {one.laddr.port for one in found if one.raddr and one.raddr.port == port}

    before = connections()  # of other tests, which may close theirs meanwhile
    with connect(shared_cvat_server.url, Credentials(shared_cvat_server.user, shared_cvat_server.password)) as client:
        list_all(client.api_client.projects_api)
        ours = connections() - before
        assert ours
    assert not ours & connections()


def test_a_project_gets_a_label_for_every_class_with_model_and_confidence(desk: Desk) -> None:
    labels = desk.client.projects.retrieve(desk.project_id).get_labels()
    assert [(label.name, str(label.type)) for label in labels] == [
        (category.name, category.kind) for category in DEFAULT_TAXONOMY.categories
    ]
    assert all({spec.name for spec in label.attributes} == {"model", "confidence"} for label in labels)


def test_a_project_that_is_there_gets_only_the_labels_it_lacks(client: Client) -> None:
    name = f"cars {uuid4().hex}"
    first = push_project(client, name, Taxonomy(categories=(Category(name="dent"),)))
    before = {label.name: label.id for label in client.projects.retrieve(first).get_labels()}
    second = push_project(client, name, DEFAULT_TAXONOMY)
    after = {label.name: label.id for label in client.projects.retrieve(second).get_labels()}
    assert second == first
    assert after["dent"] == before["dent"]
    assert set(after) == set(DEFAULT_TAXONOMY.names())


def test_a_label_of_another_type_is_a_conflict_that_names_both(client: Client) -> None:
    name = f"cars {uuid4().hex}"
    client.projects.create(models.ProjectWriteRequest(name=name, labels=[{"name": "dent", "type": "polygon"}]))
    with pytest.raises(CvatConflict, match="'dent' is polygon, not rectangle"):
        push_project(client, name, DEFAULT_TAXONOMY)


def test_frames_are_named_for_people_and_by_content_in_the_order_of_families(desk: Desk) -> None:
    names = [frame.name for frame in desk.client.tasks.retrieve(desk.task_id).get_frames_info()]
    by_family = sorted(desk.images, key=lambda image: image.family)
    assert names == [f"Käfer-{9 - int(i.family[-1])}__{i.sha256[:16]}.jpg" for i in by_family]
    assert desk.frames.sha256 == [image.sha256 for image in by_family]


def test_pushing_again_makes_no_second_task(desk: Desk) -> None:
    assert desk.push() == desk.task_id
    assert len(list_all(desk.client.api_client.tasks_api, project_id=desk.project_id)) == 1


def test_a_task_whose_upload_was_cut_short_is_replaced(client: Client, store: ImageStore, images: list[Image]) -> None:
    project_id = push_project(client, f"cars {uuid4().hex}", DEFAULT_TAXONOMY)
    whole = push(client, project_id, images, store, "round 1")
    name = client.tasks.retrieve(whole).name
    client.tasks.remove_by_ids([whole])
    empty = client.tasks.create(models.TaskWriteRequest(name=name, project_id=project_id))
    again = push(client, project_id, images, store, "round 1")
    assert [task.id for task in list_all(client.api_client.tasks_api, project_id=project_id)] == [again]
    assert again != empty.id
    assert client.tasks.retrieve(again).size == len(images)


def test_prelabels_come_back_with_ids_model_and_confidence(desk: Desk) -> None:
    written = [p for prelabels in desk.write(DOOR, DIRTY).values() for p in prelabels]
    assert len(written) == 8
    assert {p.model for p in written} == {"damage_detector@1"}
    assert {(p.stored.category, p.stored.bbox_xyxy, p.stored.score) for p in written} == {
        ("damaged door", DOOR.bbox_xyxy, 0.9),
        ("dirty", None, 0.8),
    }
    assert all(p.stored.shape_id for p in written)


def test_writing_the_same_prelabels_again_changes_nothing(desk: Desk) -> None:
    first = desk.write(DOOR, DIRTY)
    assert desk.write(DOOR, DIRTY) == first


def test_prelabels_that_the_ledger_had_no_time_to_note_are_not_doubled(desk: Desk) -> None:
    with new_ledger() as lost:
        replace_dataclass(desk, ledger=lost).write(DOOR, DIRTY)
    desk.write(DOOR, DIRTY)
    assert len(desk.found()) == 8
    assert sum(len(desk.ledger.read_prelabels(job)) for job in desk.jobs()) == 8


def test_what_was_replaced_but_not_yet_removed_goes_with_the_next_run(desk: Desk) -> None:
    with new_ledger() as lost:
        replace_dataclass(desk, ledger=lost).write(DOOR)
    desk.write(DENT)
    assert {labelled.category for _, labelled in desk.found()} == {"dent"}


def test_another_model_s_prelabels_stay(desk: Desk) -> None:
    desk.write(DOOR)
    frames = desk.frames
    for job in desk.jobs():
        prelabel_job(
            desk.client, desk.ledger, job, frames, (), sha256s=frames.sha256, models={"cleanliness_classifier"}
        )
    assert len(desk.found()) == 4


def test_a_prelabel_that_a_person_deleted_does_not_come_back(desk: Desk) -> None:
    desk.write(DOOR)
    job = desk.client.jobs.retrieve(desk.jobs()[0])
    shape = job.get_annotations().shapes[0]
    job.remove_annotations(ids=[shape.id])
    desk.write(DOOR)
    desk.write(DENT)
    assert sorted(labelled.category for _, labelled in desk.found()) == ["dent"] * 3
    assert shape.id in {p.stored.shape_id for p in desk.ledger.read_prelabels(job.id)}


def test_another_prediction_replaces_the_untouched_one(desk: Desk) -> None:
    desk.write(DOOR)
    desk.write(DENT)
    assert {labelled.category for _, labelled in desk.found()} == {"dent"}


def test_a_prelabel_that_a_person_moved_stays(desk: Desk) -> None:
    desk.write(DOOR)
    job = desk.client.jobs.retrieve(desk.jobs()[0])
    shape = job.get_annotations().shapes[0].to_dict() | {"points": [1.0, 1.0, 9.0, 9.0]}
    job.update_annotations(models.PatchedLabeledDataRequest(shapes=[models.LabeledShapeRequest(**shape)]))
    desk.write(DENT)
    assert [o.bbox_xyxy for _, o in desk.found() if o.category == "damaged door"] == [(1.0, 1.0, 9.0, 9.0)]


def test_an_image_that_has_boxes_gets_no_more_of_them_but_tags(desk: Desk) -> None:
    desk.draw(frame=0, source="file")
    desk.write(DOOR, DIRTY)
    shown = [labelled.category for sha256, labelled in desk.found() if sha256 == desk.frames.sha256[0]]
    assert sorted(shown) == ["dent", "dirty"]
    assert len(desk.found()) == 8


def test_a_box_that_a_person_drew_leaves_the_prelabels_beside_it_in_place(desk: Desk) -> None:
    desk.write(DOOR)
    desk.draw(frame=0, source="manual")
    desk.write(DENT)
    shown = [labelled.category for sha256, labelled in desk.found() if sha256 == desk.frames.sha256[0]]
    assert sorted(shown) == ["damaged door", "dent"]
    assert len(desk.found()) == 5


def test_a_job_that_somebody_has_begun_is_left_alone(desk: Desk) -> None:
    begun, other = desk.jobs()
    desk.client.jobs.retrieve(begun).update(models.PatchedJobWriteRequest(state="in progress"))
    assert set(desk.write(DOOR)) == {other}
    assert len(desk.found()) == 2


def test_the_annotator_leaves_exactly_the_truth_behind(desk: Desk) -> None:
    off_by_far = LabelledObject("dent", (30.0, 2.0, 60.0, 20.0), score=0.4)
    desk.write(DOOR, off_by_far, tag("clean", score=0.6))
    truth = [LabelledObject("damaged door", (12.0, 12.0, 44.0, 36.0)), LabelledObject("dent", (2.0, 33.0, 20.0, 46.0))]
    truths = {image.sha256: [*truth, tag("dirty")] for image in desk.images}
    assert annotate_task(desk.client, desk.frames, truths) == 2
    left = {(labelled.category, labelled.bbox_xyxy) for _, labelled in desk.found()}
    assert left == {(one.category, one.bbox_xyxy) for one in (*truth, tag("dirty"))}
    assert len(desk.found()) == 3 * len(desk.images)


def test_the_annotator_accepts_a_good_enough_box_as_it_is(desk: Desk) -> None:
    desk.write(DOOR)
    truths = {image.sha256: [LabelledObject("damaged door", (10.5, 10.0, 40.0, 31.0))] for image in desk.images}
    annotate_task(desk.client, desk.frames, truths)
    assert {labelled.bbox_xyxy for _, labelled in desk.found()} == {DOOR.bbox_xyxy}


def test_the_annotator_tells_when_a_job_is_taken_up_and_accepted(desk: Desk) -> None:
    told: list[Job] = []
    annotate_task(desk.client, desk.frames, {image.sha256: [] for image in desk.images}, on_change=told.append)
    changes = [("annotation", "in progress"), ("acceptance", "completed")]
    assert [(job.id, job.stage, job.state) for job in told] == [
        (id, *change) for id in desk.jobs() for change in changes
    ]
    assert [job.updated_date for job in told] == sorted({job.updated_date for job in told})


def test_an_annotator_that_was_stopped_half_way_goes_on(desk: Desk) -> None:
    desk.write(DOOR, DENT)
    truths = {image.sha256: [LabelledObject("dent", DOOR.bbox_xyxy), DIRTY] for image in desk.images}
    annotate_task(desk.client, desk.frames, truths)
    corrected = desk.found()
    for job in desk.jobs():
        desk.client.jobs.retrieve(job).update(models.PatchedJobWriteRequest(stage="annotation", state="in progress"))
    annotate_task(desk.client, desk.frames, truths)
    assert desk.found() == corrected


def test_a_frame_that_is_not_in_the_store_is_told(desk: Desk) -> None:
    with pytest.raises(CvatConflict, match="none of the images in the store"):
        read_frames(desk.client, desk.task_id, {})


def test_a_wrong_password_is_told_in_one_sentence(shared_cvat_server) -> None:
    with pytest.raises(CvatRefused, match="does not let user 'somebody' in"):  # noqa: SIM117
        with connect(shared_cvat_server.url, Credentials("somebody", "wrong")):
            pass


def test_nobody_at_the_address_is_told_in_one_sentence() -> None:
    with pytest.raises(CvatUnavailable, match="is it running"):  # noqa: SIM117
        with connect("http://127.0.0.1:9", Credentials("somebody", "wrong")):
            pass
