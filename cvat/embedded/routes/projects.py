"""Projects and labels."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from cvat.embedded.bodies import ProjectBody, ProjectPatch
from cvat.embedded.database import timestamp
from cvat.embedded.errors import NotFound
from cvat.embedded.http import Call, Caller, Id, Reply
from cvat.embedded.labels import add_labels, change_labels, labels_of
from cvat.embedded.listing import Listing, username
from cvat.embedded.rows import change_fields, check_user, find_project
from cvat.embedded.tables import Job, Label, Project, Task
from cvat.embedded.views import Views

router = APIRouter()

_PROJECTS = Listing(
    Project,
    fields={
        "id": Project.id,
        "name": Project.name,
        "owner": username(Project.owner_id),
        "assignee": username(Project.assignee_id),
        "updated_date": Project.updated_date,
    },
)


@router.get("/projects")
def list_projects(request: Request, call: Caller) -> Reply:
    """All projects, newest first."""
    with call.database.reading() as session:
        rows, page = _PROJECTS.page(session, request.query_params, request.url)
        return Reply({**page, "results": Views(session, call.base).projects(rows)})


@router.post("/projects")
def create_project(body: ProjectBody, call: Caller) -> Reply:
    """A new project with its labels."""
    now = timestamp()
    with call.database.writing() as session:
        check_user(session, body.assignee_id, "assignee_id")
        project = Project(
            name=body.name,
            owner_id=call.user_id,
            assignee_id=body.assignee_id,
            bug_tracker=body.bug_tracker,
            created_date=now,
            updated_date=now,
        )
        session.add(project)
        session.flush()
        add_labels(session, project, body.labels)
        told = _view(session, call, project)
    return Reply(told, status_code=201, headers={"Location": told["url"]})


@router.get("/projects/{project_id}")
def retrieve_project(project_id: Id, call: Caller) -> Reply:
    """One project."""
    with call.database.reading() as session:
        return Reply(_view(session, call, find_project(session, project_id)))


@router.patch("/projects/{project_id}")
def update_project(project_id: Id, body: ProjectPatch, call: Caller) -> Reply:
    """Change a project or its labels; only what is sent changes."""
    with call.changing(project_id=project_id) as session:
        project = find_project(session, project_id)
        change_fields(session, project, body)
        change_labels(session, project, body.labels)
        told = _view(session, call, project)
    return Reply(told)


@router.delete("/projects/{project_id}")
def delete_project(project_id: Id, call: Caller) -> Response:
    """Delete a project with its tasks."""
    with call.changing(project_id=project_id) as session:
        project = find_project(session, project_id)
        tasks = list(session.scalars(select(Task.id).where(Task.project_id == project_id)))
        session.delete(project)
    call.context.store.remove_tasks(tasks)
    return Response(status_code=204)


@router.get("/labels")
def list_labels(request: Request, call: Caller) -> Reply:
    """Labels in the order they were given, of a project, a task or a job."""
    query = request.query_params
    with call.database.reading() as session:
        only = [
            Label.parent_id.is_(None),
            *_users_of_labels(session, query.get("task_id"), query.get("job_id")),
        ]
        fields = {"id": Label.id, "name": Label.name, "type": Label.type, "project_id": Label.project_id}
        rows, page = Listing(Label, fields=fields, sort="id", only=only).page(session, query, request.url)
        return Reply({**page, "results": Views(session, call.base).labels(rows)})


@router.get("/labels/{label_id}")
def retrieve_label(label_id: Id, call: Caller) -> Reply:
    """One label."""
    with call.database.reading() as session:
        label = session.get(Label, label_id)
        if label is None:
            raise NotFound("Label")
        return Reply(Views(session, call.base).labels([label])[0])


def _users_of_labels(session: Session, task_id: str | None, job_id: str | None) -> list[ColumnElement[bool]]:
    if task_id is None and job_id is None:
        return []
    wanted = select(Task).join(Job, Job.task_id == Task.id, isouter=True)
    wanted = wanted.where(Task.id == task_id) if job_id is None else wanted.where(Job.id == job_id)
    task = session.scalars(wanted).first()
    if task is None:
        raise NotFound("Task")
    return [labels_of(task)]


def _view(session: Session, call: Call, project: Project) -> dict[str, Any]:
    session.flush()
    return Views(session, call.base).projects([project])[0]
