"""Uploading the images of a task."""

from email.header import Header

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from cvat.embedded.bodies import DataBody
from cvat.embedded.errors import BadRequest
from cvat.embedded.forms import Form, read_form
from cvat.embedded.http import Call, Caller, Id, Reply, field_errors
from cvat.embedded.ingest import CREATE_TASK
from cvat.embedded.tables import Request as RequestRow
from cvat.embedded.uploads import add_files, begin_upload, check_complete, create_tus, creation_id, find_tus, open_task

router = APIRouter()

_TUS = {"Tus-Resumable": "1.0.0"}


@router.post("/tasks/{task_id}/data")
@router.post("/tasks/{task_id}/data/")
async def upload(task_id: Id, request: Request, call: Caller) -> Response:
    """One step of an upload, told by a header: start, several files, one file in pieces, finish. Without any of
    these headers the request is all steps at once."""
    database, store = call.database, call.context.store
    if "upload-length" in request.headers:
        return await run_in_threadpool(_create_tus, task_id, request, call)
    if "upload-start" in request.headers:
        await run_in_threadpool(begin_upload, database, store, task_id)
        return Reply(None, status_code=202)
    form = await read_form(request, store)
    try:
        if "upload-multiple" in request.headers:
            await run_in_threadpool(add_files, database, store, task_id, form.files)
            return Reply(None)
        if "upload-finish" not in request.headers:
            await run_in_threadpool(begin_upload, database, store, task_id)
        return await run_in_threadpool(_finish, task_id, form, call)
    finally:
        form.remove_files()


@router.head("/tasks/{task_id}/data/{upload_id}")
def tell_offset(task_id: Id, upload_id: str, call: Caller) -> Response:
    """How much of a file in pieces has arrived."""
    upload, _, size = find_tus(call.database, call.context.store, task_id, upload_id)
    numbers = {"Upload-Offset": str(size), "Upload-Length": str(upload.length)}
    return Response(headers={**_TUS, **numbers, "Cache-Control": "no-store"})


@router.patch("/tasks/{task_id}/data/{upload_id}")
async def add_piece(task_id: Id, upload_id: str, request: Request, call: Caller) -> Response:
    """The next piece of a file. A piece that breaks off counts as far as it came."""
    found = await run_in_threadpool(find_tus, call.database, call.context.store, task_id, upload_id)
    upload, path, size = found
    if request.headers.get("upload-offset") != str(size):
        return Response(status_code=409, headers={**_TUS, "Upload-Offset": str(size)})
    # Not opened for appending: should the same piece come twice at once, both write the same bytes to the same place.
    with path.open("r+b", buffering=0) as file:
        file.seek(size)
        async for piece in request.stream():
            size += len(piece)
            if size > upload.length:
                raise BadRequest({"detail": f"{upload.name}: more than the {upload.length} bytes announced."})
            file.write(piece)
    return Response(status_code=204, headers={**_TUS, "Upload-Offset": str(size)})


def _create_tus(task_id: int, request: Request, call: Call) -> Response:
    length, metadata = request.headers["upload-length"], request.headers.get("upload-metadata", "")
    if not length.isascii() or not length.isdigit():
        raise BadRequest({"detail": "The Upload-Length header is not a number of bytes."})
    created = create_tus(
        call.database, call.context.store, task_id, call.user_id, length=int(length), metadata=metadata
    )
    location = f"{call.base}api/tasks/{task_id}/data/{created.id}"
    name = created.name if created.name.isascii() else Header(created.name, "utf-8").encode(maxlinelen=0)
    return Response(status_code=201, headers={**_TUS, "Location": location, "Upload-Filename": name})


def _finish(task_id: int, form: Form, call: Call) -> Reply:
    """Have what was uploaded made into frames."""
    try:
        options = DataBody.model_validate(form.fields)
    except ValidationError as error:
        raise BadRequest(field_errors(error.errors())) from None
    add_files(call.database, call.context.store, task_id, form.files)
    with call.database.reading() as session:
        task = open_task(session, task_id)
        check_complete(session, call.context.store, task_id)
    request = RequestRow(
        id=creation_id(task_id),
        type=CREATE_TASK,
        target="task",
        owner_id=call.user_id,
        project_id=task.project_id,
        task_id=task_id,
        params=options.model_dump(),
    )
    return Reply({"rq_id": call.context.runner.submit(request)}, status_code=202)
