"""Tracks in the round-trip certificate: one of each class that can be tracked, drawn over a job of every task.

A version holds objects on images, so the tracks are made up: they move, and where there is room they leave the image.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from cvat_sdk import Client

from cvat.contents import content_of_job
from cvat.jobs import Job, Task, list_jobs, list_tasks, read_task_frames
from cvat.labels import CONFIDENCE, MODEL, Labels, WireAttribute, WireLabel, read_labels
from cvat.wire import change_wire, data_of, read_wire, track_to_wire
from datasets.labelled import KeyFrame, Kind, LabelledObject, Track
from datasets.snapshot import TaskSnapshot, canonical_task
from datasets.snapshot_comparison import Difference, task_differences

_CORNERS = (4.25, 4.5, 20.0, 4.5, 20.0, 16.0, 4.25, 16.0)
_POINTS: dict[str, tuple[float, ...]] = {
    "rectangle": (4.25, 4.5, 20.0, 16.0),
    "ellipse": (12.0, 12.0, 20.0, 4.5),
    "polygon": _CORNERS,
    "polyline": _CORNERS,
    "points": _CORNERS,
    "cuboid": _CORNERS * 2,
    "skeleton": (),
    "element": _CORNERS[:2],
}
_STEP = 2.5  # pixels from one key frame to the next


def compare_tracks(client: Client, project_id: int) -> Iterator[Difference]:
    """What differs between tracks that are drawn now and those that are read then. Raises CvatError."""
    labels = read_labels(client, "project_id", project_id)
    for task in list_tasks(client, project_id):
        job, *_ = list_jobs(client, task_id=task.id)
        drawn = make_tracks(labels, job.frames)
        change_wire(client, "jobs", job.id, "create", data_of((), (track_to_wire(track, labels) for track in drawn)))
        yield from task_differences(_snapshot(task, drawn), _snapshot(task, _read_tracks(client, task, job, labels)))


def _read_tracks(client: Client, task: Task, job: Job, labels: Labels) -> Sequence[Track]:
    frames = read_task_frames(client, task.id)
    return content_of_job(job, frames, [""] * task.size, read_wire(client, "jobs", job.id), labels).tracks


def _snapshot(task: Task, tracks: Sequence[Track]) -> TaskSnapshot:
    return canonical_task(TaskSnapshot(task.name, "", (), tuple(tracks)))


def make_tracks(labels: Labels, frames: Sequence[int]) -> list[Track]:
    """A track over these frames of each label whose kind can be tracked: not of tags and masks."""
    kinds = ((label, "rectangle" if label.type == "any" else label.type) for label in labels.labels)
    return [_track(label, kind, frames) for label, kind in kinds if kind in _POINTS]


def _track(label: WireLabel, kind: str, frames: Sequence[int]) -> Track:
    keys = [0, 1, len(frames) - 1][: len(frames)]  # the last one lies outside, where it is not one of the others
    told = [spec for spec in label.attributes if spec.name not in (MODEL, CONFIDENCE)]
    return Track(
        label.name,
        tuple(KeyFrame(frames[at], _shape(label.name, kind, at, told, outside=at > 1)) for at in dict.fromkeys(keys)),
        attributes=_values(told, mutable=False),
        elements=tuple(_track(part, "element", frames) for part in label.sublabels),
    )


def _shape(category: str, kind: str, at: int, told: Sequence[WireAttribute], *, outside: bool) -> LabelledObject:
    points = tuple(value + _STEP * at for value in _POINTS[kind])
    drawn = cast(Kind, "points" if kind == "element" else kind)
    return LabelledObject(category, points, kind=drawn, outside=outside, attributes=_values(told, mutable=True))


def _values(told: Sequence[WireAttribute], *, mutable: bool) -> dict[str, str]:
    return {spec.name: spec.default_value for spec in told if spec.mutable is mutable}
