"""The round-trip certificate: what is pushed into a scratch project and pulled from it is what it was.

Compared are frames with their names, order and upright sizes, every object on them, the dataset that is made of them,
and tracks. Coordinates may differ by 0.01 px, angles by 0.01 degrees, scores by the two decimals that CVAT is sent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from cvat_sdk import Client
from msgspec.structs import replace

from cvat.accepted import make_accepted
from cvat.batches import plan_batches
from cvat.client import call
from cvat.contents import specs_of
from cvat.errors import CvatAbsent
from cvat.filling import Content
from cvat.frames import frame_name
from cvat.jobs import list_jobs
from cvat.known import known_objects
from cvat.labels import CONFIDENCE, MODEL
from cvat.project import find_project, require_project
from cvat.pull import Puller, read_tasks
from cvat.push import Order, Pusher
from cvat.settings import CvatSettings
from cvat.verify_tracks import compare_tracks
from datasets.coco import Dataset, Image
from datasets.labelled import LabelledObject
from datasets.ledger import Ledger
from datasets.snapshot import Frame, LabelSpec, TaskSnapshot, canonical_task
from datasets.snapshot_comparison import Difference, task_differences
from datasets.store import ImageStore
from datasets.taxonomy import Taxonomy

_TITLE = "verify"
_DONE = msgspec.json.encode({"stage": "acceptance", "state": "completed"})

Objects = Mapping[str, Sequence[LabelledObject]]
"""What is on images, by SHA-256."""


@dataclass(frozen=True)
class Scratch:
    """Where to try it: `settings` name a project that is nobody's."""

    client: Client
    taxonomy: Taxonomy
    store: ImageStore
    settings: CvatSettings


@contextmanager
def scratch_project(scratch: Scratch, *, keep: bool = False) -> Iterator[None]:
    """No project of that name before the block, where a killed process may have left one, and none after it."""
    _remove_project(scratch)
    try:
        yield
    finally:
        if not keep:
            _remove_project(scratch)


def _remove_project(scratch: Scratch) -> None:
    while (project_id := find_project(scratch.client, scratch.settings.project)) is not None:
        with suppress(CvatAbsent):
            call(scratch.client, "DELETE", f"/api/projects/{project_id}")


def verify_dataset(scratch: Scratch, dataset: Dataset) -> list[Difference]:
    """What differs when a dataset's images, with all that is known of them, go to the scratch project and come back.

    Raises:
        UnknownCategory: the taxonomy lacks a class of the dataset.
        CvatError: CVAT does not take or give it.
    """
    known = known_objects(dataset, scratch.taxonomy)
    images = [image for image in dataset.images if not image.deleted]
    lost = [
        Difference("objects", "dataset", f"{count} of class {name!r}", None) for name, count in known.undrawn.items()
    ]
    tasks, labels = round_trip(scratch, images, known.objects)
    found = list(compare_tasks(scratch, images, known.objects, tasks, labels))
    by_sha256 = {image.sha256: image for image in images}
    pulled = make_accepted(tasks, scratch.taxonomy, by_sha256, withheld={}).dataset
    datasets = list(_compare_datasets(known.objects, pulled, labels, scratch.taxonomy))
    project_id = require_project(scratch.client, scratch.settings.project)
    return [*lost, *found, *datasets, *compare_tracks(scratch.client, project_id)]


def round_trip(
    scratch: Scratch, images: Sequence[Image], objects: Objects
) -> tuple[list[TaskSnapshot], list[LabelSpec]]:
    """Push these images with what is on them, accept every job, and pull; gives the tasks and the labels they have."""
    with TemporaryDirectory(prefix="carloop-verify-") as folder:
        ledger = Ledger(f"sqlite:///{Path(folder) / 'ledger.sqlite'}")
        try:
            pusher = Pusher(scratch.client, ledger, scratch.store, scratch.taxonomy, scratch.settings)
            project_id = pusher.push(Order(_TITLE, images, content=Content(objects=objects))).project_id
            for job in list_jobs(scratch.client, project_id=project_id):
                call(scratch.client, "PATCH", f"/api/jobs/{job.id}", body=_DONE)
            frames = ledger.read_frames()
            puller = Puller(scratch.client, project_id, ledger, lambda task_id, names: frames[task_id])
            listing = puller.pull()
            return read_tasks(ledger, listing), specs_of(listing.labels)
        finally:
            ledger.close()


def compare_tasks(
    scratch: Scratch,
    images: Sequence[Image],
    objects: Objects,
    tasks: Sequence[TaskSnapshot],
    labels: Iterable[LabelSpec],
) -> Iterator[Difference]:
    """What differs between the tasks that were to be made of these images and those that came back."""
    defaults = _Defaults(labels)
    planned = plan_batches(images, title=_TITLE, subset=None, size=scratch.settings.task_size)
    by_name = {task.name: task for task in tasks}
    for batch in planned:
        frames = (
            Frame(number, frame_name(image), image.sha256, image.width, image.height, objects=_sent(image, objects))
            for number, image in enumerate(batch.images)
        )
        wanted = TaskSnapshot(batch.name, batch.subset, tuple(frames))
        if batch.name in by_name:
            yield from task_differences(defaults.of_task(wanted), defaults.of_task(by_name.pop(batch.name)))
        else:
            yield Difference("task", "project", batch.name, None)
    yield from (Difference("task", "project", None, name) for name in by_name)


def _sent(image: Image, objects: Objects) -> tuple[LabelledObject, ...]:
    return tuple(_rounded(labelled) for labelled in objects.get(image.sha256, ()))


def _rounded(labelled: LabelledObject) -> LabelledObject:
    return labelled if labelled.score is None else replace(labelled, score=round(labelled.score, 2))


def _unscored(labelled: LabelledObject) -> LabelledObject:
    """What people accepted is no prediction any more."""
    return replace(labelled, score=None, model=None)


def _compare_datasets(
    known: Objects, pulled: Dataset, labels: Iterable[LabelSpec], taxonomy: Taxonomy
) -> Iterator[Difference]:
    """What differs between what was known of the images and what the pulled dataset knows."""
    defaults, found = _Defaults(labels), known_objects(pulled, taxonomy).objects
    for image in pulled.images:
        name = frame_name(image)
        before, after = (
            TaskSnapshot(
                "dataset", "", (Frame(0, name, image.sha256, image.width, image.height, objects=tuple(objects)),)
            )
            for objects in (map(_unscored, known.get(image.sha256, ())), found.get(image.sha256, ()))
        )
        yield from task_differences(defaults.of_task(before), defaults.of_task(after))


class _Defaults:
    """Fills in the values that attributes have where nobody gave them one, as CVAT does."""

    def __init__(self, labels: Iterable[LabelSpec]) -> None:
        self._values = dict(self._each(labels))

    def _each(self, labels: Iterable[LabelSpec]) -> Iterator[tuple[tuple[str, str], dict[str, str]]]:
        for label in labels:
            for parent, part in (("", label), *((label.name, sublabel) for sublabel in label.sublabels)):
                yield (parent, part.name), {spec.name: spec.default_value for spec in part.attributes}

    def of_task(self, task: TaskSnapshot) -> TaskSnapshot:
        frames = (replace(frame, objects=tuple(map(self._of_object, frame.objects))) for frame in task.frames)
        return canonical_task(replace(task, frames=tuple(frames)))

    def _of_object(self, labelled: LabelledObject, parent: str = "") -> LabelledObject:
        values = self._values.get((parent, labelled.category), {})
        told = {name: value for name, value in values.items() if name not in (MODEL, CONFIDENCE)}
        elements = tuple(self._of_object(element, labelled.category) for element in labelled.elements)
        return replace(labelled, attributes={**told, **labelled.attributes}, elements=elements)
