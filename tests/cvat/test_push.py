"""Pushing images: keyed by content, in tasks of a set size, never twice, completed when it was cut short."""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cvat_sdk import Client
from msgspec.structs import replace

from cvat import uploads
from cvat.batches import plan_batches, push_batch
from cvat.client import call
from cvat.errors import CvatConflict, CvatRefused
from cvat.filling import Content
from cvat.frames import frame_name
from cvat.held import identify
from cvat.jobs import User, list_jobs
from cvat.project import push_project
from cvat.push import Order
from cvat.quality import ground_truth
from cvat.settings import CvatSettings
from cvat.turns import Turns, find_users
from cvat.uploads import references, send_images
from datasets.errors import BadDataset
from datasets.taxonomy import DEFAULT_TAXONOMY
from tests.cvat.played import directly
from tests.cvat.pushed import DIRTY, DOOR, GUESS, PushDesk, make_desk, open_ledger


@pytest.fixture(scope="module")
def client(shared_cvat_server) -> Iterator[Client]:
    with directly(shared_cvat_server) as client:
        yield client


@pytest.fixture
def desk(client: Client, tmp_path: Path) -> Iterator[PushDesk]:
    desk = make_desk(client, tmp_path)
    yield desk
    desk.ledger.close()


def writes_of(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that change something, from now on."""
    pool = client.api_client.rest_client.pool_manager
    asked, ask = [], pool.request

    def request(method: str, url: str, **options):
        if method != "GET":
            asked.append(f"{method} {url}")
        return ask(method, url, **options)

    monkeypatch.setattr(pool, "request", request)
    return asked


def test_tasks_have_a_set_size_and_hold_families_in_order(desk: PushDesk) -> None:
    pushed = desk.push(list(reversed(desk.images)))
    assert [desk.frames(task_id) for task_id in pushed.tasks] == [
        [frame_name(image) for image in part] for part in (desk.images[:4], desk.images[4:])
    ]
    assert pushed.images == 6


def test_images_go_to_the_subset_of_their_split_unless_one_is_named(desk: PushDesk) -> None:
    splits = [replace(image, split="test" if number < 2 else "train") for number, image in enumerate(desk.images)]
    assert [batch.subset for batch in plan_batches(splits, title="cars", subset=None, size=3)] == [
        "test",
        "train",
        "train",
    ]
    desk.push(splits)
    assert sorted(task.subset for task in desk.tasks()) == ["test", "train"]
    assert {batch.subset for batch in plan_batches(splits, title="cars", subset="extra", size=3)} == {"extra"}


def test_tasks_are_cut_into_jobs_that_overlap_as_asked(desk: PushDesk) -> None:
    desk.pusher(segment_size=3, overlap=1).push(Order("cars", desk.images[:4]))
    assert [(job.start_frame, job.stop_frame) for job in desk.jobs()] == [(0, 2), (2, 3)]


def test_pushing_again_writes_nothing(desk: PushDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    content = desk.everywhere(DOOR)
    desk.push(content=content)
    writes = writes_of(desk.client, monkeypatch)
    again = desk.push(content=content)
    assert (again.images, again.tasks, writes) == (0, [], [])


def test_a_version_that_grew_brings_its_new_images_alone(desk: PushDesk) -> None:
    desk.push(desk.images[:3])
    pushed = desk.push()
    assert pushed.images == 3
    assert [desk.frames(task_id) for task_id in pushed.tasks] == [[frame_name(image) for image in desk.images[3:]]]


def test_what_the_ledger_lacks_is_read_from_frame_lists(desk: PushDesk, tmp_path: Path) -> None:
    desk.push()
    other = desk.with_client(desk.client, open_ledger(tmp_path, "other"))
    assert other.push().images == 0
    assert other.ledger.read_frames() == desk.ledger.read_frames()
    other.ledger.close()


def test_tasks_pushed_under_another_title_hold_their_images_too(desk: PushDesk, tmp_path: Path) -> None:
    desk.push(desk.images[:4])
    other = PushDesk(desk.client, desk.store, open_ledger(tmp_path, "other"), desk.project, desk.images, title="vans")
    assert other.push().images == 2
    assert other.ledger.read_frames().keys() == {task.id for task in desk.tasks()}
    other.ledger.close()


def test_frames_that_others_added_by_hand_are_no_obstacle(desk: PushDesk) -> None:
    project_id = push_project(desk.client, desk.project, DEFAULT_TAXONOMY)
    body = msgspec.json.encode({"name": "by hand", "project_id": project_id})
    task_id = msgspec.json.decode(call(desk.client, "POST", "/api/tasks", body=body))["id"]
    foreign = desk.store.path("IMG 1.jpg")
    foreign.write_bytes(desk.store.path(desk.images[0].file_name).read_bytes())
    desk.client.tasks.retrieve(task_id).upload_data([foreign])
    assert desk.push().images == 6
    assert desk.ledger.read_frames().keys() == {task.id for task in desk.tasks()} - {task_id}


def test_tasks_that_were_deleted_are_pushed_again(desk: PushDesk) -> None:
    first, _ = desk.push().tasks
    desk.client.tasks.remove_by_ids([first])
    assert desk.push().images == 4


def test_a_task_whose_push_ended_after_the_upload_is_completed(desk: PushDesk) -> None:
    project_id = push_project(desk.client, desk.project, DEFAULT_TAXONOMY)
    settings = desk.pusher().settings
    (batch,) = plan_batches(desk.images[:4], title="cars", subset=None, size=4)
    task_id = push_batch(desk.client, project_id, batch, desk.store, settings)
    pushed = desk.push(content=desk.everywhere(DOOR))
    assert (pushed.images, pushed.tasks[0]) == (2, task_id)
    assert [len(desk.drawn(job)) for job in desk.jobs()] == [2, 2, 2]


def test_tasks_whose_upload_was_cut_short_leave_nothing(desk: PushDesk) -> None:
    project_id = push_project(desk.client, desk.project, DEFAULT_TAXONOMY)
    (same,) = plan_batches(desk.images[:4], title="cars", subset=None, size=4)
    for name in (same.name, "cars [0123456789ab]"):
        call(desk.client, "POST", "/api/tasks", body=msgspec.json.encode({"name": name, "project_id": project_id}))
    call(desk.client, "POST", "/api/tasks", body=msgspec.json.encode({"name": "not ours", "project_id": project_id}))
    pushed = desk.push()
    assert {task.id for task in desk.tasks() if task.name != "not ours"} == set(pushed.tasks)
    assert [task.size for task in desk.tasks() if task.name == "not ours"] == [0]


def test_an_upload_that_the_server_still_works_on_is_waited_for(
    desk: PushDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_id = push_project(desk.client, desk.project, DEFAULT_TAXONOMY)
    (batch,) = plan_batches(desk.images[:4], title="cars", subset=None, size=4)
    body = msgspec.json.encode({"name": batch.name, "project_id": project_id})
    task_id = msgspec.json.decode(call(desk.client, "POST", "/api/tasks", body=body))["id"]
    with monkeypatch.context() as impatient:
        impatient.setattr(desk.client, "wait_for_completion", lambda rq_id: None)
        send_images(desk.client, task_id, batch.images, desk.store, desk.pusher().settings)
    assert desk.push().tasks[0] == task_id
    assert sorted(task.size for task in desk.tasks()) == [2, 4]


@pytest.mark.parametrize("ledgers", ["one ledger", "a ledger each"])
def test_two_pushes_at_once_end_as_one(shared_cvat_server, desk: PushDesk, tmp_path: Path, ledgers: str) -> None:
    content = desk.everywhere(DOOR)

    def push(number: int) -> None:
        with directly(shared_cvat_server) as client:
            ledger = open_ledger(tmp_path, "ledger" if ledgers == "one ledger" else f"ledger-{number}")
            with ledger.lock("push"):
                desk.with_client(client, ledger).push(content=content)
            ledger.close()

    threads = [threading.Thread(target=push, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(task.size for task in desk.tasks()) == [2, 4]
    assert [len(desk.drawn(job)) for job in desk.jobs()] == [2, 2, 2]


def test_known_objects_go_in_with_their_source(desk: PushDesk) -> None:
    pushed = desk.push(content=desk.everywhere(DOOR, GUESS, DIRTY))
    assert pushed.told["objects"] == 18
    assert {repr(one) for job in desk.jobs() for _, one in desk.drawn(job)} == {
        repr(one) for one in (DOOR, GUESS, DIRTY)
    }


def test_predictions_among_them_are_noted_with_their_ids(desk: PushDesk) -> None:
    desk.push(content=desk.everywhere(DOOR, GUESS))
    noted = [prelabel for job in desk.jobs() for prelabel in desk.ledger.read_prelabels(job.id)]
    assert len(noted) == 6
    assert all(prelabel.stored.shape_id for prelabel in noted)


def test_a_job_in_which_a_model_found_nothing_is_noted_as_prelabelled(desk: PushDesk) -> None:
    looked_at = {image.sha256 for image in desk.images[:4]}
    desk.push(content=desk.everywhere(DOOR, predicted=looked_at, frozen={desk.images[0].sha256, desk.images[1].sha256}))
    _, second, _ = desk.jobs()
    assert desk.ledger.prelabelled_jobs() == {second.id}


def test_a_control_job_is_not_noted_as_prelabelled(desk: PushDesk) -> None:
    desk.push(content=desk.everywhere(DOOR, predicted={image.sha256 for image in desk.images}, control_share=1.0))
    assert desk.ledger.prelabelled_jobs() == set()


def test_values_that_labels_have_no_attribute_for_are_counted(desk: PushDesk) -> None:
    said = replace(DOOR, attributes={"rust": "much", "old": "true"})
    first = desk.push(desk.images[:2], content=desk.everywhere(said))
    assert first.lost == {("damaged door", "rust"): 2, ("damaged door", "old"): 2}
    assert desk.push(desk.images[:2], content=desk.everywhere(said)).lost == {}


def test_nothing_goes_into_a_job_that_somebody_has_begun(desk: PushDesk) -> None:
    project_id = push_project(desk.client, desk.project, DEFAULT_TAXONOMY)
    (batch,) = plan_batches(desk.images[:4], title="cars", subset=None, size=4)
    push_batch(desk.client, project_id, batch, desk.store, desk.pusher().settings)
    begun, other = desk.jobs()
    call(desk.client, "PATCH", f"/api/jobs/{begun.id}", body=b'{"state": "in progress"}')
    desk.push(desk.images[:4], content=desk.everywhere(DOOR))
    assert (len(desk.drawn(begun)), len(desk.drawn(other))) == (0, 2)


def test_a_test_set_is_shown_no_predictions(desk: PushDesk) -> None:
    frozen = {desk.images[0].sha256}
    desk.push(desk.images[:2], content=desk.everywhere(DOOR, GUESS, frozen=frozen))
    (job,) = desk.jobs()
    assert [(number, one.category) for number, one in desk.drawn(job)] == [
        (0, "damaged door"),
        (1, "damaged door"),
        (1, "dent"),
    ]


def test_control_jobs_are_shown_no_predictions_and_are_noted(desk: PushDesk) -> None:
    content = desk.everywhere(DOOR, GUESS, control_share=0.5, seed=4)
    pushed = desk.push(content=content)
    controls = desk.ledger.read_controls()
    assert 0 < len(controls) < 3
    assert pushed.told["controls"] == len(controls)
    assert {job.id for job in desk.jobs() if len(desk.drawn(job)) == 2} == controls


def test_which_jobs_are_controls_is_decided_by_their_images_and_the_seed(desk: PushDesk) -> None:
    jobs = [[f"{number:064x}"] for number in range(400)]
    chosen = [Content(control_share=0.1, seed=1).is_control(job) for job in jobs]
    assert chosen == [Content(control_share=0.1, seed=1).is_control(job) for job in jobs]
    assert chosen != [Content(control_share=0.1, seed=2).is_control(job) for job in jobs]
    assert 20 < sum(chosen) < 60
    assert not any(Content(control_share=1, frozen=set(job)).is_control(job) for job in jobs)


def test_jobs_are_assigned_to_those_with_the_fewest_in_turns(desk: PushDesk) -> None:
    alice, bob = User(1, "alice"), User(2, "bob")
    turns = Turns([alice, bob], [])
    assert [turns.take().username for _ in range(4)] == ["alice", "bob", "alice", "bob"]
    (name,) = find_users(desk.client, ["annotator"])
    assert desk.push(desk.images[:4], assignees=[name]).told["assigned"] == 2
    behind = Turns([name, bob], desk.jobs())
    assert [behind.take().username for _ in range(3)] == ["bob", "bob", "annotator"]
    assert {job.assignee.username for job in desk.jobs() if job.assignee} == {"annotator"}


def test_an_annotator_whom_the_server_does_not_know_is_told(desk: PushDesk) -> None:
    with pytest.raises(CvatConflict, match="CVAT has no user 'alice'"):
        find_users(desk.client, ["annotator", "alice"])


def test_large_files_go_in_pieces_and_keep_their_place(desk: PushDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [desk.store.path(image.file_name).stat().st_size for image in desk.images]
    monkeypatch.setattr(uploads, "_GROUP_BYTES", min(sizes) - 1)
    (task_id, _) = desk.push().tasks
    assert desk.frames(task_id) == [frame_name(image) for image in desk.images[:4]]


def test_images_are_grouped_into_requests_in_their_order(desk: PushDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [desk.store.path(image.file_name).stat().st_size for image in desk.images]
    monkeypatch.setattr(uploads, "_GROUP_BYTES", 2 * max(sizes))
    sent: list[int] = []
    pusher = desk.pusher()
    pusher.sent = sent.append
    pusher.push(Order("cars", desk.images))
    assert sent == [2, 2, 2]


@pytest.mark.parametrize("harm", ["missing", "changed", "too large"])
def test_an_image_that_cannot_be_sent_is_told_before_anything_is_made(desk: PushDesk, harm: str) -> None:
    images = list(desk.images)
    path = desk.store.path(images[2].file_name)
    if harm == "missing":
        path.unlink()
    elif harm == "changed":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        images[2] = replace(images[2], width=20_000, height=15_000)
    with pytest.raises(BadDataset, match=f"nothing was pushed: .*{images[2].sha256}"):
        desk.push(images)
    assert desk.client.api_client.projects_api.list(name=desk.project)[0].count == 0


def test_a_task_that_the_server_refuses_leaves_nothing(desk: PushDesk) -> None:
    pusher = desk.pusher(source="urls", store_at="https://cars.example")
    with pytest.raises(CvatRefused, match="remote_files"):
        pusher.push(Order("cars", desk.images))
    assert desk.tasks() == []


def test_images_that_cvat_fetches_are_named_where_the_store_lies_there(desk: PushDesk) -> None:
    image = desk.images[0]
    share = references([image], CvatSettings(source="share", store_at="data/store/"))
    assert share == {"server_files": [f"data/store/{image.file_name}"], "use_cache": True}
    cloud = references([image], CvatSettings(source="cloud", cloud_storage=7))
    assert cloud == {"server_files": [image.file_name], "use_cache": True, "cloud_storage_id": 7}
    urls = references([image], CvatSettings(source="urls", store_at="https://cars.example/store"))
    assert urls == {"remote_files": [f"https://cars.example/store/{image.file_name}"]}


def test_a_frame_that_cvat_fetched_is_known_by_its_whole_sha256(desk: PushDesk) -> None:
    image = desk.images[0]
    for name in (frame_name(image), image.file_name, f"https/{image.sha256}.jpg"):
        assert identify([name, "IMG 1.jpg", "[*]"], desk.images, desk.store) == [image.sha256, "", ""]
        assert identify([name], [], desk.store) == [image.sha256]


def test_a_file_that_was_cut_short_in_the_store_is_no_image(desk: PushDesk) -> None:
    image = desk.images[0]
    path = desk.store.path(image.file_name)
    path.rename(path.with_name(f"{path.name}.part"))
    assert identify([frame_name(image)], [], desk.store) == [""]


def test_honeypots_are_handed_on_to_the_server(desk: PushDesk) -> None:
    with pytest.raises(CvatRefused, match="gt_pool"):
        desk.push(validation=ground_truth(frames=1, honeypots=1, seed=0))
    assert list_jobs(desk.client, project_id=desk.project_id) == []
