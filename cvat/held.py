"""Which images a project's tasks hold: from the ledger, and from CVAT's frame lists where the ledger lacks them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvat_sdk import Client

from cvat.frames import content_of
from cvat.jobs import Task, read_task_frames
from cvat.tasks import list_settled, remove_task
from datasets.coco import Image
from datasets.ledger import Ledger
from datasets.store import ImageStore

_DIGITS = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r" \[[0-9a-f]{12}\]")


@dataclass(frozen=True)
class Held:
    """What frames' names say of the images that tasks hold, and the tasks whose push was cut short after the upload."""

    contents: frozenset[str]
    unfinished: Sequence[int]

    def __contains__(self, image: Image) -> bool:
        return content_of(image.sha256) in self.contents


def read_held(client: Client, ledger: Ledger, project_id: int, store: ImageStore, *, title: str) -> Held:
    """What a project holds. Tasks of this title that the ledger does not know are unfinished; others it is told of.

    Raises:
        CvatError: CVAT does not answer.
    """
    tasks = [task for task in _list_settled(client, project_id, title) if task.size]
    noted = ledger.read_frames()
    ledger.forget_tasks(noted.keys() - {task.id for task in tasks})
    contents: set[str] = set()
    unfinished = []
    for task in tasks:
        frames = noted.get(task.id) or [frame.name for frame in read_task_frames(client, task.id).frames]
        contents.update(map(content_of, frames))
        if task.id in noted:
            continue
        if has_title(task, title):
            unfinished.append(task.id)
        elif all(sha256s := identify(frames, (), store)):
            ledger.write_frames(task.id, sha256s)
    return Held(frozenset(contents), unfinished)


def identify(names: Iterable[str], images: Iterable[Image], store: ImageStore) -> list[str]:
    """The SHA-256 of each frame, "" where it is neither one of these images nor in the store."""
    known = {content_of(image.sha256): image.sha256 for image in images}
    digits = list(map(content_of, names))
    stored = find_stored(store, (content for content in digits if content not in known))
    return [known.get(content) or (stored[content].stem if content in stored else "") for content in digits]


def find_stored(store: ImageStore, contents: Iterable[str]) -> dict[str, Path]:
    """Images in the store by the first 16 digits of their SHA-256; those of `contents` that are there."""
    wanted = {content for content in contents if _DIGITS.fullmatch(content)}
    folders = [store.path(f"images/{start}") for start in {content[:2] for content in wanted}]
    paths = (path for folder in folders if folder.is_dir() for path in folder.iterdir())
    whole = (path for path in paths if _SHA256.fullmatch(path.stem))
    return {content: path for path in whole if (content := content_of(path.stem)) in wanted}


def remove_empty_tasks(client: Client, project_id: int, *, title: str) -> None:
    """Remove tasks of this title that never got their images, as nobody will give them any."""
    for task in _list_settled(client, project_id, title):
        if not task.size and has_title(task, title):
            remove_task(client, task.id)


def _list_settled(client: Client, project_id: int, title: str) -> list[Task]:
    return list_settled(client, {"project_id": project_id}, lambda task: has_title(task, title))


def has_title(task: Task, title: str) -> bool:
    """Whether a task was pushed under this title."""
    return task.name.startswith(title) and _KEY.fullmatch(task.name[len(title) :]) is not None
