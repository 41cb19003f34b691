"""Pulling what people accepted: of each accepted job, into the ledger, whenever CVAT's lists tell that it changed.

People may go on working while jobs are read. So the project is listed again after anything was read, until a listing
tells nothing new: what the ledger has then is what the server had at that moment. Each job is noted in one
transaction, and what no longer holds is forgotten first; so a pull that was cut short is continued by the next.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cvat_sdk import Client
from msgspec.structs import replace

from cvat.again import Earlier
from cvat.contents import JobContent, content_of_job, decode_content, encode_content, task_snapshot
from cvat.errors import CvatAbsent, CvatConflict
from cvat.jobs import Accept, Job, Task, TaskFrames, list_jobs, list_tasks, read_task_frames
from cvat.labels import Labels, read_labels
from cvat.revisions import Revision, decode_revision, frames_digest, holds, revision_of
from cvat.times import read_working_seconds
from cvat.wire import read_wire
from datasets.labelled import LabelledObject
from datasets.ledger import FateRow, Ledger, Pull
from datasets.review import fates_of_job
from datasets.snapshot import TaskSnapshot

Identify = Callable[[int, Sequence[str]], Sequence[str]]
"""From a task's id and the names of its frames to the SHA-256 of each, empty where nobody knows the image."""

_ROUNDS = 10


@dataclass(frozen=True)
class Listing:
    """A project as CVAT lists it: its labels and tasks, the jobs that people are done with, and since when by id."""

    labels: Labels
    tasks: Mapping[int, Task]
    jobs: Sequence[Job]
    since: Mapping[int, str]


@dataclass
class Puller:
    """Pulls one project, or those of its tasks that are ours, into one ledger; `read` counts the jobs that were read.

    What the ledger has of other jobs is forgotten, so the same tasks have to be ours each time.
    """

    client: Client
    project_id: int
    ledger: Ledger
    identify: Identify
    accept: Accept = "acceptance"
    on_job: Callable[[int, int], object] = lambda done, total: None
    """Told how many of how many jobs have been read."""
    is_ours: Callable[[Task], bool] = lambda task: True
    read: int = 0
    _frames: dict[tuple[int, str], TaskFrames] = field(default_factory=dict)
    _earlier: Earlier = field(init=False)

    def pull(self) -> Listing:
        """Bring the ledger up to what is accepted now.

        Raises:
            CvatConflict: jobs changed each time that they were read.
            CvatError: CVAT does not answer, or not fully.
        """
        for _ in range(_ROUNDS):
            listing = self._list()
            stale = self._stale(listing)
            if not stale:
                return listing
            self._read(listing, stale)
        raise CvatConflict(
            f"jobs {', '.join(str(job.id) for job in stale[:5])} changed each of the {_ROUNDS} times that they were "
            "read; pull again when nobody writes to them"
        )

    def _list(self) -> Listing:
        labels = read_labels(self.client, "project_id", self.project_id)
        tasks = {task.id: task for task in list_tasks(self.client, self.project_id) if self.is_ours(task)}
        jobs = [job for job in list_jobs(self.client, project_id=self.project_id) if job.task_id in tasks]
        done = [job for job in jobs if job.is_done(self.accept)]
        return Listing(labels, tasks, done, note_states(self.ledger, jobs))

    def _stale(self, listing: Listing) -> list[Job]:
        """The jobs to read; the ledger forgets what it has of them, and of jobs that are not accepted any more."""
        revisions = {job_id: decode_revision(pull.revision) for job_id, pull in self.ledger.read_pulls().items()}
        kept = {job.id for job in listing.jobs if holds(revisions.get(job.id), job, listing.labels)}
        by_task: dict[int, list[Job]] = defaultdict(list)
        for job in listing.jobs:
            by_task[job.task_id].append(job)
        for task_id, jobs in by_task.items():
            kept -= self._with_other_frames(listing.tasks[task_id], [job for job in jobs if job.id in kept], revisions)
        self.ledger.forget_pulls(revisions.keys() - kept)
        return [job for job in listing.jobs if job.id not in kept]

    def _with_other_frames(self, task: Task, kept: Sequence[Job], revisions: Mapping[int, Revision | None]) -> set[int]:
        """The jobs whose frames are not as they were, of those whose own dates are."""
        own = {job.id: revision for job in kept if (revision := revisions[job.id])}
        if not own or task.updated_date in {revision.task_date for revision in own.values()}:
            return set()
        frames = self._frames_of(task)
        others = {job.id for job in kept if own[job.id].frames != frames_digest(job, frames)}
        if not others:
            job_id, revision = min(own.items())
            self._renew(job_id, replace(revision, task_date=task.updated_date))
        return others

    def _renew(self, job_id: int, revision: Revision) -> None:
        """Remember that a task's frames are those of this revision, so that they are not read again for its date."""
        pull = self.ledger.read_pulls()[job_id]
        content = self.ledger.read_contents([job_id])[job_id]
        rows = self.ledger.read_fates_by_job([job_id]).get(job_id, [])
        self.ledger.write_pull(replace(pull, revision=revision.encode(), content=content), rows)

    def _frames_of(self, task: Task) -> TaskFrames:
        key = (task.id, task.updated_date)
        if key not in self._frames:
            self._frames[key] = read_task_frames(self.client, task.id)
        return self._frames[key]

    def _read(self, listing: Listing, jobs: Sequence[Job]) -> None:
        seconds = read_working_seconds(self.client, self.project_id)
        self._earlier = Earlier(self.ledger)
        sha256s: dict[int, Sequence[str]] = {}
        for number, job in enumerate(jobs, start=1):
            with suppress(CvatAbsent):  # what vanishes while it is read is told by the next listing
                self._read_job(listing, job, sha256s, seconds.get(job.id))
            self.on_job(number, len(jobs))
        self.read += len(jobs)

    def _read_job(self, listing: Listing, job: Job, sha256s: dict[int, Sequence[str]], seconds: float | None) -> None:
        task = listing.tasks[job.task_id]
        frames = self._frames_of(task)
        if task.id not in sha256s:
            sha256s[task.id] = self.identify(task.id, [frame.name for frame in frames.of_each()])
        found = read_wire(self.client, "jobs", job.id)
        revision = revision_of(job, task, frames, found, listing.labels)
        if revision:  # a label that came since the listing is told by the next one
            content = content_of_job(job, frames, sha256s[task.id], found, listing.labels)
            self._note(listing, job, content, revision, seconds)

    def _note(self, listing: Listing, job: Job, content: JobContent, revision: Revision, seconds: float | None) -> None:
        rows = self._fates(job, content)
        pull = Pull(
            job_id=job.id,
            task_id=job.task_id,
            revision=revision.encode(),
            subset=listing.tasks[job.task_id].subset,
            assignee=job.assignee.username if job.assignee else None,
            working_seconds=seconds,
            accepted_at=listing.since.get(job.id),
            images=len(job.frames),
            content=encode_content(_told_by(rows, content)),
            sha256s=tuple(frame.sha256 for frame in content.frames if frame.sha256),
        )
        self.ledger.write_pull(pull, rows)
        self._earlier.note(pull)

    def _fates(self, job: Job, content: JobContent) -> list[FateRow]:
        seen = [frame for frame in content.frames if frame.sha256 and not frame.deleted]
        objects = [(frame.sha256, labelled) for frame in seen for labelled in frame.objects]
        sha256s = list(dict.fromkeys(frame.sha256 for frame in seen))
        rows = fates_of_job(sha256s, objects, self.ledger.read_prelabels(job.id))
        return self._earlier.without_standing(rows, job.task_id)


def read_tasks(ledger: Ledger, listing: Listing) -> list[TaskSnapshot]:
    """What the ledger has of these jobs, by task, oldest first."""
    contents = ledger.read_contents([job.id for job in listing.jobs])
    by_task: dict[int, list[JobContent]] = defaultdict(list)
    for job in listing.jobs:
        by_task[job.task_id].append(decode_content(contents[job.id]))
    return [task_snapshot(listing.tasks[task_id], by_task[task_id]) for task_id in sorted(by_task)]


def note_states(ledger: Ledger, jobs: Iterable[Job]) -> dict[int, str]:
    """Note the jobs whose state is not the one last noted; gives since when each that was begun is in its state."""
    known = ledger.read_job_events()
    since = {}
    for job in jobs:
        events = known.get(job.id, [])
        assignee = job.assignee.username if job.assignee else None
        if events and (events[-1].state, events[-1].stage, events[-1].assignee) == (job.state, job.stage, assignee):
            since[job.id] = events[-1].at
        elif events or not job.is_new:
            since[job.id] = job.updated_date
            ledger.note_job_event(job.id, state=job.state, stage=job.stage, assignee=assignee, at=job.updated_date)
    return since


def _told_by(rows: Iterable[FateRow], content: JobContent) -> JobContent:
    """The content with sources as the comparison tells them: CVAT calls a corrected pre-label auto still."""
    sources = {
        id(row.fate.after): "auto" if row.fate.verdict == "accepted" else "semi-auto"
        for row in rows
        if row.fate.before is not None and row.fate.after is not None
    }

    def told(labelled: LabelledObject) -> LabelledObject:
        return replace(labelled, source=sources.get(id(labelled), labelled.source))

    return replace(
        content, frames=tuple(replace(frame, objects=tuple(map(told, frame.objects))) for frame in content.frames)
    )
