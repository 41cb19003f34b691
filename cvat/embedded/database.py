"""The database: SQLite in WAL mode, one writer at a time, every change one transaction."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from cvat.embedded.errors import CannotServe
from cvat.embedded.tables import SCHEMA_VERSION, UPGRADES, Base


def timestamp(*, after: timedelta = timedelta()) -> str:
    """The time now, or `after` from now, as CVAT writes it; such texts sort by time."""
    return (datetime.now(UTC) + after).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Database:
    """Sessions on one SQLite file.

    Readers see the state at their start and never wait. Writers queue on a lock of this process (no other process
    may open the file), so none of them meets SQLite's own "database is locked". Commits are on the disk when they
    return (synchronous=FULL): an answer that says "stored" stays true after a power cut, for about 1 ms a write.
    """

    def __init__(self, path: Path) -> None:
        self._engine = _open(path)
        self._writer = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        self._turn = threading.Lock()
        _prepare(self._writer, path)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on one consistent state."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or changes nothing if the block raises."""
        with self._turn, Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close the idle connections; the last one tidies the WAL file away."""
        self._engine.dispose()


def last_id(session: Session, table: str) -> int:
    """The largest id the table ever gave; inside a write, the ids above it are the caller's to give."""
    return session.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :table"), {"table": table}).scalar() or 0


def _open(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        max_overflow=-1,
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where _begin says, not where the driver guesses
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _prepare(engine: Engine, path: Path) -> None:
    """Create the tables of a new file and those that an earlier version lacks; refuse a file of an unknown version."""
    try:
        with engine.begin() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar() or 0
            if version == 0 or version in UPGRADES:
                for statement in UPGRADES.get(version, ()):
                    connection.exec_driver_sql(statement)
                Base.metadata.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except DatabaseError as error:
        raise CannotServe(
            f"{path}: the database cannot be opened ({error.orig}); check the disk and the rights"
        ) from None
    if version not in (0, *UPGRADES, SCHEMA_VERSION):
        raise CannotServe(
            f"{path}: the data has version {version}, this server reads {SCHEMA_VERSION}; "
            "choose an empty --data folder or the matching version of carloop"
        )
