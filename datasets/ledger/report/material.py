"""What a report is made from: the fates as columns, and for each accepted job who did it, when and in what time."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise

import numpy as np

from datasets.comparison import VERDICTS, Verdict
from datasets.ledger.records import FateRow, JobEvent, Outcomes, Probe, Pull
from datasets.ledger.store import Ledger

IN_PROGRESS = "in progress"
Place = tuple[int, str]
"""An image, by SHA-256, in a job."""


@dataclass(frozen=True)
class JobFacts:
    """One accepted job. `sha256s` are the images that it is known to cover, `seconds` how long people worked on it.

    `verdicts` are of shapes, `tag_corrections` how many tags were set, removed or changed; `probed_corrections` are
    those of both on the `probed_images`, where something was planted. `timed_by_cvat` says whether the time is CVAT's
    own count, or that between changes of the job's state, breaks included.
    """

    job_id: int
    assignee: str | None
    images: int
    sha256s: frozenset[str]
    is_control: bool
    is_prelabelled: bool
    verdicts: Mapping[Verdict, int]
    tag_corrections: int
    seconds: float | None = None
    timed_by_cvat: bool = False
    probed_images: int = 0
    probed_corrections: int = 0

    @property
    def corrections(self) -> int:
        """Shapes and tags that were moved, re-classed, deleted or added on images without probes."""
        shapes = sum(count for verdict, count in self.verdicts.items() if verdict != "accepted")
        return shapes + self.tag_corrections - self.probed_corrections

    @property
    def unprobed_images(self) -> int:
        return self.images - self.probed_images


@dataclass(frozen=True)
class Material:
    """All accepted jobs, and their fates; `fates` has those of jobs with probes, or whose images others have too."""

    outcomes: Outcomes
    jobs: Mapping[int, JobFacts]
    probes: Mapping[int, Sequence[Probe]]
    fates: Mapping[int, Sequence[FateRow]]
    knows_all_images: bool

    @cached_property
    def planted(self) -> frozenset[Place]:
        """Where something was planted, or left out, on purpose."""
        return places_of(self.probes)

    @cached_property
    def counted(self) -> Outcomes:
        """The fates on images without probes."""
        places = zip(self.outcomes.job_id.tolist(), self.outcomes.sha256, strict=True)
        return self.outcomes.where(np.array([place not in self.planted for place in places], bool))

    @cached_property
    def timed_jobs(self) -> list[JobFacts]:
        return [job for job in self.jobs.values() if job.seconds is not None and job.images]


def places_of(probes: Mapping[int, Sequence[Probe]]) -> frozenset[Place]:
    """Where probes are."""
    return frozenset((job_id, probe.sha256) for job_id, found in probes.items() for probe in found)


def read_material(ledger: Ledger) -> Material:
    """What a ledger has to tell."""
    outcomes, pulls, probes = ledger.read_outcomes(), ledger.read_pulls(), ledger.read_probes()
    jobs = make_jobs(
        outcomes,
        pulls,
        ledger.read_job_events(),
        controls=ledger.read_controls(),
        prelabelled=ledger.prelabelled_jobs(),
        planted=places_of(probes),
    )
    wanted = (set(probes) | _jobs_that_share_images(jobs.values())) & set(jobs)
    knows_all_images = all(job_id in pulls and pulls[job_id].sha256s for job_id in jobs)
    found = ledger.read_fates_by_job(wanted)
    return Material(outcomes, jobs, probes, {job_id: found.get(job_id, []) for job_id in wanted}, knows_all_images)


def make_jobs(
    outcomes: Outcomes,
    pulls: Mapping[int, Pull],
    events: Mapping[int, Sequence[JobEvent]],
    *,
    controls: set[int],
    prelabelled: set[int],
    planted: frozenset[Place] = frozenset(),
) -> dict[int, JobFacts]:
    """The facts of each job that was pulled or has fates."""
    seen: dict[int, set[str]] = defaultdict(set)
    shapes: dict[int, Counter[str]] = defaultdict(Counter)
    tags: Counter[int] = Counter()
    probed_corrections: Counter[int] = Counter()
    columns = (outcomes.job_id.tolist(), outcomes.sha256, outcomes.kind, outcomes.verdict)
    for job_id, sha256, kind, verdict in zip(*columns, strict=True):
        seen[job_id].add(sha256)
        probed_corrections[job_id] += verdict != "accepted" and (job_id, sha256) in planted
        if kind == "tag":
            tags[job_id] += verdict != "accepted"
        else:
            shapes[job_id][verdict] += 1
    jobs = {}
    for job_id in sorted(seen.keys() | pulls.keys()):
        pull, states = pulls.get(job_id), events.get(job_id, ())
        told = pull.working_seconds if pull else None
        sha256s = frozenset(pull.sha256s if pull and pull.sha256s else seen[job_id])
        jobs[job_id] = JobFacts(
            job_id=job_id,
            assignee=(pull.assignee if pull else None)
            or next((e.assignee for e in reversed(states) if e.assignee), None),
            images=pull.images if pull else len(sha256s),
            sha256s=sha256s,
            is_control=job_id in controls,
            is_prelabelled=job_id in prelabelled - controls,
            verdicts={verdict: shapes[job_id][verdict] for verdict in VERDICTS},
            tag_corrections=tags[job_id],
            seconds=told or seconds_in_progress(states),
            timed_by_cvat=bool(told),
            probed_images=sum((job_id, sha256) in planted for sha256 in sha256s),
            probed_corrections=probed_corrections[job_id],
        )
    return jobs


def seconds_in_progress(states: Sequence[JobEvent]) -> float | None:
    """The time between a job's being taken up and its next other state, summed up; None where it never was."""
    times = [datetime.fromisoformat(event.at) for event in states]
    worked = [
        (end - start).total_seconds()
        for event, (start, end) in zip(states, pairwise(times), strict=False)
        if event.state == IN_PROGRESS
    ]
    return sum(worked) or None


def _jobs_that_share_images(jobs: Iterable[JobFacts]) -> set[int]:
    jobs_of: dict[str, list[int]] = defaultdict(list)
    for job in jobs:
        for sha256 in job.sha256s:
            jobs_of[sha256].append(job.job_id)
    return {job_id for sharing in jobs_of.values() if len(sharing) > 1 for job_id in sharing}
