"""Serverless functions: the list, online calls, and runs over a task or job. CVAT's word for them is lambda."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.errors import BadRequest, Conflict, NotFound
from cvat.embedded.functions.calls import OnlineCall, call_function
from cvat.embedded.functions.images import encoded_frames
from cvat.embedded.functions.mapping import choose_same_names, read_labels, resolve
from cvat.embedded.functions.runs import AUTOANNOTATE, Order, run_request, show_run
from cvat.embedded.http import Call, Caller, Reply
from cvat.embedded.rows import find_task
from cvat.embedded.tables import Frame, Job, Task
from cvat.embedded.tables import Request as RequestRow

router = APIRouter(prefix="/lambda")


@router.get("/functions")
def list_functions(call: Caller) -> Reply:
    """All functions of the Nuclio dashboard that the server is told of."""
    return Reply([function.show() for function in call.context.nuclio.functions()])


@router.get("/functions/{function_id}")
def retrieve_function(function_id: str, call: Caller) -> Reply:
    """One function."""
    return Reply(call.context.nuclio.function(function_id).show())


@router.post("/functions/{function_id}")
def call_online(function_id: str, body: OnlineCall, call: Caller) -> Reply:
    """Call a function at once; nothing is stored."""
    with call.database.reading() as session:
        task, job = _target(session, body.task, body.job)
        labels = read_labels(session, task)
        frames = _frames(session, task, job, body.frames)

    def read_image(number: int) -> str:
        (image,) = encoded_frames(call.context.store, task, [frames[number]])
        return image

    function = call.context.nuclio.function(function_id)
    answer = call_function(
        call.context.nuclio,
        function,
        body,
        resolve(body.mapping or choose_same_names(function.labels, labels), function.labels, labels),
        read_image=read_image,
        secret=call.context.store.secret,
    )
    return Reply(answer)


@router.get("/requests")
def list_runs(call: Caller) -> Reply:
    """All runs there are, newest first; finished ones stay until the next run on their task, or until deleted."""
    with call.database.reading() as session:
        wanted = select(RequestRow).where(RequestRow.type == AUTOANNOTATE).order_by(RequestRow.created_date.desc())
        return Reply([show_run(row) for row in session.scalars(wanted)])


@router.post("/requests")
def start_run(body: Order, call: Caller) -> Reply:
    """Have a function annotate a task or one job of it."""
    with call.database.reading() as session:
        task, _ = _target(session, body.task, body.job)
        request = run_request(session, body, task, call.user_id)
    _check_kind(call, body.function)
    try:
        call.context.runner.submit(request)
    except Conflict:
        words = f"Only one running request is allowed for the same task #{task.id}"
        return Reply(words, status_code=Conflict.status)
    with call.database.reading() as session:
        return Reply(show_run(_find_run(session, request.id)))


@router.get("/requests/{run_id}")
def retrieve_run(run_id: str, call: Caller) -> Reply:
    """How far a run is."""
    with call.database.reading() as session:
        return Reply(show_run(_find_run(session, run_id)))


@router.delete("/requests/{run_id}")
def delete_run(run_id: str, call: Caller) -> Response:
    """Cancel a run, or forget a finished one. What a finished one stored stays."""
    with call.database.writing() as session:
        session.delete(_find_run(session, run_id))
    return Response(status_code=204)


def _target(session: Session, task_id: int | None, job_id: int | None) -> tuple[Task, Job | None]:
    """Raises BadRequest where the task or job is missing, unknown, or they do not belong together."""
    job = None if job_id is None else session.get(Job, job_id)
    if job_id is not None and job is None:
        raise BadRequest(f"There is no job {job_id}.")
    if job is not None and task_id not in (None, job.task_id):
        raise BadRequest("Job task id does not match task id")
    if job is not None:
        return find_task(session, job.task_id), job
    task = None if task_id is None else session.get(Task, task_id)
    if task is None:
        raise BadRequest("Give the id of a task or of a job." if task_id is None else f"There is no task {task_id}.")
    return task, None


def _frames(session: Session, task: Task, job: Job | None, numbers: Sequence[int]) -> dict[int, Frame]:
    """Raises BadRequest for a frame that the job, or without one the task, does not have."""
    if job is not None and any(number not in job.numbers for number in numbers):
        raise BadRequest("The frame is outside the job range")
    wanted = select(Frame).where(Frame.task_id == task.id, Frame.number.in_(numbers))
    frames = {frame.number: frame for frame in session.scalars(wanted)}
    for number in numbers:
        if number not in frames:
            raise BadRequest(f"There is no frame {number} in task {task.id}.")
    return frames


def _check_kind(call: Call, function_id: str) -> None:
    function = call.context.nuclio.function(function_id)
    if function.kind != "detector":
        raise BadRequest(f"{function_id} is of kind {function.kind}; in the background only detectors run here.")


def _find_run(session: Session, run_id: str) -> Any:
    row = session.get(RequestRow, run_id)
    if row is None or row.type != AUTOANNOTATE:
        raise NotFound("run")
    return row
