"""The catalogue's tables, and opening a database that has them."""

from sqlalchemy import Column, Engine, Float, Index, Integer, MetaData, String, Table, Text, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn

from datasets.database import open_database
from datasets.errors import BadInput

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
        BadInput: the database cannot be opened, or is no catalogue.
    """
    try:
        engine = open_database(url, METADATA)
        for table in METADATA.sorted_tables:
            _add_missing_columns(engine, table)
    except DBAPIError as error:
        raise BadInput(f"{url} cannot be used as a catalogue: {error.orig}; move it away, or mend it") from None
    return engine


def _add_missing_columns(engine: Engine, table: Table) -> None:
    """Bring a table of an earlier release up to date: all columns since then may be absent or have a default."""
    there = {column["name"] for column in inspect(engine).get_columns(table.name)}
    with engine.begin() as connection:
        for column in table.columns:
            if column.name not in there:
                definition = CreateColumn(column).compile(dialect=engine.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {definition}")
