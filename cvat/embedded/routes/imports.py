"""Sending files of annotations for tasks and jobs, and datasets for projects, and having them imported."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from cvat.embedded import tus
from cvat.embedded.dataset_imports import dataset_request
from cvat.embedded.errors import ApiError, BadRequest
from cvat.embedded.formats.importers import IMPORTERS
from cvat.embedded.forms import Form, read_form
from cvat.embedded.http import Call, Caller, Id, Reply
from cvat.embedded.imports import Kind, Mode, import_request
from cvat.embedded.received import begin_file, find_file, forget_file, keep_file
from cvat.embedded.tables import Request as RequestRow

router = APIRouter()

Place = Literal["tasks", "jobs"]
Format = Annotated[str, Query(alias="format")]

_KINDS: dict[Place, Kind] = {"tasks": "task", "jobs": "job"}


@router.post("/{place}/{target_id}/annotations")
@router.post("/{place}/{target_id}/annotations/")
async def send_annotations(
    place: Place,
    target_id: Id,
    request: Request,
    call: Caller,
    format_name: Format = "",
    filename: str = "",
    import_mode: Mode = "replace",
) -> Response:
    """One step of sending annotations, told by a header: start, a file in pieces, finish. Without any of these headers
    the request is all steps at once, and has the file in a form."""

    def wanted(session: Session, file_id: str) -> RequestRow:
        kind, user_id = _KINDS[place], call.user_id
        return import_request(
            session, kind, target_id, user_id, format_name=format_name, file_id=file_id, mode=import_mode
        )

    sending = _Sending(f"{place}/{target_id}/annotations", "annotation_file", filename, wanted)
    return await sending.step(request, call, format_name)


@router.post("/projects/{project_id}/dataset")
@router.post("/projects/{project_id}/dataset/")
async def send_dataset(
    project_id: Id, request: Request, call: Caller, format_name: Format = "", filename: str = ""
) -> Response:
    """One step of sending a dataset; the same steps as for annotations."""

    def wanted(session: Session, file_id: str) -> RequestRow:
        return dataset_request(session, project_id, call.user_id, format_name=format_name, file_id=file_id)

    return await _Sending(f"projects/{project_id}/dataset", "dataset_file", filename, wanted).step(
        request, call, format_name
    )


@router.head("/{place}/{target_id}/annotations/{file_id}")
@router.head("/projects/{target_id}/dataset/{file_id}")
def tell_offset(target_id: Id, file_id: str, call: Caller) -> Response:
    """How much of a file has arrived."""
    return tus.progress(find_file(call.database, call.context.store, file_id)[1])


@router.patch("/{place}/{target_id}/annotations/{file_id}")
@router.patch("/projects/{target_id}/dataset/{file_id}")
async def add_piece(target_id: Id, file_id: str, request: Request, call: Caller) -> Response:
    """The next piece of a file."""
    _, file = await run_in_threadpool(find_file, call.database, call.context.store, file_id)
    return await tus.add_piece(file, request)


@dataclass(frozen=True)
class _Sending:
    """A file being sent to a `place` of the API: its field in a form, its name if it came in pieces, and the request
    that is made with it in the end."""

    place: str
    field: str
    filename: str
    wanted: Callable[[Session, str], RequestRow]

    async def step(self, request: Request, call: Call, format_name: str) -> Response:
        """Take one step. Raises BadRequest where the format is unknown or there is no file."""
        if tus.is_creation(request):
            return await run_in_threadpool(self._create, request, call)
        if format_name not in IMPORTERS:
            raise BadRequest({"format": [f"Unknown format {format_name!r}; known are {', '.join(IMPORTERS)}."]})
        if "upload-start" in request.headers:
            return Reply(None, status_code=202)
        form = await read_form(request, call.context.store)
        try:
            return await run_in_threadpool(self._finish, form, call)
        finally:
            form.remove_files()

    def _create(self, request: Request, call: Call) -> Response:
        name, length = tus.announced(request)
        file_id = begin_file(call.database, call.context.store, call.user_id, name=name, length=length)
        location = f"{call.base}api/{self.place}/{file_id}"
        return tus.created(file_id, location)  # under its id nothing else can be meant

    def _finish(self, form: Form, call: Call) -> Reply:
        file_id = self._received(form, call)
        try:
            with call.database.reading() as session:
                request = self.wanted(session, file_id)
            return Reply({"rq_id": call.context.runner.submit(request)}, status_code=202)
        except ApiError:
            forget_file(call.database, call.context.store, file_id)
            raise

    def _received(self, form: Form, call: Call) -> str:
        if form.files:
            name, path = form.files[0]
            return keep_file(call.database, call.context.store, call.user_id, name=tus.base_name(name), path=path)
        if not self.filename:
            raise BadRequest({self.field: ["No file was submitted."]})
        file_id, file = find_file(call.database, call.context.store, self.filename)
        file.check_complete()
        return file_id
