"""Which models' pre-labels each frame was shown where a challenger works beside the champion, also those with none.

A table of its own in the ledger's database. A job's rows count as long as it was not pre-labelled anew without them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, delete, insert, make_url, select

from datasets.database import open_database
from datasets.ledger import Ledger
from training.shadow import ShownFrame

_METADATA = MetaData()
_SHOWN = Table(
    "shown_frames",
    _METADATA,
    Column("scope", String(512), primary_key=True),
    Column("job_id", Integer, primary_key=True, autoincrement=False),
    Column("sha256", String(64), primary_key=True),
    Column("family", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("run", String(64), nullable=False),
)
_BUSY_SECONDS = "60"


@dataclass(frozen=True)
class ShownFrames:
    """The frames of one scope of the ledger at an SQLAlchemy URL."""

    url: str
    scope: str = ""

    def write(self, job_id: int, frames: Iterable[ShownFrame], *, run: str) -> None:
        """Replace what is known of a job; `run` is what its pre-labels were made by, as the ledger notes it."""
        ours = {"scope": self.scope, "job_id": job_id}
        rows = [
            {
                **ours,
                "sha256": frame.sha256,
                "family": frame.family,
                "models": " ".join(sorted(frame.models)),
                "run": run,
            }
            for frame in frames
        ]
        engine = open_database(_patient(self.url), _METADATA)
        try:
            with engine.begin() as connection:
                connection.execute(delete(_SHOWN).where(_SHOWN.c.scope == self.scope, _SHOWN.c.job_id == job_id))
                if rows:
                    connection.execute(insert(_SHOWN), rows)
        finally:
            engine.dispose()

    def read_accepted(self, ledger: Ledger) -> list[ShownFrame]:
        """The frames of jobs that people accepted, by the ledger of this scope."""
        pulled, runs = ledger.read_pulls().keys(), ledger.read_prelabel_runs()
        engine = open_database(_patient(self.url), _METADATA)
        try:
            with engine.connect() as connection:
                rows = connection.execute(select(_SHOWN).where(_SHOWN.c.scope == self.scope)).all()
        finally:
            engine.dispose()
        return [
            ShownFrame(row.job_id, row.sha256, row.family, frozenset(row.models.split()))
            for row in rows
            if row.job_id in pulled and runs.get(row.job_id) == row.run
        ]


def _patient(url: str) -> str:
    """An address whose SQLite waits while another process writes."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        address = address.update_query_dict({"timeout": _BUSY_SECONDS, **address.query})
    return address.render_as_string(hide_password=False)
