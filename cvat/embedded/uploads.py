"""Files received for a task before it has frames: many in one form, or one in pieces."""

import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session

from cvat.embedded.background import UNDER_WAY
from cvat.embedded.database import Database
from cvat.embedded.errors import BadRequest, Conflict, NotFound
from cvat.embedded.store import Store
from cvat.embedded.tables import Request, Task, Upload
from cvat.embedded.tus import TusFile, base_name


def creation_id(task_id: int) -> str:
    """The id of the request that makes the frames of a task."""
    return f"action=create&target=task&target_id={task_id}"


def open_task(session: Session, task_id: int) -> Task:
    """A task that can still get its data.

    Raises:
        NotFound: there is no such task.
        BadRequest: it has its data.
        Conflict: its data is being made into frames.
    """
    task = session.get(Task, task_id)
    if task is None:
        raise NotFound("Task")
    if task.size:
        raise BadRequest({"detail": "The task has its data already; adding more is not supported."})
    request = session.get(Request, creation_id(task_id))
    if request is not None and request.status in UNDER_WAY:
        raise Conflict(request.id)
    return task


def begin_upload(database: Database, store: Store, task_id: int) -> None:
    """Forget what an earlier upload left, so that only what comes now becomes frames."""
    with database.writing() as session:
        open_task(session, task_id)
        session.execute(delete(Upload).where(Upload.task_id == task_id))
    store.remove_from_task(task_id)


def add_files(database: Database, store: Store, task_id: int, files: Sequence[tuple[str, Path]]) -> None:
    """Keep received files under their base names, as CVAT does. A name sent again in a later form replaces the first.

    Raises:
        BadRequest: two files have one name, or one has none.
    """
    names = [base_name(name) for name, _ in files]
    if len(set(names)) != len(names):
        name, _ = Counter(names).most_common(1)[0]
        raise BadRequest({"client_files": [f"Two files are called {name!r}; folders are kept in a zip only."]})
    rows = [
        {"id": path.name, "task_id": task_id, "name": name, "length": path.stat().st_size}
        for name, (_, path) in zip(names, files, strict=True)
    ]
    store.keep_in_task(task_id, [path for _, path in files])
    with database.writing() as session:
        open_task(session, task_id)
        if rows:
            _forget(session, task_id, names)
            session.connection().execute(insert(Upload), rows)


def create_tus(database: Database, store: Store, task_id: int, user_id: int, *, name: str, length: int) -> str:
    """Begin an upload in pieces. Gives its id."""
    upload = Upload(id=f"{user_id}_{uuid.uuid4()}", task_id=task_id, name=name, length=length)
    with store.writing() as written:
        written.touch()
        store.keep({written: store.task_file(task_id, upload.id)})
    with database.writing() as session:
        open_task(session, task_id)
        _forget(session, task_id, [name])
        session.add(upload)
    return upload.id


def _forget(session: Session, task_id: int, names: Sequence[str]) -> None:
    statement = delete(Upload).where(Upload.task_id == bindparam("of"), Upload.name == bindparam("called"))
    session.connection().execute(statement, [{"of": task_id, "called": name} for name in names])


def find_tus(database: Database, store: Store, task_id: int, upload_id: str) -> TusFile:
    """An upload in pieces. Raises NotFound."""
    with database.reading() as session:
        wanted = select(Upload).where(Upload.task_id == task_id, Upload.id == upload_id)
        upload = session.scalar(wanted)
    path = store.task_file(task_id, upload_id)
    if upload is None or not path.exists():
        raise NotFound("Upload")
    return TusFile(upload.name, path, upload.length)


def check_complete(session: Session, store: Store, task_id: int) -> None:
    """Raises BadRequest where a file was begun in pieces and lacks some."""
    for upload in session.scalars(select(Upload).where(Upload.task_id == task_id)):
        TusFile(upload.name, store.task_file(task_id, upload.id), upload.length).check_complete()
