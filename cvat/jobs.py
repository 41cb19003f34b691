"""Jobs as Carloop sees them: whose frames they hold, and which objects are on each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvat_sdk import Client

from cvat.client import address, list_all
from cvat.errors import CvatConflict, told_in_a_sentence
from cvat.frames import sha256_of_frames
from cvat.project import CONFIDENCE, MODEL, Labels
from datasets.coco import Image
from datasets.comparison import LabelledObject


@dataclass(frozen=True)
class Frames:
    """A task's frames: the SHA-256 of each by number, and its labels."""

    task_id: int
    sha256: Sequence[str]
    deleted: frozenset[int]
    labels: Labels


@dataclass(frozen=True)
class CvatObject:
    """An object read from CVAT; `model` is set on what a model drew, `source` is CVAT's word for who drew it."""

    sha256: str
    labelled: LabelledObject
    source: str
    model: str | None
    raw: Any


@dataclass(frozen=True)
class PulledJob:
    """An accepted job: the images it covers (without deleted frames) and the objects on them."""

    job_id: int
    sha256s: Sequence[str]
    objects: Sequence[CvatObject]


def read_frames(client: Client, task_id: int, images: Mapping[str, Image]) -> Frames:
    """The frames of a task, each told by content. Raises CvatConflict where one is unknown."""
    with told_in_a_sentence(f"reading the frames of task {task_id}", address(client)):
        task = client.tasks.retrieve(task_id)
        meta = task.get_meta()
        labels = Labels(task.get_labels())
    sha256 = sha256_of_frames([frame.name for frame in meta.frames], images)
    return Frames(task_id, sha256, frozenset(meta.deleted_frames), labels)


def list_jobs(client: Client, task_id: int) -> list[Any]:
    """A task's annotation jobs, oldest first."""
    with told_in_a_sentence(f"listing the jobs of task {task_id}", address(client)):
        return list_all(client.api_client.jobs_api, task_id=task_id, type="annotation")


def read_objects(client: Client, job_id: int, frames: Frames) -> list[CvatObject]:
    """Every rectangle and tag of a job.

    Raises:
        CvatConflict: shapes of a kind that this project's labels do not have.
    """
    with told_in_a_sentence(f"reading the annotations of job {job_id}", address(client)):
        annotations = client.jobs.retrieve(job_id).get_annotations()
    strange = sorted({str(shape.type) for shape in annotations.shapes if str(shape.type) != "rectangle"})
    if strange or annotations.tracks:
        raise CvatConflict(
            f"job {job_id} has shapes that are no rectangles ({', '.join(strange) or 'tracks'}); "
            "redraw them as rectangles"
        )
    return [_read_object(labelled, frames) for labelled in (*annotations.shapes, *annotations.tags)]


def is_accepted(job: Any) -> bool:
    """Whether people are done with a job: stage acceptance, state completed."""
    return (str(job.stage), str(job.state)) == ("acceptance", "completed")


def pull_jobs(client: Client, frames: Frames) -> list[PulledJob]:
    """The accepted jobs of a task."""
    return [_pull_job(client, job, frames) for job in list_jobs(client, frames.task_id) if is_accepted(job)]


def _pull_job(client: Client, job: Any, frames: Frames) -> PulledJob:
    numbers = [n for n in range(job.start_frame, job.stop_frame + 1) if n not in frames.deleted]
    kept = {frames.sha256[n] for n in numbers}
    objects = [labelled for labelled in read_objects(client, job.id, frames) if labelled.sha256 in kept]
    return PulledJob(job.id, [frames.sha256[n] for n in numbers], objects)


def _read_object(labelled: Any, frames: Frames) -> CvatObject:
    attributes = frames.labels.attributes_of(labelled)
    model, confidence = attributes.pop(MODEL, ""), attributes.pop(CONFIDENCE, "")
    points = getattr(labelled, "points", None)
    bbox_xyxy = None if points is None else (points[0], points[1], points[2], points[3])
    if getattr(labelled, "occluded", False):
        attributes["occluded"] = "true"
    if getattr(labelled, "rotation", 0):
        attributes["rotation"] = str(labelled.rotation)
    return CvatObject(
        sha256=frames.sha256[labelled.frame],
        labelled=LabelledObject(
            category=frames.labels.name_of[labelled.label_id],
            bbox_xyxy=bbox_xyxy,
            shape_id=labelled.id,
            score=float(confidence) if confidence else None,
            attributes=attributes,
        ),
        source=str(labelled.source),
        model=model or None,
        raw=labelled,
    )
