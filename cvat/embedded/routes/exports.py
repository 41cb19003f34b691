"""Exports of tasks, jobs and projects, and the formats there are."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from cvat.embedded.background import FINISHED
from cvat.embedded.dataset_reading import Kind
from cvat.embedded.errors import BadRequest, NotFound
from cvat.embedded.exports import EXPORT_ANNOTATIONS, EXPORT_DATASET, export_request
from cvat.embedded.formats.exporters import EXPORTERS
from cvat.embedded.formats.importers import IMPORTERS
from cvat.embedded.http import Caller, Id, Reply
from cvat.embedded.tables import Request as RequestRow

router = APIRouter()

Place = Literal["tasks", "jobs", "projects"]

_KINDS: dict[Place, Kind] = {"tasks": "task", "jobs": "job", "projects": "project"}


@router.get("/server/annotation/formats")
def list_formats(_call: Caller) -> Reply:
    """What can be exported and imported."""
    importers = {name: importer.endings for name, importer in IMPORTERS.items()}
    exporters = dict.fromkeys(EXPORTERS, "ZIP")
    return Reply({"importers": _formats(importers), "exporters": _formats(exporters)})


@router.post("/{place}/{target_id}/dataset/export")
def start_export(
    place: Place,
    target_id: Id,
    call: Caller,
    format_name: Annotated[str, Query(alias="format")],
    save_images: bool = False,
) -> Reply:
    """Have an export made."""
    if format_name not in EXPORTERS:
        raise BadRequest({"format": [f"Unknown format {format_name!r}; known are {', '.join(EXPORTERS)}."]})
    with call.database.reading() as session:
        request = export_request(
            session, _KINDS[place], target_id, call.user_id, format_name=format_name, with_images=save_images
        )
    return Reply({"rq_id": call.context.runner.submit(request)}, status_code=202)


@router.get("/{place}/{target_id}/dataset/download")
def download_export(place: Place, target_id: Id, call: Caller, rq_id: str) -> Response:
    """A finished export."""
    kind = _KINDS[place]
    with call.database.reading() as session:
        row = session.get(RequestRow, rq_id)
    if row is None or row.target != kind or getattr(row, f"{kind}_id") != target_id:
        raise NotFound("Request")
    if row.type not in (EXPORT_ANNOTATIONS, EXPORT_DATASET) or row.status != FINISHED or row.result_file is None:
        raise NotFound("Request")
    when = "".join(character if character.isdigit() else "_" for character in (row.finished_date or "")[:19])
    subresource = row.type.partition(":")[2]
    filename = f"{kind}_{target_id}_{subresource}_{when}_{(row.format or '').lower()}.zip"
    path = call.context.store.export_file(row.result_file)
    return FileResponse(path, media_type="application/zip", filename=filename)


def _formats(endings: dict[str, str]) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "ext": ending,
            "version": name.rpartition(" ")[2],
            "enabled": True,
            "dimension": "2d",
        }
        for name, ending in endings.items()
    ]
