"""Events of projects, tasks, jobs, issues and comments: the difference between what the API shows before and after.

So whatever makes a change, an endpoint or work in the background, tells of it in the same way.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cvat.embedded.background import Outcome, Work
from cvat.embedded.database import last_id
from cvat.embedded.issues import show_comments, show_issues
from cvat.embedded.tables import Comment, Issue, Job, Outgoing, Project, Request, Task, Webhook
from cvat.embedded.views import Views
from cvat.embedded.webhooks.sending import Sender

_RESOURCES = ("task", "job", "issue", "comment")

#: The events that a webhook of a project can ask for in CVAT.
PROJECT_EVENTS = sorted(
    [
        *(f"{action}:{resource}" for resource in _RESOURCES for action in ("create", "update", "delete")),
        "update:project",
        "delete:project",
    ]
)

#: Fields that only sum up other rows, which have events of their own.
_SUMS = ("comments", "issues", "jobs", "labels", "task_subsets", "tasks")

#: Rows as the API shows them, by kind and id.
Shown = Mapping[tuple[str, int], Mapping[str, Any]]


@dataclass(frozen=True)
class Author:
    """Who makes a change, and the address of the server as he wrote it."""

    user_id: int
    base: str


@contextmanager
def telling(
    session: Session,
    sender: Sender,
    author: Author,
    *,
    project_id: int | None = None,
    task_id: int | None = None,
    job_id: int | None = None,
) -> Iterator[None]:
    """Tell the webhooks of a project what the block changed: in the project itself, in the task or in the job's task
    down to its jobs' issues and comments, and in tasks that the block created. The messages are stored with the
    change, and sent once it is committed.
    """
    if job_id is not None:
        task_id = session.scalar(select(Job.task_id).where(Job.id == job_id))
    if task_id is not None:
        project_id = session.scalar(select(Task.project_id).where(Task.id == task_id))
    active = select(Webhook).where(Webhook.project_id == project_id, Webhook.is_active)
    webhooks = session.scalars(active.order_by(Webhook.id)).all()
    if not webhooks:
        yield
        return
    first_new = last_id(session, Task.__tablename__) + 1
    concerned = Project.id == project_id, or_(Task.id == task_id, Task.id >= first_new)
    before = _look(session, author.base, *concerned)
    yield
    session.flush()
    payloads = list(_differences(before, _look(session, author.base, *concerned)))
    told = {"sender": Views(session, author.base).person(author.user_id)}
    _post(session, sender, webhooks, [{**payload, **told} for payload in payloads])


def told_work(work: Work, sender: Sender) -> Work:
    """Work in the background that tells what it changed. Addresses in its messages lack the server's, as in CVAT."""

    def do(request: Request) -> Outcome:
        outcome = work(request)

        def commit(session: Session, row: Request) -> None:
            author = Author(row.owner_id, base="/")
            with telling(session, sender, author, project_id=row.project_id, task_id=row.task_id):
                outcome.commit(session, row)

        return replace(outcome, commit=commit)

    return do


def _look(session: Session, base: str, is_project: Any, is_task: Any) -> Shown:
    """What the API would show now, seen through a session of its own: the caller's rows stay as he knows them."""
    with Session(session.connection()) as eyes:
        views = Views(eyes, base)
        projects = eyes.scalars(select(Project).where(is_project)).all()
        inside = Task.project_id.in_([project.id for project in projects])
        tasks = eyes.scalars(select(Task).where(inside, is_task).order_by(Task.id)).all()
        jobs = eyes.scalars(select(Job).where(Job.task_id.in_([task.id for task in tasks])).order_by(Job.id)).all()
        issues = eyes.scalars(select(Issue).where(Issue.job_id.in_([job.id for job in jobs])).order_by(Issue.id)).all()
        under = Comment.issue_id.in_([issue.id for issue in issues])
        comments = eyes.scalars(select(Comment).where(under).order_by(Comment.id)).all()
        kinds = {
            "project": views.projects(projects),
            "task": views.tasks(tasks),
            "job": views.jobs(jobs),
            "issue": show_issues(eyes, base, issues),
            "comment": show_comments(eyes, base, comments),
        }
    return {(kind, shown["id"]): shown for kind, all_shown in kinds.items() for shown in all_shown}


def _differences(before: Shown, after: Shown) -> Iterator[dict[str, Any]]:
    for (kind, id_), new in after.items():
        old = before.get((kind, id_))
        if old is None:
            yield {"event": f"create:{kind}", kind: new}
        elif changed := {name: old[name] for name in old if name not in _SUMS and old[name] != new.get(name)}:
            yield {"event": f"update:{kind}", kind: new, "before_update": changed}
    for (kind, id_), old in before.items():
        if (kind, id_) not in after:
            yield {"event": f"delete:{kind}", kind: old}


def _post(session: Session, sender: Sender, webhooks: Sequence[Webhook], payloads: Sequence[Mapping[str, Any]]) -> None:
    messages = [
        message_for(webhook, payload)
        for payload in payloads
        for webhook in webhooks
        if payload["event"] in webhook.events
    ]
    session.add_all(messages)
    sqlalchemy_event.listen(session, "after_commit", lambda _session: sender.put(messages), once=True)


def message_for(webhook: Webhook, payload: Mapping[str, Any], *, redelivery: bool = False) -> Outgoing:
    """A message to a webhook."""
    return Outgoing(
        webhook_id=webhook.id,
        target_url=webhook.target_url,
        secret=webhook.secret,
        enable_ssl=webhook.enable_ssl,
        payload={**payload, "webhook_id": webhook.id},
        redelivery=redelivery,
    )
