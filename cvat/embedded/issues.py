"""Issues and their comments as CVAT shows them: https://docs.cvat.ai/docs/api_sdk/sdk/reference/apis/issues-api/"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cvat.embedded.tables import Comment, Issue
from cvat.embedded.views import Views


def show_issues(session: Session, base: str, rows: Sequence[Issue]) -> list[dict[str, Any]]:
    """Issues with the number of their comments. `base` is the server's address as the caller wrote it."""
    views = Views(session, base)
    counted = select(Comment.issue_id, func.count()).where(Comment.issue_id.in_([row.id for row in rows]))
    comments = dict(session.execute(counted.group_by(Comment.issue_id)).tuples().all())
    return [
        {
            "id": row.id,
            "frame": row.frame,
            "position": row.position,
            "job": row.job_id,
            "owner": views.person(row.owner_id),
            "assignee": views.person(row.assignee_id),
            "created_date": row.created_date,
            "updated_date": row.updated_date,
            "resolved": row.resolved,
            "comments": {"url": f"{base}api/comments?issue_id={row.id}", "count": comments.get(row.id, 0)},
        }
        for row in rows
    ]


def show_comments(session: Session, base: str, rows: Iterable[Comment]) -> list[dict[str, Any]]:
    """Comments with who made them."""
    views = Views(session, base)
    return [
        {
            "id": row.id,
            "issue": row.issue_id,
            "owner": views.person(row.owner_id),
            "message": row.message,
            "created_date": row.created_date,
            "updated_date": row.updated_date,
        }
        for row in rows
    ]
