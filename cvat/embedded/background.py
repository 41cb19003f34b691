"""Work behind a request id: uploads becoming frames, exports. Its state lives in the database, so that it outlasts
the process: what was under way at a kill starts again with the server.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.database import Database, timestamp
from cvat.embedded.errors import Conflict
from cvat.embedded.tables import Request
from datasets.errors import CarloopError

QUEUED, STARTED, FINISHED, FAILED = "queued", "started", "finished", "failed"
UNDER_WAY = (QUEUED, STARTED)

#: Work that has taken the process down this often is not started again.
MAX_ATTEMPTS = 3

_THREADS = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What finished work changes: `commit` runs in the transaction that marks the request finished, `tidy` after it."""

    commit: Callable[[Session, Request], None]
    tidy: Callable[[], None] = lambda: None


#: Does the slow part, changes nothing, and says what to change. A CarloopError becomes the request's message.
Work = Callable[[Request], Outcome]


class Runner:
    """Runs requests one after another on a few threads; `work` has a function for each type of operation."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._work: Mapping[str, Work] = {}
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()

    def start(self, work: Mapping[str, Work]) -> None:
        """Begin to work, first on what an earlier process left undone."""
        self._work = work
        with self._database.reading() as session:
            undone = select(Request.id).where(Request.status.in_(UNDER_WAY)).order_by(Request.created_date)
            for rq_id in session.scalars(undone):
                self._waiting.put(rq_id)
        for _ in range(_THREADS):
            # Daemons: a stop need not wait for them, as killed work starts again.
            threading.Thread(target=self._run_forever, daemon=True).start()

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
        self._waiting.put(request.id)
        return request.id

    def _run_forever(self) -> None:
        while True:
            rq_id = self._waiting.get()
            try:
                self._run(rq_id)
            except Exception:  # the thread has to live on for the next request
                _log.exception("request %s could not be brought to an end", rq_id)

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
            self._finish(rq_id, outcome.commit)
        except Exception as error:
            expected = isinstance(error, CarloopError)
            told = self._fail(rq_id, str(error) if expected else f"{type(error).__name__}: {error}")
            if told and not expected:
                _log.exception("request %s failed", rq_id)
        else:
            outcome.tidy()

    def _begin(self, rq_id: str) -> Request | None:
        with self._database.writing() as session:
            request = session.get(Request, rq_id)
            if request is not None:
                request.status, request.started_date = STARTED, timestamp()
                request.attempts += 1
            return request

    def _finish(self, rq_id: str, commit: Callable[[Session, Request], None]) -> None:
        with self._database.writing() as session:
            request = session.get(Request, rq_id)
            if request is not None:  # else its task was deleted meanwhile, and nobody waits for the result
                commit(session, request)
                request.status, request.finished_date = FINISHED, timestamp()

    def _fail(self, rq_id: str, message: str) -> bool:
        """Mark as failed; gives whether the request is still there, as it goes with its task."""
        with self._database.writing() as session:
            request = session.get(Request, rq_id)
            if request is not None:
                request.status, request.message, request.finished_date = FAILED, message, timestamp()
            return request is not None
