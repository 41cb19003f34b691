"""Whether what was pulled of a job still holds, told by CVAT's lists alone.

A job's own date moves with its annotations, stage, state and assignee. Deleting a frame moves only its task's date, as
does any work on the task's other jobs: so the frames of a task whose date is new are read, and a job's compared. And
renaming a label moves neither: so each revision remembers the names that it was read under.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from cvat.jobs import Job, Task, TaskFrames
from cvat.labels import Labels
from cvat.wire import WireData, WireObject, WireTrack
from datasets.files import digest

FORM = 1
"""To be raised with any change to what is kept of a job, so that all are read again."""


class Revision(Struct, frozen=True):
    """What was so when a job was read.

    `frames` is a digest of its frames, `labels` and `specs` are the names of labels and attributes in use, by id.
    """

    form: int
    job: tuple[str, str, str, str | None]
    task_date: str
    frames: str
    labels: dict[int, str]
    specs: dict[int, str]

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


def decode_revision(text: str) -> Revision | None:
    """The inverse of `encode`; None for one of another release."""
    try:
        revision = msgspec.json.decode(text, type=Revision)
    except msgspec.DecodeError:
        return None
    return revision if revision.form == FORM else None


def revision_of(job: Job, task: Task, frames: TaskFrames, content: WireData, labels: Labels) -> Revision | None:
    """The revision of a job that was read just now; None where it has a label that is not among these."""
    used = list(_used(content))
    label_ids = {label_id for label_id, _ in used}
    spec_ids = {spec_id for _, of_label in used for spec_id in of_label}
    if not (label_ids <= labels.name_of.keys() and spec_ids <= labels.spec_name.keys()):
        return None
    return Revision(
        FORM,
        job_facts(job),
        task.updated_date,
        frames_digest(job, frames),
        {label_id: labels.name_of[label_id] for label_id in label_ids},
        {spec_id: labels.spec_name[spec_id] for spec_id in spec_ids},
    )


def job_facts(job: Job) -> tuple[str, str, str, str | None]:
    return (job.updated_date, job.stage, job.state, job.assignee.username if job.assignee else None)


def frames_digest(job: Job, frames: TaskFrames) -> str:
    """What a job's frames are, and which of them are deleted."""
    deleted = set(frames.deleted_frames)
    each = frames.of_each()
    return digest([[n, each[n].name, each[n].width, each[n].height, n in deleted] for n in job.frames])


def holds(revision: Revision | None, job: Job, labels: Labels) -> bool:
    """Whether a job and the names in it are as they were; its frames apart."""
    return (
        revision is not None
        and revision.job == job_facts(job)
        and _agree(revision.labels, labels.name_of)
        and _agree(revision.specs, labels.spec_name)
    )


def _agree(was: Mapping[int, str], now: Mapping[int, str]) -> bool:
    return all(now.get(number) == name for number, name in was.items())


def _used(content: WireData) -> Iterable[tuple[int, Sequence[int]]]:
    """The label ids in use, with the ids of their attributes."""
    for item in (*content.shapes, *content.tags):
        yield from _used_by_object(item)
    for track in content.tracks:
        yield from _used_by_track(track)


def _used_by_object(item: WireObject) -> Iterable[tuple[int, Sequence[int]]]:
    yield item.label_id, [value.spec_id for value in item.attributes]
    for element in item.elements:
        yield from _used_by_object(element)


def _used_by_track(track: WireTrack) -> Iterable[tuple[int, Sequence[int]]]:
    values = (*track.attributes, *(value for shape in track.shapes for value in shape.attributes))
    yield track.label_id, [value.spec_id for value in values]
    for element in track.elements:
        yield from _used_by_track(element)
