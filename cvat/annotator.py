"""A simulated annotator: corrects a job against ground truth through CVAT's API, then accepts it.

Its rules are few and fixed. A box of the right class that overlaps its object by an IoU of at least 0.7 is good enough
and stays as it is. One that overlaps less (from 0.5) is moved onto the object, one of the wrong class is re-classed
and, if need be, moved. What matches nothing is deleted, what is missing is drawn. Tags are set right.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec
from cvat_sdk import Client
from msgspec.structs import replace

from cvat.client import call, repeat
from cvat.jobs import Frames, Job, list_jobs, read_objects
from cvat.labels import Labels
from cvat.wire import Action, change_wire, data_of, to_wire
from datasets.comparison import match_boxes
from datasets.labelled import LabelledObject

GOOD_ENOUGH_IOU = 0.7

Truth = Mapping[str, Sequence[LabelledObject]]
"""What is on each image, by SHA-256."""
_Pairs = list[tuple[LabelledObject, LabelledObject, float]]


@dataclass
class Corrections:
    """What has to change on one or more images: objects to rewrite, to remove and to add."""

    update: list[LabelledObject] = field(default_factory=list)
    delete: list[LabelledObject] = field(default_factory=list)
    create: list[LabelledObject] = field(default_factory=list)


def correct(drawn: Sequence[LabelledObject], truth: Sequence[LabelledObject]) -> Corrections:
    """The corrections that one image needs. Correcting what was corrected needs none."""
    corrections = Corrections()
    pairs = match_boxes(drawn, truth, class_bonus=1) + _match_tags(drawn, truth)
    for labelled, t, iou in pairs:
        wanted = replace(labelled, category=t.category, points=labelled.points if iou >= GOOD_ENOUGH_IOU else t.points)
        if wanted != labelled:
            corrections.update.append(wanted)
    matched = {id(one) for labelled, t, _ in pairs for one in (labelled, t)}
    corrections.delete += [labelled for labelled in drawn if id(labelled) not in matched]
    corrections.create += [t for t in truth if id(t) not in matched]
    return corrections


def _match_tags(drawn: Sequence[LabelledObject], truth: Sequence[LabelledObject]) -> _Pairs:
    some, other = ([o for o in objects if o.is_tag] for objects in (drawn, truth))
    return [(labelled, t, 1.0) for labelled, t in zip(some, other, strict=False)]


def annotate_task(
    client: Client, frames: Frames, truth: Truth, *, on_change: Callable[[Job], object] = lambda job: None
) -> int:
    """Correct and accept every job of a task that is not accepted yet; returns how many were.

    `on_change` is told of a job whenever its state has changed.
    """
    jobs = [job for job in list_jobs(client, task_id=frames.task_id) if not job.is_accepted]
    for job in jobs:
        repeat(partial(_annotate_job, client, job, frames, truth, on_change))
    return len(jobs)


def _annotate_job(client: Client, job: Job, frames: Frames, truth: Truth, on_change: Callable[[Job], object]) -> None:
    on_change(_set_state(client, job, state="in progress"))
    drawn: dict[str, list[LabelledObject]] = defaultdict(list)
    for sha256, labelled in read_objects(client, job.id, frames):
        drawn[sha256].append(labelled)
    corrections = {n: correct(drawn[frames.sha256[n]], truth[frames.sha256[n]]) for n in job.frames}
    _write_corrections(client, job.id, corrections, frames.labels)
    on_change(_set_state(client, job, stage="acceptance", state="completed"))


def _set_state(client: Client, job: Job, **wanted: str) -> Job:
    answer = call(client, "PATCH", f"/api/jobs/{job.id}", body=msgspec.json.encode(wanted))
    return msgspec.json.decode(answer, type=Job)


def _write_corrections(client: Client, job_id: int, by_frame: Mapping[int, Corrections], labels: Labels) -> None:
    # Deleting first leaves only matched objects, so that an annotator who is stopped in between matches them again.
    actions: tuple[Action, ...] = ("delete", "update", "create")
    for action in actions:
        body = data_of(
            to_wire(labelled, frame, labels)
            for frame, corrections in by_frame.items()
            for labelled in getattr(corrections, action)
        )
        if body:
            change_wire(client, "jobs", job_id, action, body)
