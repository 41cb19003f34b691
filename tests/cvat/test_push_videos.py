"""Videos: frames named by the video and their number, taken once, in order; or the file as one task."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from cvat_sdk import Client

from cvat.batches import plan_batches
from cvat.frames import frame_name
from cvat.jobs import list_jobs
from cvat.project import push_project
from cvat.turns import find_users
from cvat.videos import Video, VideoPusher
from datasets.errors import BadDataset
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY
from datasets.videos import FrameRange, read_frames, store_frames, video_digest
from tests.cvat.played import directly
from tests.cvat.pushed import PushDesk, make_desk

FRAMES = 10


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames, each brighter than the one before."""
    path = tmp_path_factory.mktemp("video") / "drive by.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(FRAMES):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return path


@pytest.fixture(scope="module")
def client(shared_cvat_server) -> Iterator[Client]:
    with directly(shared_cvat_server) as client:
        yield client


@pytest.fixture
def desk(client: Client, tmp_path: Path) -> Iterator[PushDesk]:
    desk = make_desk(client, tmp_path, images=1)
    yield desk
    desk.ledger.close()


def push(desk: PushDesk, clip: Path, wanted: FrameRange = FrameRange()) -> int:  # noqa: B008
    project_id = push_project(desk.client, desk.project, DEFAULT_TAXONOMY)
    pusher = VideoPusher(desk.client, desk.ledger, project_id, desk.pusher(segment_size=4).settings)
    users = find_users(desk.client, ["annotator"])
    return pusher.push(Video(clip, video_digest(clip), wanted), title="cars", subset="train", assignees=users)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (FrameRange(), list(range(FRAMES))),
        (FrameRange(2, 8, 3), [2, 5, 8]),
        (FrameRange(7), [7, 8, 9]),
        (FrameRange(0, 100, 4), [0, 4, 8]),
    ],
)
def test_frames_are_chosen_by_number(clip: Path, wanted: FrameRange, numbers: list[int]) -> None:
    found = dict(read_frames(clip, wanted))
    assert list(found) == numbers == [wanted.number(place) for place in range(len(numbers))]
    assert [round(float(pixels.mean()) / 20) for pixels in found.values()] == numbers


def test_frames_become_images_that_say_what_they_are_of_and_keep_their_order(clip: Path, tmp_path: Path) -> None:
    store, sha256 = ImageStore(tmp_path), video_digest(clip)
    images = store_frames(clip, sha256, FrameRange(step=3), store)
    assert {image.derived_from for image in images} == {sha256}
    assert len({image.family for image in images}) == 1
    (batch,) = plan_batches(reversed(images), title="cars", subset=None, size=9)
    assert [frame_name(image).rpartition("__")[0] for image in batch.images] == [
        f"drive-by-{number:06}" for number in (0, 3, 6, 9)
    ]
    assert store_frames(clip, sha256, FrameRange(step=3), store) == images


@pytest.mark.parametrize(("content", "told"), [(b"no video", "no video that can be read"), (None, "cannot be read")])
def test_what_is_no_video_is_told(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadDataset, match=told):
        store_frames(path, video_digest(path), FrameRange(), ImageStore(tmp_path))


def test_frames_that_the_video_has_not_are_told(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="it has 10 frames, none of those wanted"):
        store_frames(clip, "ab" * 32, FrameRange(50), ImageStore(tmp_path))


def test_a_video_becomes_one_task_whose_frames_are_noted_by_number(desk: PushDesk, clip: Path) -> None:
    task_id = push(desk, clip, FrameRange(1, 9, 2))
    sha256 = video_digest(clip)
    assert desk.ledger.read_frames() == {task_id: [f"{sha256}#{number}" for number in (1, 3, 5, 7, 9)]}
    (task,) = desk.tasks()
    assert (task.size, task.subset) == (5, "train")
    jobs = list_jobs(desk.client, task_id=task_id)
    assert [job.assignee.username for job in jobs if job.assignee] == ["annotator"] * 2


def test_pushing_a_video_again_makes_no_second_task_and_other_frames_do(desk: PushDesk, clip: Path) -> None:
    first = push(desk, clip)
    assert push(desk, clip) == first
    assert push(desk, clip, FrameRange(step=2)) != first
    assert len(desk.tasks()) == 2


def test_images_are_pushed_beside_a_video(desk: PushDesk, clip: Path) -> None:
    push(desk, clip)
    assert desk.push().images == 1
    assert desk.push().tasks == []
