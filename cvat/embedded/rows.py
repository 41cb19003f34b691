"""Rows by id, and changes that several endpoints make in the same way."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.bodies import ProjectPatch, TaskPatch
from cvat.embedded.database import timestamp
from cvat.embedded.errors import BadRequest, NotFound
from cvat.embedded.tables import ANNOTATION, Job, Project, Task, User


def find_project(session: Session, project_id: int) -> Project:
    """A project. Raises NotFound."""
    project = session.get(Project, project_id)
    if project is None:
        raise NotFound("Project")
    return project


def find_task(session: Session, task_id: int) -> Task:
    """A task. Raises NotFound."""
    task = session.get(Task, task_id)
    if task is None:
        raise NotFound("Task")
    return task


def find_job(session: Session, job_id: int) -> Job:
    """A job. Raises NotFound."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound("Job")
    return job


def annotation_jobs(session: Session, task_id: int) -> Sequence[Job]:
    """The jobs of a task whose annotations are the task's: all but ground truth, which is compared with them."""
    return session.scalars(select(Job).where(Job.task_id == task_id, Job.type == ANNOTATION).order_by(Job.id)).all()


def change_fields(session: Session, row: Project | Task, patch: ProjectPatch | TaskPatch) -> None:
    """Take over the plain fields that a patch sends."""
    for name in patch.model_fields_set & {"name", "bug_tracker", "subset"}:
        if getattr(patch, name) is not None:
            setattr(row, name, getattr(patch, name))
    if "assignee_id" in patch.model_fields_set and patch.assignee_id != row.assignee_id:
        check_user(session, patch.assignee_id, "assignee_id")
        row.assignee_id, row.assignee_updated_date = patch.assignee_id, timestamp()
    row.updated_date = timestamp()


def check_user(session: Session, user_id: int | None, name: str) -> None:
    """Raises BadRequest for the field `name` where there is no such user."""
    if user_id is not None and session.get(User, user_id) is None:
        raise BadRequest({name: [f'Invalid pk "{user_id}" - object does not exist.']})
