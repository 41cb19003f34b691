"""The catalogue's tables, opening a database that has them, and writing to it fast."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Engine, Float, Index, Integer, MetaData, String, Table, Text, inspect, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn

from datasets.database import open_database
from datasets.errors import BadInput

_KINDS = {("sqlite", "qmark"), ("postgresql", "pyformat")}
METADATA = MetaData()

IMAGES = Table(
    "images",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("file_name", String(255), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("family", String(255), nullable=False, index=True),
    Column("page_url", Text),
    Column("url", Text),
    Column("author", Text),
    Column("license", Text),
    Column("license_url", Text),
    Column("attribution", Text),
    Column("title", Text),
    Column("price", Text),
    Column("listing_id", Text),
    Column("retrieved_at", Text),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("robots", Text),
    Column("source", String(64)),
    Column("recipe", String(12)),
    Column("state", String(12), nullable=False, server_default="kept"),
    Column("reason", Text),
    Column("score", Float),
    Column("fingerprint", String(16)),
    Column("derived_from", String(64)),
)
# `refused` is why an address gave no image; the first release had nothing beside it and `sha256`.
ADDRESSES = Table(
    "addresses",
    METADATA,
    Column("url", Text, primary_key=True),
    Column("sha256", String(64)),
    Column("refused", Text),
    Column("fate", String(12)),
    Column("tries", Integer, nullable=False, server_default="1"),
    Column("source", String(64)),
)
HANDED_OVER = Table(
    "handed_over",
    METADATA,
    Column("url", Text, primary_key=True),
    Column("source", String(64), nullable=False),
    Column("told", Text, nullable=False),
)
OBSERVATIONS = Table(
    "observations",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("source", String(64), nullable=False),
    Column("recipe", String(12), nullable=False),
    Column("told", Text, nullable=False),
    Index("observations_by_source", "source"),
)


def open_catalog(url: str) -> Engine:
    """An engine for the catalogue at `url`, its tables made or brought up to date.

    Raises:
        BadInput: the database is of another kind, cannot be opened, or is no catalogue.
    """
    kind = make_url(url).get_dialect()()
    if (kind.name, kind.paramstyle) not in _KINDS:  # rows are written as the driver takes them
        raise BadInput(
            f"a catalogue is not kept in {kind.name} by {kind.driver}; use sqlite:// or postgresql+psycopg://"
        )
    try:
        engine = open_database(url, METADATA)
        for table in METADATA.sorted_tables:
            _add_missing_columns(engine, table)
    except DBAPIError as error:
        raise BadInput(f"{url} cannot be used as a catalogue: {error.orig}; move it away, or mend it") from None
    return engine


def insert_of(engine: Engine) -> Any:
    """The `insert` that knows what to do where a row is there already."""
    return sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert


def as_text(engine: Engine, statement: Any, names: Sequence[str]) -> str:
    """A statement for rows of these columns' values, as the driver takes it, faster than SQLAlchemy's own way."""
    driver: Any = type(engine.dialect)
    style = "qmark" if engine.dialect.name == "sqlite" else "format"
    compiled = statement.compile(dialect=driver(paramstyle=style), column_keys=list(names))
    if compiled.positiontup != list(names):
        raise ValueError(f"the columns come as {compiled.positiontup}, not as {list(names)}")
    return str(compiled)


def _add_missing_columns(engine: Engine, table: Table) -> None:
    """Bring a table of an earlier release up to date: all columns since then may be absent or have a default."""
    there = {column["name"] for column in inspect(engine).get_columns(table.name)}
    with engine.begin() as connection:
        for column in table.columns:
            if column.name not in there:
                definition = CreateColumn(column).compile(dialect=engine.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {definition}")
