"""How far the work in a project is: tasks, jobs by stage and state, who has them, and what there is to learn."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from cvat_sdk import Client
from msgspec import Struct

from cvat.jobs import Accept, Job, Task, list_jobs, list_tasks
from cvat.labels import Labels, read_labels
from cvat.revisions import decode_revision, holds
from datasets.ledger import Ledger

Key = TypeVar("Key")


class Work(Struct, frozen=True):
    """A number of jobs, with their frames, and how many of both people are done with."""

    jobs: int
    frames: int
    jobs_done: int
    frames_done: int


class TaskStatus(Struct, frozen=True):
    """How far a task is."""

    id: int
    name: str
    subset: str
    work: Work


class Status(Struct, frozen=True):
    """How far a project is; frames that jobs share count in each.

    `stages` counts jobs by stage and then state; `people` is by user name, "" where nobody is assigned. `to_learn` are
    the jobs that people are done with and that were not pulled since.
    """

    work: Work
    tasks: Sequence[TaskStatus]
    stages: dict[str, dict[str, int]]
    people: dict[str, Work]
    to_learn: Work


def read_status(client: Client, project_id: int, ledger: Ledger, accept: Accept) -> Status:
    """The status of a project, from CVAT's lists alone. Raises CvatError."""
    labels = read_labels(client, "project_id", project_id)
    jobs = list_jobs(client, project_id=project_id)
    return sum_up(list_tasks(client, project_id), jobs, accept, _is_pulled(ledger, labels))


def _is_pulled(ledger: Ledger, labels: Labels) -> Callable[[Job], bool]:
    revisions = {job_id: decode_revision(pull.revision) for job_id, pull in ledger.read_pulls().items()}
    return lambda job: holds(revisions.get(job.id), job, labels)


def sum_up(tasks: Iterable[Task], jobs: Sequence[Job], accept: Accept, is_pulled: Callable[[Job], bool]) -> Status:
    """The status of these tasks and their jobs."""
    stages: dict[str, Counter[str]] = {}
    for job in jobs:
        stages.setdefault(job.stage, Counter())[job.state] += 1
    by_task, by_person = _group(jobs, lambda job: job.task_id), _group(jobs, _person)
    return Status(
        work=_work(jobs, accept),
        tasks=[TaskStatus(t.id, t.name, t.subset, _work(by_task.get(t.id, ()), accept)) for t in tasks],
        stages={stage: dict(counted) for stage, counted in stages.items()},
        people={name: _work(theirs, accept) for name, theirs in sorted(by_person.items())},
        to_learn=_work([job for job in jobs if job.is_done(accept) and not is_pulled(job)], accept),
    )


def _person(job: Job) -> str:
    return job.assignee.username if job.assignee else ""


def _group(jobs: Iterable[Job], key: Callable[[Job], Key]) -> dict[Key, list[Job]]:
    found: dict[Key, list[Job]] = {}
    for job in jobs:
        found.setdefault(key(job), []).append(job)
    return found


def _work(jobs: Iterable[Job], accept: Accept) -> Work:
    sizes = [(len(job.frames), job.is_done(accept)) for job in jobs]
    done = [frames for frames, is_done in sizes if is_done]
    return Work(len(sizes), sum(frames for frames, _ in sizes), len(done), sum(done))
