"""A desk to push from: small photographs in a store, a ledger, and a project of its own on the shared server."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from cvat_sdk import Client
from msgspec.structs import replace

from cvat.client import read_all
from cvat.filling import Content
from cvat.jobs import Job, Task, list_jobs, read_task_frames
from cvat.labels import read_labels
from cvat.project import require_project
from cvat.push import Order, Pushed, Pusher
from cvat.settings import CvatSettings
from cvat.wire import objects_of, read_wire
from datasets.coco import Image
from datasets.labelled import LabelledObject, tag
from datasets.ledger import Ledger
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY
from tests.cvat.played import photograph

DOOR = LabelledObject("damaged door", (10.0, 10.0, 40.0, 30.0), source="file")
GUESS = LabelledObject("dent", (5.0, 30.0, 25.0, 45.0), source="auto", model="damage_detector@1", score=0.55)
DIRTY = tag("dirty")
NOTHING = Content()


@dataclass(frozen=True)
class PushDesk:
    """What a person pushes from; tasks hold four images in jobs of two."""

    client: Client
    store: ImageStore
    ledger: Ledger
    project: str
    images: Sequence[Image]
    title: str = "cars"

    def pusher(self, **settings: Any) -> Pusher:
        chosen = {"project": self.project, "task_size": 4, "segment_size": 2, "control_share": 0.0, **settings}
        return Pusher(self.client, self.ledger, self.store, DEFAULT_TAXONOMY, CvatSettings.model_validate(chosen))

    def push(self, images: Sequence[Image] | None = None, *, content: Content = NOTHING, **order: Any) -> Pushed:
        """Push all images, or these, as `title` names it."""
        wanted = self.images if images is None else images
        return self.pusher().push(Order(self.title, wanted, content=content, **order))

    def everywhere(self, *drawn: LabelledObject, **more: Any) -> Content:
        """The same objects on every photograph."""
        return Content({image.sha256: drawn for image in self.images}, **more)

    def with_client(self, client: Client, ledger: Ledger | None = None) -> "PushDesk":
        return dataclasses.replace(self, client=client, ledger=ledger or self.ledger)

    @property
    def project_id(self) -> int:
        return require_project(self.client, self.project)

    def tasks(self) -> list[Task]:
        """Every task of the project, those without images too."""
        return read_all(self.client, "/api/tasks", Task, {"project_id": self.project_id})

    def jobs(self) -> list[Job]:
        return list_jobs(self.client, project_id=self.project_id)

    def frames(self, task_id: int) -> list[str]:
        return [frame.name for frame in read_task_frames(self.client, task_id).frames]

    def drawn(self, job: Job) -> list[tuple[int, LabelledObject]]:
        """What is on each frame of a job, without ids."""
        labels = read_labels(self.client, "project_id", self.project_id)
        found = objects_of(read_wire(self.client, "jobs", job.id), labels)
        return [(number, replace(one, shape_id=None)) for number, one in found]

    def end_state(self) -> list[object]:
        """What the server holds and the ledger knows, without ids: equal for equal ends."""
        jobs, known, controls = self.jobs(), self.ledger.read_frames(), self.ledger.read_controls()
        return [
            (
                task.name,
                task.subset,
                known.get(task.id),
                [self._end_of(j, controls) for j in jobs if j.task_id == task.id],
            )
            for task in sorted(self.tasks(), key=lambda task: task.name)
        ]

    def _end_of(self, job: Job, controls: set[int]) -> tuple[object, ...]:
        noted = [replace(prelabel.stored, shape_id=None) for prelabel in self.ledger.read_prelabels(job.id)]
        return job.id in controls, sorted(map(repr, self.drawn(job))), sorted(map(repr, noted))


def make_desk(client: Client, folder: Path, images: int = 6) -> PushDesk:
    """A desk with photographs of as many cars."""
    store = ImageStore(folder / "store")
    photographs = [photograph(store, 40 * number) for number in range(images)]
    return PushDesk(client, store, open_ledger(folder), f"cars {uuid4().hex}", photographs)


def open_ledger(folder: Path, name: str = "ledger") -> Ledger:
    return Ledger(f"sqlite:///{folder / name}.sqlite", scope="tests")
