"""SQLAlchemy engines whose SQLite databases keep what was committed, whatever kills the process."""

from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, event


def open_database(url: str, tables: MetaData) -> Engine:
    """An engine for `url` with these tables made where they are missing."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _make_durable)
    tables.create_all(engine)
    return engine


def _make_durable(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
