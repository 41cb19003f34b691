"""Tasks, jobs and frames as CVAT lists them, and which objects are on each frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from cvat_sdk import Client
from msgspec import Struct

from cvat.client import call, read_all
from cvat.frames import sha256_of_frames
from cvat.labels import Labels, read_labels
from cvat.wire import objects_of, read_wire
from datasets.coco import Image
from datasets.labelled import LabelledObject

Accept = Literal["acceptance", "completed"]
"""When people are done with a job: completed at stage acceptance, or completed at any stage."""


class User(Struct, frozen=True):
    """Somebody on the server."""

    id: int
    username: str


class Task(Struct, frozen=True):
    """A task as CVAT lists it."""

    id: int
    name: str
    updated_date: str
    subset: str = ""
    size: int = 0


class Job(Struct, frozen=True):
    """A job as CVAT lists it; its frames are those from `start_frame` to `stop_frame`."""

    id: int
    task_id: int
    stage: str
    state: str
    start_frame: int
    stop_frame: int
    updated_date: str
    assignee: User | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether people are done with it: stage acceptance, state completed."""
        return self.is_done("acceptance")

    def is_done(self, accept: Accept) -> bool:
        """Whether people are done with it by this rule."""
        return self.state == "completed" and accept in ("completed", self.stage)

    @property
    def is_new(self) -> bool:
        """Whether nobody has begun it."""
        return (self.stage, self.state) == ("annotation", "new")

    @property
    def frames(self) -> range:
        return range(self.start_frame, self.stop_frame + 1)


class FrameInfo(Struct, frozen=True):
    """A frame as CVAT lists it; `width` and `height` are those of the upright image."""

    name: str
    width: int
    height: int


class TaskFrames(Struct, frozen=True):
    """What a task's frames are, by number, and which were deleted. A video is listed as one frame of many."""

    frames: tuple[FrameInfo, ...]
    deleted_frames: tuple[int, ...] = ()
    size: int = 0

    def of_each(self) -> tuple[FrameInfo, ...]:
        """One for each number; a video's are named by their numbers."""
        if len(self.frames) != 1 or self.size <= 1:
            return self.frames
        (video,) = self.frames
        return tuple(msgspec.structs.replace(video, name=f"{video.name}#{number}") for number in range(self.size))


@dataclass(frozen=True)
class Frames:
    """A task's frames: the SHA-256 of each by number, and its labels."""

    task_id: int
    sha256: Sequence[str]
    deleted: frozenset[int]
    labels: Labels


def read_task_frames(client: Client, task_id: int) -> TaskFrames:
    """The frames of a task. Raises CvatError."""
    return msgspec.json.decode(call(client, "GET", f"/api/tasks/{task_id}/data/meta"), type=TaskFrames)


def read_frames(client: Client, task_id: int, images: Mapping[str, Image]) -> Frames:
    """The frames of a task, each told by content. Raises CvatConflict where one is unknown."""
    found = read_task_frames(client, task_id)
    sha256 = sha256_of_frames([frame.name for frame in found.frames], images)
    return Frames(task_id, sha256, frozenset(found.deleted_frames), read_labels(client, "task_id", task_id))


def list_tasks(client: Client, project_id: int) -> list[Task]:
    """The tasks of a project that have images, oldest first."""
    return [task for task in read_all(client, "/api/tasks", Task, {"project_id": project_id}) if task.size]


def list_jobs(client: Client, **owner: int) -> list[Job]:
    """The annotation jobs of a `task_id` or `project_id`, oldest first."""
    return read_all(client, "/api/jobs", Job, {**owner, "type": "annotation"})


def read_objects(client: Client, job_id: int, frames: Frames) -> list[tuple[str, LabelledObject]]:
    """Every shape and tag of a job, by the SHA-256 of its image."""
    content = read_wire(client, "jobs", job_id)
    return [(frames.sha256[frame], labelled) for frame, labelled in objects_of(content, frames.labels)]
