"""Tasks and jobs."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.bodies import JobBody, JobPatch, TaskBody, TaskPatch
from cvat.embedded.database import timestamp
from cvat.embedded.errors import BadRequest, NotFound, RefusedChoice
from cvat.embedded.ground_truth import add_ground_truth, draw_frames
from cvat.embedded.http import Call, Caller, Id, Reply
from cvat.embedded.labels import add_labels, change_labels
from cvat.embedded.listing import Listing, username
from cvat.embedded.rows import change_fields, check_user, find_job, find_task
from cvat.embedded.tables import GROUND_TRUTH, Job, Project, Task
from cvat.embedded.views import Views

router = APIRouter()

_TASK_OF_JOB = select(Task).where(Task.id == Job.task_id)
_NO_LABELS_OF_ITS_OWN = "A task inside a project uses the project's labels; send labels to the project."

_TASKS = Listing(
    Task,
    fields={
        "id": Task.id,
        "name": Task.name,
        "project_id": Task.project_id,
        "project_name": select(Project.name).where(Project.id == Task.project_id).scalar_subquery(),
        "subset": Task.subset,
        "owner": username(Task.owner_id),
        "assignee": username(Task.assignee_id),
        "updated_date": Task.updated_date,
    },
)

_JOBS = Listing(
    Job,
    fields={
        "id": Job.id,
        "task_id": Job.task_id,
        "task_name": _TASK_OF_JOB.with_only_columns(Task.name).scalar_subquery(),
        "project_id": _TASK_OF_JOB.with_only_columns(Task.project_id).scalar_subquery(),
        "type": Job.type,
        "stage": Job.stage,
        "state": Job.state,
        "assignee": username(Job.assignee_id),
        "updated_date": Job.updated_date,
    },
    search=("task_name", "state", "stage", "assignee"),
)


@router.get("/tasks")
def list_tasks(request: Request, call: Caller) -> Reply:
    """All tasks, newest first."""
    with call.database.reading() as session:
        rows, page = _TASKS.page(session, request.query_params, request.url)
        return Reply({**page, "results": Views(session, call.base).tasks(rows)})


@router.post("/tasks")
def create_task(body: TaskBody, call: Caller) -> Reply:
    """A new task, still without images."""
    now = timestamp()
    with call.changing(project_id=body.project_id) as session:
        _check_project(session, body)
        check_user(session, body.assignee_id, "assignee_id")
        task = Task(
            **body.model_dump(include={"name", "project_id", "subset", "bug_tracker", "assignee_id", "segment_size"}),
            owner_id=call.user_id,
            overlap=body.overlap or 0,
            created_date=now,
            updated_date=now,
        )
        session.add(task)
        session.flush()
        add_labels(session, task, body.labels)
        told = _task_view(session, call, task)
    return Reply(told, status_code=201, headers={"Location": told["url"]})


@router.get("/tasks/{task_id}")
def retrieve_task(task_id: Id, call: Caller) -> Reply:
    """One task."""
    with call.database.reading() as session:
        return Reply(_task_view(session, call, find_task(session, task_id)))


@router.patch("/tasks/{task_id}")
def update_task(task_id: Id, body: TaskPatch, call: Caller) -> Reply:
    """Change a task, or the labels of one without a project; only what is sent changes."""
    with call.changing(task_id=task_id) as session:
        task = find_task(session, task_id)
        if body.labels and task.project_id:
            raise BadRequest({"labels": [_NO_LABELS_OF_ITS_OWN]})
        change_fields(session, task, body)
        change_labels(session, task, body.labels)
        told = _task_view(session, call, task)
    return Reply(told)


@router.delete("/tasks/{task_id}")
def delete_task(task_id: Id, call: Caller) -> Response:
    """Delete a task with its images and annotations."""
    with call.changing(task_id=task_id) as session:
        session.delete(find_task(session, task_id))
    call.context.store.remove_tasks([task_id])
    return Response(status_code=204)


@router.get("/jobs")
def list_jobs(request: Request, call: Caller) -> Reply:
    """All jobs, newest first."""
    with call.database.reading() as session:
        rows, page = _JOBS.page(session, request.query_params, request.url)
        return Reply({**page, "results": Views(session, call.base).jobs(rows)})


@router.post("/jobs")
def create_job(body: JobBody, call: Caller) -> Reply:
    """The ground truth of a task; its other jobs came with its images."""
    with call.changing(task_id=body.task_id) as session:
        task = session.get(Task, body.task_id)
        if task is None:
            raise BadRequest({"task_id": [f'Invalid pk "{body.task_id}" - object does not exist.']})
        check_user(session, body.assignee, "assignee")
        try:
            frames = draw_frames(session, task, body) if body.is_drawn else body.frames
            job = add_ground_truth(session, task, frames)
        except RefusedChoice as error:
            raise BadRequest([str(error)]) from None
        job.stage, job.state = body.stage or job.stage, body.state or job.state
        if body.assignee is not None:
            job.assignee_id, job.assignee_updated_date = body.assignee, job.updated_date
        session.flush()
        told = Views(session, call.base).jobs([job])[0]
    return Reply(told, status_code=201, headers={"Location": told["url"]})


@router.get("/jobs/{job_id}")
def retrieve_job(job_id: Id, call: Caller) -> Reply:
    """One job."""
    with call.database.reading() as session:
        return Reply(Views(session, call.base).jobs([find_job(session, job_id)])[0])


@router.patch("/jobs/{job_id}")
def update_job(job_id: Id, body: JobPatch, call: Caller) -> Reply:
    """Assign a job or move it on. A stage without a state begins anew, as in CVAT."""
    with call.changing(job_id=job_id) as session:
        job = find_job(session, job_id)
        now = timestamp()
        if "assignee" in body.model_fields_set and body.assignee != job.assignee_id:
            check_user(session, body.assignee, "assignee")
            job.assignee_id, job.assignee_updated_date = body.assignee, now
        if body.stage is not None:
            job.stage, job.state = body.stage, "new"
        job.state = body.state or job.state
        job.updated_date = session.get_one(Task, job.task_id).updated_date = now
        session.flush()
        told = Views(session, call.base).jobs([job])[0]
    return Reply(told)


@router.delete("/jobs/{job_id}")
def delete_job(job_id: Id, call: Caller) -> Response:
    """Delete ground truth with its annotations; other jobs go with their task."""
    with call.changing(job_id=job_id) as session:
        job = find_job(session, job_id)
        if job.type != GROUND_TRUTH:
            raise BadRequest(["Only ground truth jobs can be removed."])
        session.delete(job)
    return Response(status_code=204)


def _check_project(session: Session, body: TaskBody) -> None:
    if body.project_id is None:
        return
    if session.get(Project, body.project_id) is None:
        raise NotFound("Project")
    if body.labels:
        raise BadRequest({"labels": [_NO_LABELS_OF_ITS_OWN]})


def _task_view(session: Session, call: Call, task: Task) -> dict[str, Any]:
    session.flush()
    return Views(session, call.base).tasks([task])[0]
