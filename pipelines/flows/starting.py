"""When `learn` is worth starting: people are done with enough, or have waited long enough for it.

CVAT's webhooks say that something changed; what waits is read from CVAT and the ledger each time, so that an event that
got lost, came twice or came late changes nothing. A start has a key, and Prefect makes one run of it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cvat.events import waiting_jobs
from cvat.jobs import list_jobs, list_tasks
from cvat.project import require_project
from cvat.pull import note_states
from datasets.errors import CarloopError
from datasets.files import digest
from pipelines.annotation.desk import Desk
from pipelines.flows.settings import LearnSettings
from pipelines.results import TEST

Standing = Literal["at rest", "under way", "cut short"]
"""How the last learn stands."""


@dataclass(frozen=True)
class Waiting:
    """The jobs that people are done with and that were not pulled since, but those of test tasks; with their images.

    `since` is when the first of them was done.
    """

    jobs: tuple[tuple[int, str], ...] = ()
    images: int = 0
    since: datetime | None = None
    standing: Standing = "at rest"


@dataclass(frozen=True)
class Decision:
    """Whether to start, why, and what a start is known by; the same is decided only once."""

    start: bool
    reason: str
    key: str = ""


def decide(waiting: Waiting, settings: LearnSettings, *, now: datetime) -> Decision:
    """Whether what waits is worth a learn."""
    since = waiting.since or now
    periods = int((now - since) / timedelta(hours=settings.after_hours))
    if waiting.standing == "under way":
        return Decision(False, "a learn is under way")
    if waiting.standing == "cut short":
        return _start("a learn was cut short, and goes on", waiting, now.strftime("%Y-%m-%d %H"))
    told = f"{len(waiting.jobs)} jobs with {waiting.images} corrected images wait"
    if waiting.images < settings.at_least_images:
        return Decision(False, f"{told}; at least {settings.at_least_images} images are needed")
    few = "" if waiting.images >= settings.recommended_images else f", {settings.recommended_images} are recommended"
    if len(waiting.jobs) >= settings.jobs or not few:
        return _start(f"{told}{few}", waiting, periods)
    if periods:
        return _start(f"{told}{few}, for {periods * settings.after_hours:g} hours and more", waiting, periods)
    due = since + timedelta(hours=settings.after_hours)
    return Decision(False, f"{told}; it starts with {settings.jobs} jobs, or at {due:%Y-%m-%d %H:%M} UTC")


def _start(reason: str, waiting: Waiting, again: object) -> Decision:
    """A start that failed is tried again after another such time."""
    return Decision(True, reason, digest([waiting.jobs, str(again)])[:16])


def read_waiting(desk: Desk, standing: Standing) -> Waiting:
    """What waits now, by CVAT and the ledger. Raises CvatError."""
    settings = desk.project.cvat
    project_id = require_project(desk.client, settings.project)
    jobs = {job.id: job for job in list_jobs(desk.client, project_id=project_id)}
    note_states(desk.ledger, jobs.values())
    events = desk.ledger.read_job_events()
    tests = {task.id for task in list_tasks(desk.client, project_id) if task.subset.lower() == TEST}
    lessons = {job.id for job in jobs.values() if job.task_id not in tests}
    ids = sorted(waiting_jobs(desk.ledger, settings.accept) & lessons)
    done = tuple((job_id, events[job_id][-1].at) for job_id in ids)
    return Waiting(
        jobs=done,
        images=sum(len(jobs[job_id].frames) for job_id in ids),
        since=min((_moment(at) for _, at in done), default=None),
        standing=standing,
    )


def _moment(at: str) -> datetime:
    moment = datetime.fromisoformat(at)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Starter:
    """Looks at what waits whenever it is woken, and every so often, and starts what is worth it; a thread runs it.

    `start` is called with a decision, and not again until what it started has had the time to begin; `told` with each
    new reason, and with what went wrong.
    """

    def __init__(
        self,
        read: Callable[[], Waiting],
        start: Callable[[Decision], object],
        settings: LearnSettings,
        told: Callable[[str], object],
    ) -> None:
        self._read, self._start, self._settings, self._told = read, start, settings, told
        self._woken, self._ended = threading.Event(), threading.Event()
        self._said, self._started = "", datetime.min.replace(tzinfo=UTC)

    def wake(self, _: int = 0) -> None:
        """Look again soon: an event came."""
        self._woken.set()

    def end(self) -> None:
        self._ended.set()
        self._woken.set()

    def run(self) -> None:
        """Until it is ended."""
        while not self._ended.is_set():
            self._woken.clear()
            self.look(datetime.now(UTC))
            self._woken.wait(60 * self._settings.look_minutes)

    def look(self, now: datetime) -> Decision | None:
        """Decide once; None where that cannot be done now, which is told."""
        try:
            decision = decide(self._read(), self._settings, now=now)
            if decision.start and now - self._started < timedelta(minutes=self._settings.look_minutes):
                decision = Decision(False, "a learn was started just now")
            if decision.start:
                self._start(decision)
                self._started = now
        except Exception as error:  # whatever it is, the next look may find it over
            known = isinstance(error, CarloopError)
            self._say(f"carloop: {error}" if known else f"carloop: cannot look what waits: {error!r}")
            return None
        self._say(f"learn: {decision.reason}")
        return decision

    def _say(self, text: str) -> None:
        if text != self._said:
            self._told(text)
        self._said = text
