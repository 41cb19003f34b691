"""What pre-labels save: seconds and corrections per image, of control jobs beside pre-labelled ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.ledger.report.intervals import Estimate, Floats, bootstrapped, interval, resampled_sums
from datasets.ledger.report.material import JobFacts, Material

_LEAST_JOBS = 2


@dataclass(frozen=True)
class Arm:
    """Jobs of one sort; `timed` of them have a working time, from which `seconds_per_image` is.

    Corrections are those on images without probes; a job's time is that of all its images.
    """

    jobs: int
    images: int
    timed: int
    corrections_per_image: Estimate | None
    seconds_per_image: Estimate | None


@dataclass(frozen=True)
class Effort:
    """`saved_seconds` are per image, `saved_share` is of the time without pre-labels; None is what cannot be told.

    `timed_by_cvat` and `timed_by_states` are how many jobs' times come from where.
    """

    control: Arm
    prelabelled: Arm
    saved_seconds: Estimate | None
    saved_share: Estimate | None
    timed_by_cvat: int
    timed_by_states: int
    told: str


def effort(material: Material, rng: np.random.Generator) -> Effort:
    """Intervals are by resampling the jobs, for people and photographs differ more between jobs than within."""
    controls = [job for job in material.jobs.values() if job.is_control and job.images]
    prelabelled = [job for job in material.jobs.values() if job.is_prelabelled and job.images]
    timed = [[job for job in jobs if job.seconds is not None] for jobs in (controls, prelabelled)]
    saved_seconds = saved_share = None
    if min(map(len, timed)) >= _LEAST_JOBS:
        without, with_ = (_seconds(jobs) for jobs in timed)
        resampled = [_ratio(resampled_sums(jobs, rng)) for jobs in (without, with_)]
        whole = [float(_ratio(jobs.sum(0))) for jobs in (without, with_)]
        saved_seconds = interval(whole[0] - whole[1], resampled[0] - resampled[1])
        saved_share = interval(1 - whole[1] / whole[0], 1 - resampled[1] / resampled[0])
    by_cvat = sum(job.timed_by_cvat for jobs in timed for job in jobs)
    return Effort(
        control=_arm(controls, rng),
        prelabelled=_arm(prelabelled, rng),
        saved_seconds=saved_seconds,
        saved_share=saved_share,
        timed_by_cvat=by_cvat,
        timed_by_states=sum(map(len, timed)) - by_cvat,
        told=_told(len(controls), len(prelabelled), *map(len, timed)),
    )


def _arm(jobs: Sequence[JobFacts], rng: np.random.Generator) -> Arm:
    timed = [job for job in jobs if job.seconds is not None]
    corrections = np.array([[job.corrections, job.unprobed_images] for job in jobs if job.unprobed_images], float)
    return Arm(
        jobs=len(jobs),
        images=sum(job.images for job in jobs),
        timed=len(timed),
        corrections_per_image=bootstrapped(corrections, _ratio, rng) if len(corrections) else None,
        seconds_per_image=bootstrapped(_seconds(timed), _ratio, rng) if timed else None,
    )


def _seconds(jobs: Sequence[JobFacts]) -> Floats:
    return np.array([[job.seconds, job.images] for job in jobs], float)


def _ratio(sums: Floats) -> Floats:
    ratio: Floats = sums[..., 0] / sums[..., 1]
    return ratio


def _told(controls: int, prelabelled: int, timed_controls: int, timed_prelabelled: int) -> str:
    if not controls:
        return "There are no accepted control jobs, so what pre-labels save is not known."
    if not prelabelled:
        return "There are no accepted jobs with pre-labels, so there is nothing to compare control jobs with."
    if min(timed_controls, timed_prelabelled) < _LEAST_JOBS:
        return (
            f"Working times are known of {timed_controls} control jobs and {timed_prelabelled} pre-labelled ones; "
            f"{_LEAST_JOBS} of each are needed to tell what is saved."
        )
    return ""
