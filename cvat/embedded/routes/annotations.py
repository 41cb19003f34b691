"""Annotations of tasks and jobs."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from cvat.embedded.annotations import (
    Scope,
    create_annotations,
    delete_annotations,
    read_annotations,
    remove_annotations,
    replace_annotations,
    update_annotations,
)
from cvat.embedded.errors import BadRequest
from cvat.embedded.http import Caller, Id, Reply
from cvat.embedded.labeled import LabeledData, decode, encode
from cvat.embedded.rows import annotation_jobs, find_job, find_task

router = APIRouter()

Kind = Literal["tasks", "jobs"]


async def _sent(request: Request) -> LabeledData:
    return await run_in_threadpool(decode, await request.body())


Sent = Annotated[LabeledData, Depends(_sent)]

_ACTIONS = {"create": create_annotations, "update": update_annotations, "delete": delete_annotations}


@router.get("/{kind}/{target_id}/annotations")
@router.get("/{kind}/{target_id}/annotations/")
def retrieve_annotations(kind: Kind, target_id: Id, call: Caller) -> Reply:
    """All there are."""
    with call.database.reading() as session:
        return Reply(encode(read_annotations(session, _scope(session, kind, target_id))))


@router.put("/{kind}/{target_id}/annotations")
@router.put("/{kind}/{target_id}/annotations/")
def put_annotations(kind: Kind, target_id: Id, body: Sent, call: Caller) -> Reply:
    """Replace all there are."""
    with call.changing(**_named(kind, target_id)) as session:
        told = replace_annotations(session, _scope(session, kind, target_id), body)
    return Reply(encode(told))


@router.patch("/{kind}/{target_id}/annotations")
@router.patch("/{kind}/{target_id}/annotations/")
def patch_annotations(
    kind: Kind, target_id: Id, action: Literal["create", "update", "delete"], body: Sent, call: Caller
) -> Reply:
    """Add some, change some or delete some."""
    with call.changing(**_named(kind, target_id)) as session:
        told = _ACTIONS[action](session, _scope(session, kind, target_id), body)
    return Reply(encode(told))


@router.delete("/{kind}/{target_id}/annotations")
@router.delete("/{kind}/{target_id}/annotations/")
def destroy_annotations(kind: Kind, target_id: Id, call: Caller) -> Response:
    """Delete all there are."""
    with call.changing(**_named(kind, target_id)) as session:
        remove_annotations(session, _scope(session, kind, target_id))
    return Response(status_code=204)


def _named(kind: Kind, target_id: int) -> dict[str, int]:
    return {"task_id" if kind == "tasks" else "job_id": target_id}


def _scope(session: Session, kind: Kind, target_id: int) -> Scope:
    """Where to read or write. Raises BadRequest for a task without images."""
    if kind == "jobs":
        job = find_job(session, target_id)
        return Scope(find_task(session, job.task_id), [job])
    task = find_task(session, target_id)
    if not task.size:
        raise BadRequest(["The task has no images yet; upload them first."])
    return Scope(task, annotation_jobs(session, task.id))
