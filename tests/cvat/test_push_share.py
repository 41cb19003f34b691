"""Images that CVAT takes from its file share, and ground truth that it chooses: against a real server."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from cvat_sdk import Client

from cvat.client import read_all
from cvat.errors import CvatError
from cvat.jobs import Job
from cvat.push import Order
from cvat.quality import ground_truth
from tests.cvat.played import directly
from tests.cvat.pushed import PushDesk, make_desk


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("share")


@pytest.fixture(scope="module")
def client(make_server, share: Path) -> Iterator[Client]:
    with directly(make_server(CARLOOP_CVAT_SHARE=str(share))) as client:
        yield client


@pytest.fixture
def desk(client: Client, share: Path) -> Iterator[PushDesk]:
    """A desk whose image store lies on the server's share."""
    desk = make_desk(client, Path(mkdtemp(dir=share)), images=6)
    yield desk
    desk.ledger.close()


def place_of(desk: PushDesk, share: Path) -> str:
    return str(desk.store.root.relative_to(share))


def test_shared_images_are_pushed_by_name_once_and_found_again(desk: PushDesk, share: Path) -> None:
    place = place_of(desk, share)
    pusher, order = desk.pusher(source="share", store_at=place), Order(desk.title, desk.images)
    first, again = pusher.push(order), pusher.push(order)
    assert (first.images, again.images, again.tasks) == (6, 0, [])
    names = [name for task in desk.tasks() for name in desk.frames(task.id)]
    assert sorted(names) == sorted(f"{place}/{image.file_name}" for image in desk.images)
    noted = [sha256 for frames in desk.ledger.read_frames().values() for sha256 in frames]
    assert sorted(noted) == sorted(image.sha256 for image in desk.images)


def test_a_store_that_is_not_on_the_share_is_told_and_leaves_nothing(desk: PushDesk) -> None:
    with pytest.raises(CvatError, match="is not on the server's share"):
        desk.pusher(source="share", store_at="elsewhere").push(Order(desk.title, desk.images))
    assert desk.tasks() == []


def test_ground_truth_is_chosen_with_the_upload_and_is_no_job_to_fill(desk: PushDesk) -> None:
    pushed = desk.push(validation=ground_truth(frames=2, honeypots=0, seed=3))
    for task_id in pushed.tasks:
        (truth,) = read_all(desk.client, "/api/jobs", Job, {"task_id": task_id, "type": "ground_truth"})
        assert len(desk.client.jobs.retrieve(truth.id).get_meta().included_frames) == 2
        assert truth.id not in {job.id for job in desk.jobs()}
