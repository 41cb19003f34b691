"""Background requests, and the exports that are made by them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy import func
from sqlalchemy.orm import Session

from cvat.embedded.background import FINISHED
from cvat.embedded.errors import BadRequest, NotFound
from cvat.embedded.exports import FORMATS, export_request
from cvat.embedded.http import Caller, Id, Reply
from cvat.embedded.listing import Listing
from cvat.embedded.rows import find_task
from cvat.embedded.tables import Request as RequestRow
from cvat.embedded.views import Views

router = APIRouter()

_REQUESTS = Listing(
    RequestRow,
    fields={
        "created_date": RequestRow.created_date,
        "status": RequestRow.status,
        "target": RequestRow.target,
        "format": RequestRow.format,
        "action": func.substr(RequestRow.type, 1, func.instr(RequestRow.type, ":") - 1, type_=RequestRow.type.type),
        "project_id": RequestRow.project_id,
        "task_id": RequestRow.task_id,
        "job_id": RequestRow.job_id,
    },
    search=("target", "format"),
    sort="-created_date",
)


@router.get("/requests")
def list_requests(request: Request, call: Caller) -> Reply:
    """All requests, newest first."""
    with call.database.reading() as session:
        rows, page = _REQUESTS.page(session, request.query_params, request.url)
        return Reply({**page, "results": Views(session, call.base).requests(rows)})


@router.get("/requests/{rq_id}")
def retrieve_request(rq_id: str, call: Caller) -> Response:
    """How far a request is."""
    with call.database.reading() as session:
        row = session.get(RequestRow, rq_id)
        if row is None:
            return Response("There is no request with specified id", status_code=404, media_type="text/html")
        return Reply(Views(session, call.base).requests([row])[0])


@router.post("/tasks/{task_id}/dataset/export")
def start_export(
    task_id: Id, call: Caller, format_name: Annotated[str, Query(alias="format")], save_images: bool = False
) -> Reply:
    """Have an export made."""
    if format_name not in FORMATS:
        raise BadRequest({"format": [f"Unknown format {format_name!r}; known are {', '.join(FORMATS)}."]})
    with call.database.reading() as session:
        task = find_task(session, task_id)
    request = export_request(task, call.user_id, format_name=format_name, with_images=save_images)
    return Reply({"rq_id": call.context.runner.submit(request)}, status_code=202)


@router.get("/tasks/{task_id}/dataset/download")
def download_export(task_id: Id, call: Caller, rq_id: str) -> Response:
    """A finished export."""
    with call.database.reading() as session:
        row = _finished(session, task_id, rq_id)
    kind = rq_id.rpartition("=")[2]
    when = "".join(character if character.isdigit() else "_" for character in (row.finished_date or "")[:19])
    filename = f"task_{task_id}_{kind}_{when}_{(row.format or '').lower()}.zip"
    path = call.context.store.export_file(row.result_file or "")
    return FileResponse(path, media_type="application/zip", filename=filename)


def _finished(session: Session, task_id: int, rq_id: str) -> RequestRow:
    row = session.get(RequestRow, rq_id)
    if row is None or row.task_id != task_id or row.status != FINISHED or row.result_file is None:
        raise NotFound("Request")
    return row
