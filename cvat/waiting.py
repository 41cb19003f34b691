"""What in a project waits for pre-labels: jobs that nobody has begun, and the images on them."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from cvat_sdk import Client

from cvat.errors import CvatAbsent
from cvat.jobs import Frames, Job, Task, list_jobs, list_tasks, read_task_frames
from cvat.labels import read_labels
from datasets.ledger import Ledger

Identify = Callable[[int, Sequence[str]], Sequence[str]]
"""From a task's id and its frames' names to their SHA-256, "" where it is unknown."""


@dataclass(frozen=True)
class Waiting:
    """A job, its task's frames, and those of its images that models may look at."""

    job: Job
    frames: Frames
    sha256s: Sequence[str]


def list_waiting(
    client: Client,
    ledger: Ledger,
    project_id: int,
    identify: Identify,
    *,
    frozen: Callable[[Task, Collection[str]], Collection[str]],
    task_ids: Collection[int] = (),
) -> Iterator[Waiting]:
    """The new jobs of a project's tasks, or of these alone, oldest first.

    Control jobs, images with probes, deleted frames, unknown ones and those in `frozen` (a test set's) are left out,
    and so is what people have labelled: a task that shows it again begins with their labels.

    Raises:
        CvatAbsent: the project has no such task.
        CvatError: CVAT does not answer.
    """
    labels = read_labels(client, "project_id", project_id)
    jobs = list_jobs(client, project_id=project_id)
    controls = ledger.read_controls()
    probed = {probe.sha256 for probes in ledger.read_probes().values() for probe in probes}
    labelled = {sha256 for pull in ledger.read_pulls().values() for sha256 in pull.sha256s}
    for task in _chosen(list_tasks(client, project_id), task_ids, project_id):
        new = [job for job in jobs if job.task_id == task.id and job.is_new and job.id not in controls]
        if not new:
            continue
        found = read_task_frames(client, task.id)
        sha256s = identify(task.id, [frame.name for frame in found.of_each()])
        frames = Frames(task.id, sha256s, frozenset(found.deleted_frames), labels)
        barred = {*frozen(task, sha256s), *probed, *labelled, ""}
        for job in new:
            shown = [sha256s[number] for number in job.frames if number not in frames.deleted]
            if may := [sha256 for sha256 in dict.fromkeys(shown) if sha256 not in barred]:
                yield Waiting(job, frames, may)


def _chosen(tasks: Sequence[Task], task_ids: Collection[int], project_id: int) -> list[Task]:
    if absent := set(task_ids) - {task.id for task in tasks}:
        raise CvatAbsent(f"project {project_id} has no task {', '.join(map(str, sorted(absent)))}; see cvat status")
    return [task for task in tasks if not task_ids or task.id in task_ids]
