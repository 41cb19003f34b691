"""The ledger's store, behind one SQLAlchemy URL: SQLite by default, any other database at scale.

Rows are keyed by job (or task) within a scope. Writing those of a job again replaces them in one transaction, so that
whatever writes can be rerun at any moment.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, Table, Text, bindparam, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from datasets.ledger.locks import LockName, hold
from datasets.ledger.records import OUTCOME_COLUMNS, FateRow, JobEvent, Outcomes, Prelabel, Probe, Pull
from datasets.ledger.rows import (
    FATE_COLUMNS,
    PRELABEL_COLUMNS,
    FateText,
    fate_of,
    fate_values,
    labelled_of,
    outcomes_of,
    prelabel_values,
    text_of,
)
from datasets.ledger.tables import (
    CONTROLS,
    DELIVERIES,
    FATES,
    FRAMES,
    JOB_EVENTS,
    PRELABEL_RUNS,
    PRELABELLED,
    PRELABELS,
    PROBES,
    PULLS,
    QUARANTINE,
    SCOPES,
    open_tables,
)

_AT_ONCE = 500  # databases bound how many values a query may name
_STRINGS = msgspec.json.Decoder(tuple[str, ...])
_PROBE = msgspec.json.Decoder(Probe)


class Ledger:
    """What belongs to one scope: usually a server's address and a project's name."""

    def __init__(self, url: str, scope: str = "") -> None:
        """Open or make the ledger. Raises BadInput or Unavailable, as `open_tables` does."""
        self._engine = open_tables(url)
        self._scope_id = _scope_id(self._engine, scope)

    def close(self) -> None:
        self._engine.dispose()

    def write_prelabels(self, job_id: int, prelabels: Iterable[Prelabel]) -> None:
        """Replace what is known of a job's pre-labels; a job may have been pre-labelled and have none."""
        with self._engine.begin() as connection:
            self._replace_many(connection, PRELABELS, PRELABEL_COLUMNS, map(prelabel_values, prelabels), job_id)
            self._replace(connection, PRELABELLED, [{}], job_id=job_id)

    def read_prelabels(self, job_id: int) -> list[Prelabel]:
        """A job's pre-labels in the order they were stored."""
        columns = select(PRELABELS.c.sha256, PRELABELS.c.model, PRELABELS.c.stored)
        rows = self._rows(columns.where(PRELABELS.c.job_id == job_id).order_by(PRELABELS.c.id), PRELABELS)
        return [Prelabel(sha256, model, labelled_of(stored)) for sha256, model, stored in rows]

    def prelabelled_jobs(self) -> set[int]:
        """The jobs that were pre-labelled, those in which the models found nothing too."""
        return {job_id for (job_id,) in self._rows(select(PRELABELLED.c.job_id), PRELABELLED)}

    def write_prelabel_run(self, job_id: int, run: str) -> None:
        """Note what a job was last pre-labelled by: a digest of models and thresholds."""
        with self._engine.begin() as connection:
            self._replace(connection, PRELABEL_RUNS, [{"run": run}], job_id=job_id)

    def read_prelabel_runs(self) -> dict[int, str]:
        """What each job was last pre-labelled by."""
        columns = select(PRELABEL_RUNS.c.job_id, PRELABEL_RUNS.c.run)
        return {job_id: run for job_id, run in self._rows(columns, PRELABEL_RUNS)}

    def write_quarantine(self, reasons: Mapping[str, str], *, lifted: Iterable[str] = ()) -> None:
        """Note why images, by SHA-256, could not be predicted on; those that could be since are `lifted`."""
        with self._engine.begin() as connection:
            self._delete(connection, QUARANTINE, "sha256", [*lifted, *reasons])
            rows = [{"sha256": sha256, "reason": reason} for sha256, reason in reasons.items()]
            _insert(connection, QUARANTINE, [{"scope_id": self._scope_id, **row} for row in rows])

    def read_quarantine(self) -> dict[str, str]:
        """Why images could not be predicted on, by SHA-256."""
        return dict(map(tuple, self._rows(select(QUARANTINE.c.sha256, QUARANTINE.c.reason), QUARANTINE)))

    def write_fates(self, job_id: int, rows: Iterable[FateRow]) -> None:
        """Replace what is known of the fates in a job."""
        with self._engine.begin() as connection:
            self._replace_many(connection, FATES, FATE_COLUMNS, map(fate_values, rows), job_id)

    def read_fates(self) -> list[FateRow]:
        """Every fate, by job."""
        return [row for rows in self.read_fates_by_job().values() for row in rows]

    def read_fates_by_job(self, job_ids: Collection[int] | None = None) -> dict[int, list[FateRow]]:
        """The fates in each of these jobs, or in all, in the order of their ids."""
        columns = select(FATES.c.job_id, *(FATES.c[name] for name in FateText._fields))
        rows = self._rows(columns.order_by(FATES.c.job_id, FATES.c.id), FATES, job_ids)
        by_job = groupby(rows, key=lambda row: row.job_id)
        return {job_id: [fate_of(FateText(*row[1:])) for row in found] for job_id, found in by_job}

    def read_outcomes(self) -> Outcomes:
        """Every fate as columns, without its geometry: for counting."""
        columns = (FATES.c[name] for name in OUTCOME_COLUMNS)
        plain = [func.coalesce(column, "") if isinstance(column.type, Text) else column for column in columns]
        return outcomes_of(self._rows(select(*plain).order_by(FATES.c.job_id, FATES.c.id), FATES))

    def write_frames(self, task_id: int, sha256s: Sequence[str]) -> None:
        """Replace what is known of the frames that were pushed as a task, in their order."""
        with self._engine.begin() as connection:
            self._replace(connection, FRAMES, [{"sha256s": text_of(sha256s)}], task_id=task_id)

    def read_frames(self) -> dict[int, list[str]]:
        """The frames of each task."""
        rows = self._rows(select(FRAMES.c.task_id, FRAMES.c.sha256s), FRAMES)
        return {task_id: list(_STRINGS.decode(sha256s)) for task_id, sha256s in rows}

    def forget_tasks(self, task_ids: Iterable[int]) -> None:
        """Tasks that are gone."""
        with self._engine.begin() as connection:
            self._delete(connection, FRAMES, "task_id", task_ids)

    def write_pull(self, pull: Pull, rows: Iterable[FateRow]) -> None:
        """Replace what was pulled of a job, and its fates, in one transaction."""
        values = {**msgspec.structs.asdict(pull), "sha256s": text_of(pull.sha256s)}
        job_id = values.pop("job_id")
        with self._engine.begin() as connection:
            self._replace(connection, PULLS, [values], job_id=job_id)
            self._replace_many(connection, FATES, FATE_COLUMNS, map(fate_values, rows), job_id)

    def read_pulls(self) -> dict[int, Pull]:
        """What was pulled, by job; `content` is left empty."""
        rows = self._rows(select(*(column for column in PULLS.c if column.name not in ("scope_id", "content"))), PULLS)
        told = [{**row._mapping, "sha256s": _STRINGS.decode(row.sha256s)} for row in rows]
        return {pull["job_id"]: Pull(**pull) for pull in told}

    def read_contents(self, job_ids: Collection[int]) -> dict[int, bytes]:
        """The content of these jobs' pulls, where there is one."""
        rows = self._rows(select(PULLS.c.job_id, PULLS.c.content), PULLS, job_ids)
        return {job_id: content for job_id, content in rows}

    def forget_pulls(self, job_ids: Iterable[int]) -> None:
        """Jobs that are no longer accepted, or gone: what was pulled of them, and their fates."""
        gone = list(job_ids)
        with self._engine.begin() as connection:
            for table in (PULLS, FATES):
                self._delete(connection, table, "job_id", gone)

    def write_controls(self, job_ids: Iterable[int]) -> None:
        """Add control jobs: pushed without pre-labels, so that working times can be compared."""
        wanted = set(job_ids)
        with self._engine.begin() as connection:
            self._delete(connection, CONTROLS, "job_id", wanted)
            _insert(connection, CONTROLS, [{"scope_id": self._scope_id, "job_id": job_id} for job_id in wanted])

    def read_controls(self) -> set[int]:
        """The control jobs."""
        return {job_id for (job_id,) in self._rows(select(CONTROLS.c.job_id), CONTROLS)}

    def write_probes(self, job_id: int, probes: Iterable[Probe]) -> None:
        """Replace what was planted in a job."""
        with self._engine.begin() as connection:
            self._replace(connection, PROBES, [{"probe": text_of(probe)} for probe in probes], job_id=job_id)

    def read_probes(self) -> dict[int, list[Probe]]:
        """What was planted, by job."""
        found: dict[int, list[Probe]] = {}
        for job_id, probe in self._rows(select(PROBES.c.job_id, PROBES.c.probe).order_by(PROBES.c.id), PROBES):
            found.setdefault(job_id, []).append(_PROBE.decode(probe))
        return found

    def note_delivery(self, delivery: str) -> bool:
        """Note a webhook's delivery; False when it was noted before."""
        return self._note(DELIVERIES, {"delivery": delivery})

    def note_job_event(self, job_id: int, *, state: str, stage: str, assignee: str | None, at: str) -> None:
        """Note a job's state from a moment on (ISO 8601); noting it again changes nothing."""
        self._note(JOB_EVENTS, {"job_id": job_id, "at": at, "state": state, "stage": stage, "assignee": assignee})

    def read_job_events(self) -> dict[int, list[JobEvent]]:
        """The states of each job, oldest first."""
        names = ("job_id", *JobEvent.__struct_fields__)
        found: dict[int, list[JobEvent]] = {}
        for job_id, *told in self._rows(select(*(JOB_EVENTS.c[name] for name in names)), JOB_EVENTS):
            found.setdefault(job_id, []).append(JobEvent(*told))
        return {job_id: sorted(events) for job_id, events in found.items()}

    def lock(self, name: str, *, wait_seconds: float = 60) -> AbstractContextManager[None]:
        """Hold a lock of this scope during a block: one process at a time. Raises Locked, which says who holds it."""
        return hold(self._engine, LockName(self._scope_id, name), wait_seconds=wait_seconds)

    def _rows(self, query: Any, table: Table, job_ids: Collection[int] | None = None) -> list[Row[Any]]:
        """The rows of this scope, of some jobs or of all."""
        query = query.where(table.c.scope_id == self._scope_id)
        with self._engine.connect() as connection:
            if job_ids is None:
                return list(connection.execute(query).all())
            wanted = sorted(job_ids)
            chunks = (wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE))
            return [row for chunk in chunks for row in connection.execute(query.where(table.c.job_id.in_(chunk))).all()]

    def _replace(self, connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], **key: int) -> None:
        ours = {"scope_id": self._scope_id, **key}
        connection.execute(delete(table).where(*(table.c[name] == value for name, value in ours.items())))
        _insert(connection, table, [{**ours, **row} for row in rows])

    def _replace_many(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]], job_id: int
    ) -> None:
        connection.execute(delete(table).where(table.c.scope_id == self._scope_id, table.c.job_id == job_id))
        ours = (self._scope_id, job_id)
        _insert_many(connection, table, ("scope_id", "job_id", *columns), [(*ours, *row) for row in rows])

    def _delete(self, connection: Connection, table: Table, column: str, keys: Iterable[int | str]) -> None:
        gone = [{"gone": key} for key in keys]
        if gone:
            ours = (table.c.scope_id == self._scope_id, table.c[column] == bindparam("gone"))
            connection.execute(delete(table).where(*ours), gone)

    def _note(self, table: Table, values: Mapping[str, Any]) -> bool:
        """Insert a row; False when it is there already."""
        try:
            with self._engine.begin() as connection:
                _insert(connection, table, [{"scope_id": self._scope_id, **values}])
        except IntegrityError:
            return False
        return True


def read_scopes(url: str) -> list[str]:
    """The scopes of a ledger, by name. Raises BadInput or Unavailable, as `open_tables` does."""
    engine = open_tables(url)
    with engine.connect() as connection:
        names = list(connection.scalars(select(SCOPES.c.name).order_by(SCOPES.c.name)))
    engine.dispose()
    return names


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _insert_many(connection: Connection, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    """Rows of texts and numbers in the order of the table's columns, handed to the driver as they are.

    SQLAlchemy's own care for each value takes longer than SQLite does.
    """
    compiled = insert(table).compile(dialect=connection.dialect, column_keys=columns)
    if rows:
        named = rows if compiled.positional else [dict(zip(columns, row, strict=True)) for row in rows]
        connection.exec_driver_sql(compiled.string, named)


def _scope_id(engine: Engine, name: str) -> int:
    """A scope's number, given to it now where it has none."""
    with engine.connect() as connection:
        known = connection.scalar(_NUMBER_OF, {"name": name})
    if known is not None:
        return int(known)
    with suppress(IntegrityError), engine.begin() as connection:  # another process may be quicker
        connection.execute(insert(SCOPES).values(name=name))
    with engine.connect() as connection:
        return int(connection.execute(_NUMBER_OF, {"name": name}).scalar_one())


_NUMBER_OF = select(SCOPES.c.id).where(SCOPES.c.name == bindparam("name"))
