"""Exports of annotations, with or without images, as zip files made in the background."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.background import Outcome, Work
from cvat.embedded.database import Database
from cvat.embedded.dataset_reading import Kind, read_dataset
from cvat.embedded.formats.dataset import Dataset, Part
from cvat.embedded.formats.exporters import EXPORTERS, Exporter
from cvat.embedded.frames import read_frames
from cvat.embedded.rows import find_job, find_project, find_task
from cvat.embedded.store import Store
from cvat.embedded.tables import Frame, Request, Task

EXPORT_ANNOTATIONS, EXPORT_DATASET = "export:annotations", "export:dataset"


def export_request(
    session: Session, kind: Kind, id_: int, user_id: int, *, format_name: str, with_images: bool
) -> Request:
    """The request for an export; the same export has the same id, as in CVAT. Raises NotFound."""
    subresource = "dataset" if with_images else "annotations"
    written = format_name.replace(" ", "_").replace(".", "~")
    target = f"action=export&target={kind}&target_id={id_}"
    return Request(
        id=f"{target}&user_id={user_id}&format={written}&subresource={subresource}",
        type=EXPORT_DATASET if with_images else EXPORT_ANNOTATIONS,
        target=kind,
        owner_id=user_id,
        **place_of(session, kind, id_),
        format=format_name,
        params={"with_images": with_images},
    )


def place_of(session: Session, kind: Kind, id_: int) -> dict[str, int | None]:
    """The ids of a project, task or job and of those that it belongs to. Raises NotFound."""
    if kind == "project":
        return {"project_id": find_project(session, id_).id, "task_id": None, "job_id": None}
    job = find_job(session, id_) if kind == "job" else None
    task = find_task(session, job.task_id if job else id_)
    return {"project_id": task.project_id, "task_id": task.id, "job_id": job.id if job else None}


def export_with(database: Database, store: Store) -> Work:
    """The work of a request for an export."""

    def export(request: Request) -> Outcome:
        kind = cast(Kind, request.target)
        with database.reading() as session:
            dataset = read_dataset(session, kind, getattr(request, f"{kind}_id"))
        name = hashlib.sha256(request.id.encode()).hexdigest() + ".zip"
        with store.writing() as written:
            _write_zip(dataset, EXPORTERS[str(request.format)], written)
            if request.params["with_images"]:
                _add_images(database, store, dataset, EXPORTERS[str(request.format)], written)
            store.keep({written: store.export_file(name)})

        def commit(_session: Session, finished: Request) -> None:
            finished.result_file = name

        return Outcome(commit)

    return export


def _write_zip(dataset: Dataset, exporter: Exporter, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in exporter.files(dataset):
            archive.writestr(name, content)


def _add_images(database: Database, store: Store, dataset: Dataset, exporter: Exporter, path: Path) -> None:
    """Add the frames; images hardly shrink, so packing them would cost time for nothing."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        for part in dataset.parts:
            task, rows = _read_rows(database, part)
            names = (exporter.image_name(dataset, frame) for frame in part.frames)
            for name, content in zip(names, read_frames(store, task, rows, quality=None), strict=True):
                archive.writestr(name, content)


def _read_rows(database: Database, part: Part) -> tuple[Task, list[Frame]]:
    with database.reading() as session:
        found: dict[Any, Frame] = {
            frame.number: frame for frame in session.scalars(select(Frame).where(Frame.task_id == part.task_id))
        }
        return find_task(session, part.task_id), [found[frame.index] for frame in part.frames]
