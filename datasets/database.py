"""SQLAlchemy engines whose SQLite databases keep what was committed, whatever kills the process."""

import time
from sqlite3 import OperationalError
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.exc import DBAPIError

_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.01


def open_database(url: str, tables: MetaData) -> Engine:
    """An engine for `url` with these tables made where they are missing."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _make_durable)
    _create_tables(engine, tables)
    return engine


def _create_tables(engine: Engine, tables: MetaData) -> None:
    """SQLAlchemy looks which are missing and then makes them: somebody may have made one in between."""
    while True:
        try:
            tables.create_all(engine)
            return
        except DBAPIError as error:
            if "already exists" not in str(error.orig):
                raise


def _make_durable(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    _use_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _use_write_ahead_log(cursor: Any) -> None:
    """SQLite's own patience does not reach here: of several who do so to a new database at once, all but one fail."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)  # a database calls nobody back
