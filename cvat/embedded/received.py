"""Files that clients send for something other than a task's frames: whole, or in pieces."""

import uuid
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, or_, select

from cvat.embedded.database import Database, timestamp
from cvat.embedded.errors import NotFound
from cvat.embedded.store import Store
from cvat.embedded.tables import ReceivedFile
from cvat.embedded.tus import TusFile

#: A file that nobody used is forgotten after this time, at the next start.
LIFETIME = timedelta(days=7)


def begin_file(database: Database, store: Store, user_id: int, *, name: str, length: int) -> str:
    """Begin a file that comes in pieces. Gives its id."""
    with store.writing() as written:
        written.touch()
        return _add(database, store, written, ReceivedFile(id=_new_id(user_id), name=name, length=length))


def keep_file(database: Database, store: Store, user_id: int, *, name: str, path: Path) -> str:
    """Keep a file that came whole. Gives its id."""
    row = ReceivedFile(id=_new_id(user_id), name=name, length=path.stat().st_size)
    return _add(database, store, path, row)


def find_file(database: Database, store: Store, name_or_id: str) -> tuple[str, TusFile]:
    """A file and its id; of a name that was sent several times, the last one. Raises NotFound."""
    with database.reading() as session:
        wanted = select(ReceivedFile).where(or_(ReceivedFile.id == name_or_id, ReceivedFile.name == name_or_id))
        row = session.scalars(wanted.order_by(ReceivedFile.created_date.desc())).first()
    if row is None:
        raise NotFound("file")
    return row.id, TusFile(row.name, store.received_file(row.id), row.length)


def forget_file(database: Database, store: Store, id_: str) -> None:
    """Remove a file."""
    with database.writing() as session:
        session.execute(delete(ReceivedFile).where(ReceivedFile.id == id_))
    store.received_file(id_).unlink(missing_ok=True)


def forget_old_files(database: Database, store: Store) -> None:
    """Remove files that nobody used, and those that no row names."""
    with database.writing() as session:
        session.execute(delete(ReceivedFile).where(ReceivedFile.created_date < timestamp(after=-LIFETIME)))
        known = set(session.scalars(select(ReceivedFile.id)))
    store.remove_received(except_for=known)


def _new_id(user_id: int) -> str:
    return f"{user_id}_{uuid.uuid4()}"


def _add(database: Database, store: Store, path: Path, row: ReceivedFile) -> str:
    row.created_date = timestamp()
    store.keep({path: store.received_file(row.id)})
    with database.writing() as session:
        session.add(row)
    return row.id
