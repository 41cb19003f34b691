"""The images of tasks and jobs: the list of frames, single frames and chunks."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cvat.embedded.bodies import MetaPatch
from cvat.embedded.database import timestamp
from cvat.embedded.errors import BadRequest, NotFound
from cvat.embedded.frames import chunk_response, frame_response, quality_of, read_frames
from cvat.embedded.http import Call, Caller, Id, Reply
from cvat.embedded.images import thumbnail
from cvat.embedded.rows import find_job, find_project, find_task
from cvat.embedded.tables import Frame, Job, Task
from cvat.embedded.views import data_meta

router = APIRouter()

Kind = Annotated[Literal["frame", "chunk"], Query(alias="type")]
Quality = Annotated[Literal["original", "compressed"], Query()]
Place = Literal["tasks", "jobs", "projects"]
Number = Annotated[int | None, Query(ge=0, lt=2**31)]


@router.get("/tasks/{task_id}/data/meta")
def retrieve_task_meta(task_id: Id, call: Caller) -> Reply:
    """The frames of a task."""
    with call.database.reading() as session:
        task = find_task(session, task_id)
        return Reply(data_meta(task, _frames(session, task_id)))


@router.patch("/tasks/{task_id}/data/meta")
def update_task_meta(task_id: Id, body: MetaPatch, call: Caller) -> Reply:
    """Mark frames of a task as deleted: these and no others."""
    with call.database.writing() as session:
        task = find_task(session, task_id)
        return Reply(_mark_deleted(session, task, 0, task.size - 1, body.deleted_frames))


@router.get("/jobs/{job_id}/data/meta")
def retrieve_job_meta(job_id: Id, call: Caller) -> Reply:
    """The frames of a job."""
    with call.database.reading() as session:
        job = find_job(session, job_id)
        return Reply(_job_meta(session, job, find_task(session, job.task_id)))


@router.patch("/jobs/{job_id}/data/meta")
def update_job_meta(job_id: Id, body: MetaPatch, call: Caller) -> Reply:
    """Mark frames of a job as deleted: these and no others of the job."""
    with call.database.writing() as session:
        job = find_job(session, job_id)
        if job.frames is not None:
            raise BadRequest({"deleted_frames": ["Frames of ground truth stay; delete them in the task."]})
        task = find_task(session, job.task_id)
        _mark_deleted(session, task, job.start_frame, job.stop_frame, body.deleted_frames)
        return Reply(_job_meta(session, job, task))


@router.get("/tasks/{task_id}/data")
@router.get("/tasks/{task_id}/data/")
def retrieve_task_data(
    task_id: Id, call: Caller, kind: Kind, number: Number = None, quality: Quality = "compressed"
) -> Response:
    """A frame, or a chunk of frames, of a task."""
    with call.database.reading() as session:
        task = find_task(session, task_id)
        if kind == "frame":
            return _frame(session, call, task, number, range(task.size), quality)
        first = (number or 0) * task.chunk_size
        return _chunk(session, call, task, range(first, min(first + task.chunk_size, task.size)), quality)


@router.get("/jobs/{job_id}/data")
@router.get("/jobs/{job_id}/data/")
def retrieve_job_data(
    job_id: Id,
    call: Caller,
    kind: Kind,
    number: Number = None,
    index: Number = None,
    quality: Quality = "compressed",
) -> Response:
    """A frame, or a chunk of frames, of a job. Chunks are counted from the job's first frame."""
    with call.database.reading() as session:
        job = find_job(session, job_id)
        task = find_task(session, job.task_id)
        if kind == "frame":
            return _frame(session, call, task, number, job.numbers, quality)
        first = (index if index is not None else number or 0) * task.chunk_size
        return _chunk(session, call, task, job.numbers[first : first + task.chunk_size], quality)


@router.get("/{place}/{target_id}/preview")
def retrieve_preview(place: Place, target_id: Id, call: Caller) -> Response:
    """The first frame, small; of a project that of its first task."""
    with call.database.reading() as session:
        task, number = _first_frame(session, place, target_id)
        frame = session.get(Frame, (task.id, number)) if task is not None else None
    if task is None or frame is None:
        raise NotFound("Preview")
    (content,) = read_frames(call.context.store, task, [frame], quality=None)
    return Response(thumbnail(content), media_type="image/jpeg")


def _first_frame(session: Session, place: Place, target_id: int) -> tuple[Task | None, int]:
    if place == "projects":
        wanted = select(Task).where(Task.project_id == find_project(session, target_id).id, Task.size > 0)
        return session.scalars(wanted.order_by(Task.id)).first(), 0
    if place == "jobs":
        job = find_job(session, target_id)
        return find_task(session, job.task_id), job.numbers[0]
    return find_task(session, target_id), 0


def _frames(session: Session, task_id: int, first: int = 0, last: int | None = None) -> list[Frame]:
    wanted = select(Frame).where(Frame.task_id == task_id, Frame.number >= first).order_by(Frame.number)
    return list(session.scalars(wanted if last is None else wanted.where(Frame.number <= last)))


def _job_meta(session: Session, job: Job, task: Task) -> dict[str, object]:
    meta = data_meta(task, _frames(session, task.id, job.start_frame, job.stop_frame), job.frames)
    ends = {"start_frame": task.source_number(job.start_frame), "stop_frame": task.source_number(job.stop_frame)}
    return {**meta, **ends}


def _mark_deleted(session: Session, task: Task, first: int, last: int, numbers: list[int]) -> dict[str, object]:
    odd = [number for number in numbers if not first <= number <= last]
    if odd:
        raise BadRequest({"deleted_frames": [f"There is no frame {odd[0]}; frames are {first} to {last}."]})
    inside = (Frame.task_id == task.id, Frame.number >= first, Frame.number <= last)
    session.execute(update(Frame).where(*inside).values(deleted=Frame.number.in_(numbers)))
    task.updated_date = timestamp()
    return data_meta(task, _frames(session, task.id, first, last))


def _frame(
    session: Session, call: Call, task: Task, number: int | None, frames: Sequence[int], quality: str
) -> Response:
    if number not in frames:
        raise BadRequest([f"There is no frame {number} here; give one from {frames[0]} to {frames[-1]}."])
    frame = session.get_one(Frame, (task.id, number))
    return frame_response(call.context.store, task, frame, quality=quality_of(task, quality))


def _chunk(session: Session, call: Call, task: Task, frames: Sequence[int], quality: str) -> Response:
    if not frames:
        raise BadRequest(["There is no chunk of this number here."])
    rows = [row for row in _frames(session, task.id, frames[0], frames[-1]) if row.number in frames]
    return chunk_response(call.context.store, task, rows, quality=quality_of(task, quality))
