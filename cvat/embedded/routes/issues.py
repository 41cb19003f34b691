"""Issues on the frames of jobs, and the comments under them. Who is logged in may change all of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.bodies import Id as RowId
from cvat.embedded.database import timestamp
from cvat.embedded.errors import BadRequest, NotFound
from cvat.embedded.http import Call, Caller, Id, Reply
from cvat.embedded.issues import show_comments, show_issues
from cvat.embedded.listing import Listing, username
from cvat.embedded.rows import check_user
from cvat.embedded.tables import Comment, Issue, Job

router = APIRouter()

_ISSUES = Listing(
    Issue,
    fields={
        "id": Issue.id,
        "job_id": Issue.job_id,
        "task_id": select(Job.task_id).where(Job.id == Issue.job_id).scalar_subquery(),
        "frame_id": Issue.frame,
        "resolved": Issue.resolved,
        "owner": username(Issue.owner_id),
        "assignee": username(Issue.assignee_id),
    },
    search=("owner", "assignee"),
)

_ISSUE_OF_COMMENT = select(Issue).where(Issue.id == Comment.issue_id)

_COMMENTS = Listing(
    Comment,
    fields={
        "id": Comment.id,
        "issue_id": Comment.issue_id,
        "job_id": _ISSUE_OF_COMMENT.with_only_columns(Issue.job_id).scalar_subquery(),
        "frame_id": _ISSUE_OF_COMMENT.with_only_columns(Issue.frame).scalar_subquery(),
        "owner": username(Comment.owner_id),
    },
    search=("owner",),
)

Message = Annotated[str, Field(min_length=1)]
Position = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1)]


class IssueBody(BaseModel):
    """A new issue; `message` becomes its first comment."""

    job: RowId
    frame: RowId
    position: Position
    message: Message
    assignee: RowId | None = None
    resolved: bool = False


class IssuePatch(BaseModel):
    """Changes of an issue; where it is and what was said first cannot change."""

    position: Position | None = None
    assignee: RowId | None = None
    resolved: bool | None = None


class CommentBody(BaseModel):
    """A new comment."""

    issue: RowId
    message: Message


class CommentPatch(BaseModel):
    """Changes of a comment."""

    message: Message | None = None


@router.get("/issues")
def list_issues(request: Request, call: Caller) -> Reply:
    """All issues, newest first."""
    with call.database.reading() as session:
        rows, page = _ISSUES.page(session, request.query_params, request.url)
        return Reply({**page, "results": show_issues(session, call.base, rows)})


@router.post("/issues")
def create_issue(body: IssueBody, call: Caller) -> Reply:
    """A new issue on a frame of a job."""
    now = timestamp()
    with call.changing(job_id=body.job) as session:
        _check_there(session, Job, body.job, "job")
        check_user(session, body.assignee, "assignee")
        issue = Issue(
            **body.model_dump(include={"frame", "position", "resolved"}),
            job_id=body.job,
            assignee_id=body.assignee,
            owner_id=call.user_id,
            created_date=now,
            updated_date=now,
        )
        session.add(issue)
        session.flush()
        comment = {"message": body.message, "owner_id": call.user_id, "created_date": now, "updated_date": now}
        session.add(Comment(issue_id=issue.id, **comment))
        told = _issue_view(session, call, issue)
    return Reply(told, status_code=201)


@router.get("/issues/{issue_id}")
def retrieve_issue(issue_id: Id, call: Caller) -> Reply:
    """One issue."""
    with call.database.reading() as session:
        return Reply(_issue_view(session, call, _find_issue(session, issue_id)))


@router.patch("/issues/{issue_id}")
def update_issue(issue_id: Id, body: IssuePatch, call: Caller) -> Reply:
    """Resolve, open again, move or assign an issue; only what is sent changes."""
    with call.changing(job_id=_job_of_issue(call, issue_id)) as session:
        issue = _find_issue(session, issue_id)
        check_user(session, body.assignee, "assignee")
        for name, value in body.model_dump(include={"position", "resolved"}, exclude_none=True).items():
            setattr(issue, name, value)
        if "assignee" in body.model_fields_set:
            issue.assignee_id = body.assignee
        issue.updated_date = timestamp()
        told = _issue_view(session, call, issue)
    return Reply(told)


@router.delete("/issues/{issue_id}")
def delete_issue(issue_id: Id, call: Caller) -> Response:
    """Delete an issue with its comments."""
    with call.changing(job_id=_job_of_issue(call, issue_id)) as session:
        session.delete(_find_issue(session, issue_id))
    return Response(status_code=204)


@router.get("/comments")
def list_comments(request: Request, call: Caller) -> Reply:
    """All comments, newest first."""
    with call.database.reading() as session:
        rows, page = _COMMENTS.page(session, request.query_params, request.url)
        return Reply({**page, "results": show_comments(session, call.base, rows)})


@router.post("/comments")
def create_comment(body: CommentBody, call: Caller) -> Reply:
    """A new comment under an issue."""
    now = timestamp()
    with call.database.reading() as session:
        _check_there(session, Issue, body.issue, "issue")
    with call.changing(job_id=_job_of_issue(call, body.issue)) as session:
        _find_issue(session, body.issue)
        times = {"created_date": now, "updated_date": now}
        comment = Comment(issue_id=body.issue, owner_id=call.user_id, message=body.message, **times)
        session.add(comment)
        told = _comment_view(session, call, comment)
    return Reply(told, status_code=201)


@router.get("/comments/{comment_id}")
def retrieve_comment(comment_id: Id, call: Caller) -> Reply:
    """One comment."""
    with call.database.reading() as session:
        return Reply(_comment_view(session, call, _find_comment(session, comment_id)))


@router.patch("/comments/{comment_id}")
def update_comment(comment_id: Id, body: CommentPatch, call: Caller) -> Reply:
    """Change what a comment says."""
    with call.changing(job_id=_job_of_comment(call, comment_id)) as session:
        comment = _find_comment(session, comment_id)
        comment.message, comment.updated_date = body.message or comment.message, timestamp()
        told = _comment_view(session, call, comment)
    return Reply(told)


@router.delete("/comments/{comment_id}")
def delete_comment(comment_id: Id, call: Caller) -> Response:
    """Delete a comment."""
    with call.changing(job_id=_job_of_comment(call, comment_id)) as session:
        session.delete(_find_comment(session, comment_id))
    return Response(status_code=204)


def _check_there(session: Session, table: type[Job | Issue], id_: int, name: str) -> None:
    if session.get(table, id_) is None:
        raise BadRequest({name: [f'Invalid pk "{id_}" - object does not exist.']})


def _find_issue(session: Session, issue_id: int) -> Issue:
    issue = session.get(Issue, issue_id)
    if issue is None:
        raise NotFound("Issue")
    return issue


def _find_comment(session: Session, comment_id: int) -> Comment:
    comment = session.get(Comment, comment_id)
    if comment is None:
        raise NotFound("Comment")
    return comment


def _job_of_issue(call: Call, issue_id: int) -> int:
    with call.database.reading() as session:
        return _find_issue(session, issue_id).job_id


def _job_of_comment(call: Call, comment_id: int) -> int:
    with call.database.reading() as session:
        return _find_issue(session, _find_comment(session, comment_id).issue_id).job_id


def _issue_view(session: Session, call: Call, issue: Issue) -> dict[str, Any]:
    session.flush()
    return show_issues(session, call.base, [issue])[0]


def _comment_view(session: Session, call: Call, comment: Comment) -> dict[str, Any]:
    session.flush()
    return show_comments(session, call.base, [comment])[0]
