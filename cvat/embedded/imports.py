"""Imports of annotations into tasks and jobs, in the background. All is read and checked first; then what was there is
replaced with one commit, so an import that fails changes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.annotations import Scope, create_annotations, replace_annotations
from cvat.embedded.background import Outcome, Work
from cvat.embedded.database import Database
from cvat.embedded.errors import BadRequest, RefusedImport
from cvat.embedded.exports import place_of
from cvat.embedded.formats.files import open_files
from cvat.embedded.formats.importers import IMPORTERS
from cvat.embedded.formats.target import Target, TargetFrame
from cvat.embedded.labeled import LabeledData, from_plain
from cvat.embedded.labels import labels_of
from cvat.embedded.received import find_file, forget_file
from cvat.embedded.rows import find_task
from cvat.embedded.settings import Limits
from cvat.embedded.specs import read_specs, top_labels
from cvat.embedded.store import Store
from cvat.embedded.tables import Frame, Job, Request

IMPORT_ANNOTATIONS = "import:annotations"

Kind = Literal["task", "job"]
Mode = Literal["replace", "append"]

_WRITE: Mapping[Mode, Callable[[Session, Scope, LabeledData], LabeledData]] = {
    "replace": replace_annotations,
    "append": create_annotations,
}


def import_request(
    session: Session, kind: Kind, id_: int, user_id: int, *, format_name: str, file_id: str, mode: Mode
) -> Request:
    """The request to import a received file. Raises NotFound, or BadRequest for a task without images."""
    place = place_of(session, kind, id_)
    if not find_task(session, place["task_id"] or 0).size:
        raise BadRequest(["The task has no images yet; upload them first."])
    return Request(
        id=f"action=import&target={kind}&target_id={id_}&subresource=annotations",
        type=IMPORT_ANNOTATIONS,
        target=kind,
        owner_id=user_id,
        **place,
        params={"file": file_id, "format": format_name, "mode": mode},
    )


def import_with(database: Database, store: Store, limits: Limits) -> Work:
    """The work of a request for an import. The received file goes, whether it can be imported or not."""

    def work(request: Request) -> Outcome:
        file_id, file = find_file(database, store, request.params["file"])
        try:
            with database.reading() as session:
                target = read_target(session, request.task_id or 0)
            with open_files(file.path, file.name, limits) as files:
                found = validated(IMPORTERS[request.params["format"]].read_annotations(files, target))
        except Exception:
            forget_file(database, store, file_id)
            raise

        def commit(session: Session, row: Request) -> None:
            _WRITE[request.params["mode"]](session, _scope(session, row), found)

        def forget() -> None:
            forget_file(database, store, file_id)

        return Outcome(commit, tidy=forget, undo=forget)

    return work


def read_target(session: Session, task_id: int) -> Target:
    """A task as an import sees it."""
    task = find_task(session, task_id)
    columns = select(Frame.number, Frame.name, Frame.width, Frame.height)
    rows = session.execute(columns.where(Frame.task_id == task_id).order_by(Frame.number))
    frames = [TargetFrame(number, task.source_number(number), *row) for number, *row in rows]
    return Target(frames, top_labels(read_specs(session, labels_of(task))), is_video=task.video is not None)


def validated(found: LabeledData) -> LabeledData:
    """Annotations that a file had, if they could also have been sent. Raises RefusedImport."""
    try:
        return from_plain(msgspec.to_builtins(found))
    except BadRequest as error:
        raise RefusedImport(f"an annotation cannot be stored: {_first_reason(error.body)}") from None


def _first_reason(body: Any) -> str:
    """What is wrong first: `{"shapes": [{}, {"points": ["Too few."]}]}` is "shapes: 1: points: Too few."."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, value in items:
        if value:
            reason = _first_reason(value)
            return reason if isinstance(value, str) else f"{name}: {reason}"
    return str(body)


def _scope(session: Session, row: Request) -> Scope:
    task = find_task(session, row.task_id or 0)
    wanted = select(Job).where(Job.task_id == task.id).order_by(Job.id)
    wanted = wanted if row.job_id is None else wanted.where(Job.id == row.job_id)
    return Scope(task, session.scalars(wanted).all())
