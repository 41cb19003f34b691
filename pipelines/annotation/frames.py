"""Which images a project's frames are, and which of them are a test set's."""

from collections.abc import Collection, Sequence

from cvat.held import identify
from cvat.jobs import Task
from pipelines.annotation.desk import Desk
from pipelines.annotation.history import read_history
from pipelines.annotation.video_frames import fetch_frames, is_video

TEST = "test"


class Identify:
    """The SHA-256 of frames: as the ledger has them from the push, else by their names; of videos, by fetching them."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._pushed = desk, desk.ledger.read_frames()

    def __call__(self, task_id: int, names: Sequence[str]) -> Sequence[str]:
        pushed = self._pushed.get(task_id, [])
        if len(pushed) != len(names):
            return identify(names, (), self._desk.shelf.store)
        return fetch_frames(self._desk, task_id, pushed, names) if is_video(pushed) else pushed


class Frozen:
    """Which images are a test set's: by their task's subset, else by their side in what was pushed."""

    def __init__(self, desk: Desk) -> None:
        versions = [desk.shelf.versions / version for version in read_history(desk).pushed]
        self._tests = {
            image.sha256
            for version in versions
            if version.is_dir()
            for image in desk.shelf.read(str(version)).images
            if image.split == TEST
        }

    def __call__(self, task: Task, sha256s: Collection[str]) -> Collection[str]:
        return sha256s if task.subset.lower() == TEST else self._tests.intersection(sha256s)


def read_families(desk: Desk) -> dict[str, str]:
    """The family of every image that was pushed, by SHA-256, and of every frame of a video that was fetched."""
    history = read_history(desk)
    versions = [desk.shelf.versions / version for version in history.pushed]
    images = (image for version in versions if version.is_dir() for image in desk.shelf.read(str(version)).images)
    return {image.sha256: image.family for image in images} | {
        frame.sha256: frame.family for frame in history.video_frames.values()
    }
