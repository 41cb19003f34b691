"""Backups of projects and tasks: having one made and fetching it, sending one and having it restored."""

from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from cvat.embedded import tus
from cvat.embedded.background import FINISHED
from cvat.embedded.backups.restoring import restore_request
from cvat.embedded.backups.writing import EXPORT_BACKUP, backup_request
from cvat.embedded.errors import BadRequest, NotFound
from cvat.embedded.forms import read_form
from cvat.embedded.http import Call, Caller, Id, Reply
from cvat.embedded.received import begin_file, find_file, keep_file
from cvat.embedded.rows import find_project, find_task
from cvat.embedded.tables import Request as RequestRow
from cvat.embedded.tables import Task

router = APIRouter()

Kind = Literal["projects", "tasks"]


@router.post("/{kind}/{target_id}/backup/export")
def start_backup(kind: Kind, target_id: Id, call: Caller) -> Reply:
    """Have a backup made."""
    with call.database.reading() as session:
        target = find_project(session, target_id) if kind == "projects" else find_task(session, target_id)
    if isinstance(target, Task) and not target.size:
        raise BadRequest("Backup of a task without data is not allowed")
    return Reply({"rq_id": call.context.runner.submit(backup_request(target, call.user_id))}, status_code=202)


@router.get("/{kind}/{target_id}/backup/download")
def download_backup(kind: Kind, target_id: Id, call: Caller, rq_id: str) -> FileResponse:
    """A finished backup."""
    with call.database.reading() as session:
        row = session.get(RequestRow, rq_id)
    target = kind.removesuffix("s")
    if row is None or (row.type, row.target, row.status) != (EXPORT_BACKUP, target, FINISHED):
        raise NotFound("Request")
    if target_id != (row.project_id if kind == "projects" else row.task_id):
        raise NotFound("Request")
    when = "".join(character if character.isdigit() else "_" for character in (row.finished_date or "")[:19])
    path = call.context.store.export_file(row.result_file or "")
    return FileResponse(path, media_type="application/zip", filename=f"{target}_{target_id}_backup_{when}.zip")


@router.post("/{kind}/backup")
@router.post("/{kind}/backup/")
async def send_backup(kind: Kind, request: Request, call: Caller, filename: str = "") -> Response:
    """One step of sending a backup, told by a header: start, a file in pieces, finish. Without any of these headers
    the request is all steps at once, and has the file in a form."""
    if tus.is_creation(request):
        return await run_in_threadpool(_create_tus, kind, request, call)
    if "upload-start" in request.headers:
        return Reply(None, status_code=202)
    if "upload-finish" in request.headers:
        return await run_in_threadpool(_finish, kind, filename, call)
    form = await read_form(request, call.context.store)
    try:
        if not form.files:
            raise BadRequest({f"{kind.removesuffix('s')}_file": ["No file was submitted."]})
        name, path = form.files[0]
        return await run_in_threadpool(_restore_form, kind, name, path, call)
    finally:
        form.remove_files()


@router.head("/{kind}/backup/{file_id}")
def tell_offset(kind: Kind, file_id: str, call: Caller) -> Response:
    """How much of a backup has arrived."""
    return tus.progress(find_file(call.database, call.context.store, file_id)[1])


@router.patch("/{kind}/backup/{file_id}")
async def add_piece(kind: Kind, file_id: str, request: Request, call: Caller) -> Response:
    """The next piece of a backup."""
    _, file = await run_in_threadpool(find_file, call.database, call.context.store, file_id)
    return await tus.add_piece(file, request)


def _create_tus(kind: Kind, request: Request, call: Call) -> Response:
    name, length = tus.announced(request)
    file_id = begin_file(call.database, call.context.store, call.user_id, name=name, length=length)
    return tus.created(file_id, f"{call.base}api/{kind}/backup/{file_id}")  # under its id nothing else can be meant


def _finish(kind: Kind, filename: str, call: Call) -> Reply:
    file_id, file = find_file(call.database, call.context.store, filename)
    file.check_complete()
    return _restore(kind, file_id, call)


def _restore_form(kind: Kind, name: str, path: Path, call: Call) -> Reply:
    file_id = keep_file(call.database, call.context.store, call.user_id, name=tus.base_name(name), path=path)
    return _restore(kind, file_id, call)


def _restore(kind: Kind, file_id: str, call: Call) -> Reply:
    request = restore_request(kind.removesuffix("s"), file_id, call.user_id)
    return Reply({"rq_id": call.context.runner.submit(request)}, status_code=202)
