"""Work behind a request id: uploads becoming frames, exports. Its state lives in the database, so that it outlasts
the process: what was under way at a kill starts again with the server.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cvat.embedded.database import Database, timestamp
from cvat.embedded.errors import DISK_FULL, Conflict
from cvat.embedded.tables import Request
from cvat.embedded.workers import Workers
from datasets.errors import CarloopError
from datasets.files import is_disk_full

QUEUED, STARTED, FINISHED, FAILED = "queued", "started", "finished", "failed"
UNDER_WAY = (QUEUED, STARTED)

#: Work that has taken the process down this often is not started again.
MAX_ATTEMPTS = 3

#: Threads of each lane.
_THREADS = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What finished work changes: `commit` runs in the transaction that marks the request finished, `tidy` after it.
    If `commit` fails, its transaction changes nothing, and `undo` is for the rest.
    """

    commit: Callable[[Session, Request], None]
    tidy: Callable[[], None] = lambda: None
    undo: Callable[[], None] = lambda: None


#: Does the slow part, changes nothing, and says what to change. A CarloopError becomes the request's message.
Work = Callable[[Request], Outcome]


class Runner:
    """Runs requests one after another on a few threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._work: dict[str, Work] = {}
        self._lanes: dict[str, Workers[str]] = {}

    def start(self, *lanes: Mapping[str, Work]) -> None:
        """Begin to work, first on what an earlier process left undone.

        A lane is the work for some types of requests, on threads of its own: lanes do not wait for each other.
        """
        for lane in lanes:
            self._work.update(lane)
            self._lanes.update(dict.fromkeys(lane, Workers(self._run, threads=_THREADS)))
        with self._database.writing() as session:
            session.execute(update(Request).where(Request.status == STARTED).values(status=QUEUED))
            undone = select(Request.id, Request.type).where(Request.status == QUEUED).order_by(Request.created_date)
            queued = session.execute(undone).tuples().all()
        for rq_id, type_ in queued:
            self._lanes[type_].put(rq_id)

    def submit(self, request: Request) -> str:
        """Store the request as queued, in place of an earlier one of its id, and have it done. Returns the id.

        Raises:
            Conflict: the same request is under way.
        """
        with self._database.writing() as session:
            earlier = session.get(Request, request.id)
            if earlier is not None and earlier.status in UNDER_WAY:
                raise Conflict(request.id)
            if earlier is not None:
                session.delete(earlier)
                session.flush()
            request.status, request.created_date = QUEUED, timestamp()
            session.add(request)
        self._lanes[request.type].put(request.id)
        return request.id

    def _run(self, rq_id: str) -> None:
        request = self._begin(rq_id)
        if request is None:
            return
        try:
            if request.attempts > MAX_ATTEMPTS:
                raise CarloopError(
                    f"the server ended {MAX_ATTEMPTS} times while it did this; see its log for the reason"
                )
            outcome = self._work[request.type](request)
            self._finish(request, outcome)
        except Exception as error:
            expected = isinstance(error, CarloopError) or is_disk_full(error)
            told = self._fail(request, _reason(error))
            if told and not expected:
                _log.exception("request %s failed", rq_id)
        else:
            outcome.tidy()

    def _begin(self, rq_id: str) -> Request | None:
        with self._database.writing() as session:
            request = session.get(Request, rq_id)
            if request is None or request.status != QUEUED:
                return None
            request.status, request.started_date = STARTED, timestamp()
            request.attempts += 1
            return request

    def _finish(self, request: Request, outcome: Outcome) -> None:
        try:
            with self._database.writing() as session:
                row = wanted_still(session, request)
                if row is not None:
                    outcome.commit(session, row)
                    row.status, row.finished_date = FINISHED, timestamp()
        except Exception:
            outcome.undo()
            raise

    def _fail(self, request: Request, message: str) -> bool:
        """Mark as failed; gives whether anybody waits for it."""
        with self._database.writing() as session:
            row = wanted_still(session, request)
            if row is not None:
                row.status, row.message, row.finished_date = FAILED, message, timestamp()
            return row is not None


def tell_progress(database: Database, request: Request, percent: int) -> bool:
    """Note how far work is; gives whether anybody waits for it."""
    with database.writing() as session:
        row = wanted_still(session, request)
        if row is not None:
            row.progress = percent
        return row is not None


def wanted_still(session: Session, request: Request) -> Request | None:
    """The row of a request being worked on; None where it was cancelled, went with its task, or was begun anew."""
    row = session.get(Request, request.id)
    return row if row is not None and row.created_date == request.created_date else None


def _reason(error: Exception) -> str:
    if is_disk_full(error):
        return DISK_FULL
    return str(error) if isinstance(error, CarloopError) else f"{type(error).__name__}: {error}"
