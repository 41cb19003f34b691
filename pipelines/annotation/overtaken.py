"""Jobs that people accepted again after a newer task, which is what tells of their images."""

from collections.abc import Iterator, Mapping, Sequence

from cvat.jobs import Job
from datasets.ledger import JobEvent, Ledger


def overtaken_jobs(ledger: Ledger, jobs: Sequence[Job]) -> dict[int, list[str]]:
    """The images, by SHA-256, of accepted jobs that another task tells of, though it was accepted earlier."""
    events, pulls = ledger.read_job_events(), ledger.read_pulls()
    since = {job.id: accepted_since(events.get(job.id, ())) for job in jobs}
    telling = {sha256: job for job in sorted(jobs, key=_age) for sha256 in pulls[job.id].sha256s}
    found = {job.id: list(_told_by_others(job, telling, pulls[job.id].sha256s, since)) for job in jobs}
    return {job_id: sha256s for job_id, sha256s in found.items() if sha256s}


def _age(job: Job) -> tuple[int, int]:
    return job.task_id, job.id


def _told_by_others(
    job: Job, telling: Mapping[str, Job], sha256s: Sequence[str], since: Mapping[int, str]
) -> Iterator[str]:
    for sha256 in sha256s:
        other = telling[sha256]
        if other.task_id != job.task_id and since[other.id] < since[job.id]:
            yield sha256


def accepted_since(events: Sequence[JobEvent]) -> str:
    """Since when (ISO 8601) a job is in its state, whoever it was given to; "" where nobody noted it."""
    at = ""
    for event in reversed(events):
        if (event.state, event.stage) != (events[-1].state, events[-1].stage):
            break
        at = event.at
    return at
