"""Pushing images as tasks, keyed by content: pushing again does nothing, and what was cut short is completed.

A task is done when the ledger knows its frames. What is on the server and not there is completed first: its jobs are
filled and assigned as if it had just been made.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cvat_sdk import Client

from cvat.batches import Batch, plan_batches, push_batch
from cvat.client import repeat
from cvat.filling import Content, Filled, fill_jobs
from cvat.held import Held, identify, read_held, remove_empty_tasks
from cvat.jobs import Frames, User, list_jobs, read_task_frames
from cvat.labels import Labels, read_labels
from cvat.project import find_project, push_project
from cvat.settings import CvatSettings
from cvat.turns import Turns
from cvat.uploads import Sent, check_images
from datasets.coco import Image
from datasets.ledger import Ledger
from datasets.store import ImageStore
from datasets.taxonomy import Taxonomy


@dataclass(frozen=True)
class Order:
    """What is to be pushed, and how.

    `subset` is that of all tasks, None that of each image's split. `validation` is what CVAT is to choose as ground
    truth in each task. `again` are images, by SHA-256, that go into another task even where one holds them, with the
    number of the request: each request is met once.
    """

    title: str
    images: Sequence[Image]
    subset: str | None = None
    content: Content = field(default_factory=Content)
    assignees: Sequence[User] = ()
    validation: Mapping[str, Any] | None = None
    again: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Pushed:
    """What a push did: tasks made or completed, images that were new, what is in those tasks' jobs, and what is not.

    `again` counts images that went into another task once more.

    `lost` counts values of attributes that the project's labels lack, by class and attribute.
    """

    project_id: int
    tasks: Sequence[int]
    images: int
    told: Counter[str]
    lost: Counter[tuple[str, str]]
    again: int = 0


@dataclass(frozen=True)
class _Target:
    """Where the tasks of an order go."""

    order: Order
    project_id: int
    labels: Labels
    turns: Turns


@dataclass
class Pusher:
    """Pushes from one store into one project. One process at a time may, so hold the ledger's lock."""

    client: Client
    ledger: Ledger
    store: ImageStore
    taxonomy: Taxonomy
    settings: CvatSettings
    sent: Sent = lambda count: None
    """Told how many more images have been sent."""

    def push(self, order: Order) -> Pushed:
        """Make or update the project, bring in images that no task of it holds, and complete what was cut short.

        Images that are to go in again get a task of their own.

        Raises:
            BadDataset: an image cannot be sent; nothing was pushed.
            CvatConflict: the project's labels cannot be made to fit; nothing was pushed.
            CvatError: CVAT does not take it.
        """
        held = self._read_held(order)
        new = [image for image in order.images if image not in held]
        again = [image for image in order.images if image in held and image.sha256 in order.again]
        if self.settings.source == "upload":
            check_images([*new, *again], self.store)
        target = self._read_target(order)
        plan = partial(plan_batches, title=order.title, subset=order.subset, size=self.settings.task_size)
        batches = [*plan(new), *plan(again, requests=order.again)]
        steps = [
            *(partial(self._complete, target, task_id) for task_id in held.unfinished),
            *(partial(self._push_batch, target, batch) for batch in batches),
        ]
        filled = dict(map(repeat, steps))
        remove_empty_tasks(self.client, target.project_id, title=order.title)
        every = sum(filled.values(), Filled())
        return Pushed(target.project_id, list(filled), len(new), every.told, every.lost, len(again))

    def _read_held(self, order: Order) -> Held:
        project_id = find_project(self.client, self.settings.project)
        if project_id is None:
            return Held(frozenset(), ())
        return read_held(self.client, self.ledger, project_id, self.store, title=order.title)

    def _read_target(self, order: Order) -> _Target:
        project_id = push_project(self.client, self.settings.project, self.taxonomy)
        jobs = list_jobs(self.client, project_id=project_id) if order.assignees else ()
        labels = read_labels(self.client, "project_id", project_id)
        return _Target(order, project_id, labels, Turns(order.assignees, jobs))

    def _push_batch(self, target: _Target, batch: Batch) -> tuple[int, Filled]:
        task_id = push_batch(
            self.client,
            target.project_id,
            batch,
            self.store,
            self.settings,
            validation=target.order.validation,
            sent=self.sent,
        )
        return self._complete(target, task_id)

    def _complete(self, target: _Target, task_id: int) -> tuple[int, Filled]:
        """Fill and assign the jobs of a whole task, and note it as done."""
        order, found = target.order, read_task_frames(self.client, task_id)
        sha256s = identify((frame.name for frame in found.frames), order.images, self.store)
        frames = Frames(task_id, sha256s, frozenset(found.deleted_frames), target.labels)
        jobs = list_jobs(self.client, task_id=task_id)
        filled = fill_jobs(self.client, self.ledger, jobs, frames, order.content)
        assigned = target.turns.write(self.client, jobs)
        self.ledger.write_frames(task_id, sha256s)
        return task_id, filled + Filled(Counter(assigned=assigned))


def push_task(
    client: Client,
    project_id: int,
    images: Sequence[Image],
    store: ImageStore,
    *,
    title: str,
    subset: str,
    settings: CvatSettings,
) -> int:
    """The id of the one task that holds all these images, made if need be. Raises CvatError."""
    (batch,) = plan_batches(images, title=title, subset=subset, size=len(images))
    return repeat(lambda: push_batch(client, project_id, batch, store, settings))
