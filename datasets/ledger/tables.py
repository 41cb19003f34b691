"""The ledger's tables, and opening a database that has them. Every row belongs to a scope: a server and a project."""

from sqlalchemy import (
    URL,
    Column,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    make_url,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.schema import CreateIndex, CreateTable

from datasets.database import open_database
from datasets.errors import BadInput, Unavailable

METADATA = MetaData()
_BUSY_SECONDS = "60"


def _scope() -> Column[int]:
    return Column("scope_id", ForeignKey("scopes.id"), primary_key=True)


def _job() -> Column[int]:
    return Column("job_id", Integer, primary_key=True, autoincrement=False)


SCOPES = Table(
    "scopes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(512), nullable=False, unique=True),
)
PRELABELLED = Table("prelabelled_jobs", METADATA, _scope(), _job())
PRELABEL_RUNS = Table("prelabel_runs", METADATA, _scope(), _job(), Column("run", String(64), nullable=False))
QUARANTINE = Table(
    "quarantine",
    METADATA,
    _scope(),
    Column("sha256", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
)
PRELABELS = Table(
    "prelabels",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("job_id", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("model", Text, nullable=False),
    Column("stored", Text, nullable=False),
    Index("prelabels_by_job", "scope_id", "job_id"),
)
# `after` is null where it is exactly `before`, as it is for most that are accepted.
FATES = Table(
    "fates",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("job_id", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("model", Text),
    Column("verdict", String(9), nullable=False),
    Column("kind", String(9), nullable=False),
    Column("before_category", Text),
    Column("after_category", Text),
    Column("score", Float),
    Column("iou", Float),
    Column("before", Text),
    Column("after", Text),
    Index("fates_by_job", "scope_id", "job_id"),
)
PULLS = Table(
    "pulls",
    METADATA,
    _scope(),
    _job(),
    Column("task_id", Integer, nullable=False),
    Column("revision", Text, nullable=False),
    Column("subset", Text, nullable=False),
    Column("assignee", Text),
    Column("working_seconds", Float),
    Column("accepted_at", Text),
    Column("images", Integer, nullable=False),
    Column("sha256s", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
FRAMES = Table(
    "frames",
    METADATA,
    _scope(),
    Column("task_id", Integer, primary_key=True, autoincrement=False),
    Column("sha256s", Text, nullable=False),
)
CONTROLS = Table("control_jobs", METADATA, _scope(), _job())
PROBES = Table(
    "probes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("job_id", Integer, nullable=False),
    Column("probe", Text, nullable=False),
    Index("probes_by_job", "scope_id", "job_id"),
)
DELIVERIES = Table("deliveries", METADATA, _scope(), Column("delivery", String(255), primary_key=True))
JOB_EVENTS = Table(
    "job_events",
    METADATA,
    _scope(),
    _job(),
    Column("at", String(40), primary_key=True),
    Column("state", String(40), primary_key=True),
    Column("stage", String(40), primary_key=True),
    Column("assignee", Text),
)
LOCKS = Table(
    "locks",
    METADATA,
    _scope(),
    Column("name", String(255), primary_key=True),
    Column("token", String(32), nullable=False),
    Column("place", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Float, nullable=False),
    Column("renewed_at", DateTime(timezone=True), nullable=False),
)


def open_tables(url: str) -> Engine:
    """An engine for the ledger at this address, its tables made where they are missing.

    Raises:
        BadInput: it is no address of a database, or a ledger of another version of Carloop lies there.
        Unavailable: the database cannot be opened.
    """
    try:
        address = make_url(url)
        shown = address.render_as_string(hide_password=True)
        engine = open_database(_patient(address), MetaData())
        _require_our_columns(engine, shown)
        _make_tables(engine)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        told = "the ledger's address is not one that can be opened here"
        raise BadInput(f"{told}: {error}; name an SQLAlchemy URL, and install its driver") from None
    except DBAPIError as error:
        told = f"the ledger at {shown} cannot be opened: {error.orig}"
        raise Unavailable(f"{told}; check that it is a database, reachable and writable") from error
    return engine


def _patient(address: URL) -> str:
    """An address whose SQLite waits a minute, not five seconds, while another process writes."""
    if address.get_backend_name() == "sqlite":
        address = address.update_query_dict({"timeout": _BUSY_SECONDS, **address.query})
    return address.render_as_string(hide_password=False)


def _require_our_columns(engine: Engine, shown: str) -> None:
    found = inspect(engine)
    there = set(found.get_table_names())
    for table in METADATA.sorted_tables:
        if table.name in there and {column["name"] for column in found.get_columns(table.name)} != set(table.c.keys()):
            engine.dispose()
            told = f"the ledger at {shown} is of another version of Carloop (its table {table.name} is different)"
            raise BadInput(f"{told}; remove it or move it away")


def _make_tables(engine: Engine) -> None:
    """Make what is missing; others may do the same at the same time."""
    with engine.begin() as connection:
        for table in METADATA.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(CreateIndex(index, if_not_exists=True))
