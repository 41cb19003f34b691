"""What each fate of a shape costs a person, in seconds: given, measured from working times, or assumed.

Measured is by least squares without negative costs over the timed jobs: a job's working time is so much for each of its
images, for each tag that was corrected, and for each shape by its fate. Jobs count by one over their images, whose
number decides how much their times scatter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import nnls

from datasets.comparison import VERDICTS, Verdict
from datasets.ledger.report.intervals import Floats, interval
from datasets.ledger.report.material import JobFacts

ASSUMED_SECONDS: Mapping[Verdict, float] = {
    "accepted": 1.0,
    "moved": 5.0,
    "reclassed": 4.0,
    "deleted": 2.0,
    "added": 10.0,
}
"""To look at and leave, to drag, to choose another class, to remove, to draw. Better measured, or told."""
MIN_JOBS, MIN_CONTROLS = 30, 3
_REPEATS = 300


@dataclass(frozen=True)
class Cost:
    """Seconds for one object of a fate; the 95 % interval only where they were measured."""

    verdict: Verdict
    seconds: float
    origin: Literal["given", "measured", "assumed"]
    low: float | None = None
    high: float | None = None


def costs_of(
    jobs: Sequence[JobFacts], given: Mapping[Verdict, float], rng: np.random.Generator
) -> tuple[tuple[Cost, ...], str]:
    """The cost of each fate, and where they come from in a sentence."""
    why_not = _why_not(jobs)
    measured = {} if why_not else _measured(jobs, rng)
    costs = tuple(
        Cost(verdict, given[verdict], "given")
        if verdict in given
        else measured.get(verdict, Cost(verdict, ASSUMED_SECONDS[verdict], "assumed"))
        for verdict in VERDICTS
    )
    if why_not and len(given) < len(VERDICTS):
        return costs, f"Costs that are not given are assumed, not measured: {why_not}."
    return costs, "" if why_not else f"Measured costs are from the working times of {len(jobs)} jobs."


def _why_not(jobs: Sequence[JobFacts]) -> str | None:
    """Why costs cannot be measured; None where they can."""
    controls = sum(job.is_control for job in jobs)
    if len(jobs) < MIN_JOBS or controls < MIN_CONTROLS:
        return (
            f"that needs working times of {MIN_JOBS} jobs, {MIN_CONTROLS} of them control jobs; "
            f"known are those of {len(jobs)}, {controls} of them control jobs"
        )
    fates = _equations(jobs)[0][:, : len(VERDICTS)]
    if np.linalg.matrix_rank(fates) < len(VERDICTS):
        return "in the timed jobs some fates never happen, or always together"
    return None


def _measured(jobs: Sequence[JobFacts], rng: np.random.Generator) -> dict[Verdict, Cost]:
    matrix, seconds = _equations(jobs)
    resampled = []
    for _ in range(_REPEATS):
        drawn = rng.integers(len(jobs), size=len(jobs))
        resampled.append(nnls(matrix[drawn], seconds[drawn])[0])
    fitted = [
        interval(float(value), others)
        for value, others in zip(nnls(matrix, seconds)[0], np.stack(resampled).T, strict=True)
    ]
    return {
        verdict: Cost(verdict, one.value, "measured", one.low, one.high)
        for verdict, one in zip(VERDICTS, fitted, strict=False)
    }


def _equations(jobs: Sequence[JobFacts]) -> tuple[Floats, Floats]:
    """Each job's fates, images and corrected tags (N, 7), and its seconds (N,), weighted."""
    counts = [[*(job.verdicts[verdict] for verdict in VERDICTS), job.images, job.tag_corrections] for job in jobs]
    rows = np.array(counts, float)
    weights = 1 / np.sqrt([job.images for job in jobs])
    return rows * weights[:, None], np.array([job.seconds for job in jobs], float) * weights
