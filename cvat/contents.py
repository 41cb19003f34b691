"""What a job, a task or a project has in CVAT, as snapshots tell it: by names and content, without ids."""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from cvat_sdk import Client
from msgspec import Struct

from cvat.errors import CvatConflict
from cvat.jobs import Job, Task, TaskFrames, list_jobs, read_task_frames
from cvat.labels import Labels, WireLabel
from cvat.overlap import Part, join_parts
from cvat.wire import WireData, objects_of, read_wire, track_from_wire
from datasets.labelled import LabelledObject, Track
from datasets.snapshot import AttributeSpec, Frame, LabelSpec, TaskSnapshot, canonical_task, with_named_elements

_FAST = 1


class JobContent(Struct, frozen=True):
    """What a job has: its frames with what is drawn on them, and its tracks."""

    frames: tuple[Frame, ...]
    tracks: tuple[Track, ...] = ()


def encode_content(content: JobContent) -> bytes:
    return zlib.compress(msgspec.json.encode(content), _FAST)


def decode_content(encoded: bytes) -> JobContent:
    """The inverse of `encode_content`. Raises ValueError for another release's."""
    try:
        return msgspec.json.decode(zlib.decompress(encoded), type=JobContent)
    except zlib.error as error:
        raise ValueError(str(error)) from None


def content_of_job(job: Job, frames: TaskFrames, sha256s: Sequence[str], found: WireData, labels: Labels) -> JobContent:
    """A job's content; `frames` and `sha256s` are its task's.

    Raises:
        CvatConflict: frames are missing, or something is drawn on a frame that is none of the job's.
        KeyError: a label is not among these.
    """
    each, deleted = frames.of_each(), set(frames.deleted_frames)
    drawn: dict[int, list[LabelledObject]] = defaultdict(list)
    for number, labelled in objects_of(found, labels):
        drawn[number].append(labelled)
    _require_frames(job, len(each), drawn)
    return JobContent(
        tuple(
            Frame(
                number=n,
                name=each[n].name,
                sha256=sha256s[n],
                width=each[n].width,
                height=each[n].height,
                deleted=n in deleted,
                objects=tuple(drawn[n]),
            )
            for n in job.frames
        ),
        tuple(track_from_wire(track, labels) for track in found.tracks),
    )


def _require_frames(job: Job, frames: int, drawn: Iterable[int]) -> None:
    if job.stop_frame >= frames:
        raise CvatConflict(
            f"job {job.id} has frames to {job.stop_frame}, its task has {frames}; the answer is not whole, try again"
        )
    if odd := sorted(set(drawn) - set(job.frames)):
        raise CvatConflict(
            f"job {job.id} has objects on frame {odd[0]}, its frames are {job.start_frame} to {job.stop_frame}; "
            "open the job in CVAT, save it and try again"
        )


def task_snapshot(task: Task, contents: Iterable[JobContent]) -> TaskSnapshot:
    """What these jobs of a task have, as one."""
    joined = join_parts((Part(content.frames, content.tracks) for content in contents), size=task.size)
    return canonical_task(TaskSnapshot(task.name, task.subset, tuple(joined.frames), tuple(joined.tracks)))


def snapshot_of_task(client: Client, task: Task, labels: Labels, sha256s: Sequence[str]) -> TaskSnapshot:
    """Everything that a task has, of jobs that nobody is done with too; `sha256s` are those of its frames.

    Raises:
        CvatError: CVAT does not answer, or not fully.
    """
    frames = read_task_frames(client, task.id)
    contents = [
        content_of_job(job, frames, sha256s, read_wire(client, "jobs", job.id), labels)
        for job in list_jobs(client, task_id=task.id)
    ]
    return task_snapshot(task, contents)


def specs_of(labels: Labels) -> list[LabelSpec]:
    """A project's labels, without ids."""
    return [_spec(label) for label in labels.labels]


def _spec(label: WireLabel) -> LabelSpec:
    names = {part.id: part.name for part in label.sublabels}
    return LabelSpec(
        name=label.name,
        type=label.type,
        attributes=tuple(
            AttributeSpec(spec.name, spec.input_type, spec.mutable, spec.default_value, _values(spec.values))
            for spec in label.attributes
        ),
        sublabels=tuple(map(_spec, label.sublabels)),
        color=label.color,
        svg=with_named_elements(label.svg, names),
    )


def _values(values: Sequence[str]) -> tuple[str, ...]:
    """CVAT tells of no values as of one that is empty."""
    return tuple(values) if any(values) else ()
