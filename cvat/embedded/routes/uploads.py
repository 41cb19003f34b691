"""Uploading the images of a task."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from cvat.embedded import tus
from cvat.embedded.bodies import DataBody
from cvat.embedded.errors import BadRequest
from cvat.embedded.forms import Form, read_form
from cvat.embedded.http import Call, Caller, Id, Reply, field_errors
from cvat.embedded.ingest import CREATE_TASK
from cvat.embedded.tables import Request as RequestRow
from cvat.embedded.uploads import add_files, begin_upload, check_complete, create_tus, creation_id, find_tus, open_task

router = APIRouter()


@router.post("/tasks/{task_id}/data")
@router.post("/tasks/{task_id}/data/")
async def upload(task_id: Id, request: Request, call: Caller) -> Response:
    """One step of an upload, told by a header: start, several files, one file in pieces, finish. Without any of
    these headers the request is all steps at once."""
    database, store = call.database, call.context.store
    if tus.is_creation(request):
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
    return tus.progress(find_tus(call.database, call.context.store, task_id, upload_id))


@router.patch("/tasks/{task_id}/data/{upload_id}")
async def add_piece(task_id: Id, upload_id: str, request: Request, call: Caller) -> Response:
    """The next piece of a file. A piece that breaks off counts as far as it came."""
    file = await run_in_threadpool(find_tus, call.database, call.context.store, task_id, upload_id)
    return await tus.add_piece(file, request)


def _create_tus(task_id: int, request: Request, call: Call) -> Response:
    name, length = tus.announced(request)
    upload_id = create_tus(call.database, call.context.store, task_id, call.user_id, name=name, length=length)
    return tus.created(name, f"{call.base}api/tasks/{task_id}/data/{upload_id}")


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
