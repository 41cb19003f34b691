"""Background requests."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import func

from cvat.embedded.functions.runs import AUTOANNOTATE
from cvat.embedded.http import Caller, Reply
from cvat.embedded.listing import Listing
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
    only=(RequestRow.type != AUTOANNOTATE,),  # those are asked for under /lambda
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
        if row is None or row.type == AUTOANNOTATE:
            return Response("There is no request with specified id", status_code=404, media_type="text/html")
        return Reply(Views(session, call.base).requests([row])[0])
