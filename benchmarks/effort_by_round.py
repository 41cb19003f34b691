"""What the ledger of a run says of each round's effort, and how the last round's compares with the first's."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from datasets.errors import BadDataset
from datasets.ledger import Ledger
from datasets.ledger.report.effort import Arm, effort
from datasets.ledger.report.intervals import Estimate, interval, resampled_sums
from datasets.ledger.report.material import JobFacts, Material, read_material
from pipelines.results import TRAIN, RoundResult, read_round

TARGET = 1 / 3
_SEED = 0


@dataclass(frozen=True)
class Round:
    """One round's jobs without pre-labels (all of round 0, then the controls) and with; `loops` is the loop's own count
    of corrections per image over both."""

    number: int
    images: int
    loops: float
    jobs: Sequence[JobFacts]
    scratch: Arm
    prelabelled: Arm

    def told(self) -> dict[str, Any]:
        arms = {"from_scratch": self.scratch, "prelabelled": self.prelabelled}
        told = {name: _arm_told(arm) for name, arm in arms.items()}
        return {"round": self.number, "images": self.images, "corrections_per_image": round(self.loops, 4), **told}


@dataclass(frozen=True)
class Effort:
    """All rounds; `of_first` is what the last one's pre-labelled jobs need of round 0's, `of_controls` of its own
    controls', per image; None where one of both has no jobs."""

    rounds: Sequence[Round]
    of_first: Estimate | None
    of_controls: Estimate | None

    @property
    def holds(self) -> bool:
        return self.of_first is not None and self.of_first.value <= TARGET

    def told(self) -> dict[str, Any]:
        return {
            "rounds": [one.told() for one in self.rounds],
            "last_of_first": _estimate_told(self.of_first),
            "last_of_its_controls": _estimate_told(self.of_controls),
            "target": round(TARGET, 4),
            "holds": self.holds,
        }


def read_rounds(run: Path, *, rounds: int) -> list[Round]:
    """Round 0 and up to so many more of a run's folder. Raises BadDataset when none has finished."""
    results = [result for number in range(rounds + 1) if (result := read_round(run / "rounds", number))]
    if not results:
        raise BadDataset(f"{run} has no finished round; play the loop first")
    ledger = Ledger(f"sqlite:///{(run / 'ledger.sqlite').absolute()}")
    try:
        material = read_material(ledger)
        task_of = {job_id: pull.task_id for job_id, pull in ledger.read_pulls().items()}
    finally:
        ledger.close()
    return [make_round(result, material, task_of) for result in results]


def make_round(result: RoundResult, material: Material, task_of: Mapping[int, int]) -> Round:
    """What a round's train task was; jobs without pre-labels stand together, as controls."""
    jobs = {
        job_id: replace(job, is_control=not job.is_prelabelled)
        for job_id, job in material.jobs.items()
        if task_of.get(job_id) == result.tasks[TRAIN]
    }
    found = effort(replace(material, jobs=jobs), np.random.default_rng(_SEED))
    loops = result.corrections / max(result.images, 1)
    return Round(result.number, result.images, loops, list(jobs.values()), found.control, found.prelabelled)


def compare_rounds(rounds: Sequence[Round]) -> Effort:
    """The last round against the first, and against its own controls."""
    first, last = ([job for job in one.jobs if job.is_control] for one in (rounds[0], rounds[-1]))
    shown = [job for job in rounds[-1].jobs if job.is_prelabelled]
    return Effort(rounds, ratio_of(shown, first), ratio_of(shown, last))


def ratio_of(some: Sequence[JobFacts], others: Sequence[JobFacts]) -> Estimate | None:
    """Corrections per image of some jobs as a part of those of others; None where there are none."""
    counts = [np.array([[job.corrections, job.unprobed_images] for job in jobs], float) for jobs in (some, others)]
    if not all(len(each) and each[:, 0].sum() + each[:, 1].sum() for each in counts) or not counts[1][:, 0].sum():
        return None
    rng = np.random.default_rng(_SEED)
    a, b = (resampled_sums(each, rng) for each in counts)
    whole = [each.sum(0) for each in counts]
    value = (whole[0][0] / whole[0][1]) / (whole[1][0] / whole[1][1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return interval(float(value), (a[:, 0] / a[:, 1]) / (b[:, 0] / b[:, 1]))


def print_effort(found: Effort) -> None:
    """The table by round, and whether the target is met."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Corrections per image, with 95 % intervals")
    for head in ("round", "images", "from scratch", "jobs", "pre-labelled", "jobs", "all"):
        table.add_column(head, justify="right")
    for one in found.rounds:
        arms = (one.scratch, one.prelabelled)
        cells = [cell for arm in arms for cell in (_spelt(arm.corrections_per_image), str(arm.jobs))]
        table.add_row(str(one.number), str(one.images), *cells, f"{one.loops:.2f}")
    console = Console()
    console.print(table)
    last = found.rounds[-1].number
    for estimate, of in ((found.of_first, "those of round 0"), (found.of_controls, "those of its control jobs")):
        console.print(
            f"Corrections of round {last}'s pre-labelled jobs are {_spelt(estimate)} of {of}.", soft_wrap=True
        )
    console.print(f"At most {TARGET:.2f} of round 0's is {'met' if found.holds else 'not met'}.")


def draw(found: Effort) -> bytes:
    """Corrections per image by round, without and with pre-labels, and the target, as SVG."""
    figure = Figure(figsize=(6.5, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for name, colour, arms in (
        ("from scratch (round 0, then control jobs)", "#777777", [one.scratch for one in found.rounds]),
        ("pre-labelled jobs", "#2f6fde", [one.prelabelled for one in found.rounds]),
    ):
        shown = [(one.number, arm.corrections_per_image) for one, arm in zip(found.rounds, arms, strict=True)]
        points = [(number, estimate) for number, estimate in shown if estimate]
        if points:
            values = [estimate.value for _, estimate in points]
            reach = np.array([_reach(estimate) for _, estimate in points]).T
            axes.errorbar(
                [number for number, _ in points], values, yerr=reach, marker="o", capsize=3, label=name, color=colour
            )
    first = found.rounds[0].scratch.corrections_per_image
    if first:
        axes.axhline(TARGET * first.value, color="#2e9e5b", linestyle="--", label="a third of round 0")
    axes.set(
        xlabel="round", ylabel="corrections per image", ylim=(0, None), xticks=[one.number for one in found.rounds]
    )
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize="small")
    target = io.BytesIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    return target.getvalue()


def _reach(estimate: Estimate) -> tuple[float, float]:
    """How far the interval goes down and up; 0 where one job alone cannot tell."""
    ends = (estimate.value - estimate.low, estimate.high - estimate.value)
    return (0.0, 0.0) if any(map(math.isnan, ends)) else (max(ends[0], 0.0), max(ends[1], 0.0))


def _spelt(estimate: Estimate | None) -> str:
    if estimate is None:
        return "n/a"
    if math.isnan(estimate.low):
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f}–{estimate.high:.2f})"


def _arm_told(arm: Arm) -> dict[str, Any]:
    return {"jobs": arm.jobs, "images": arm.images, "corrections_per_image": _estimate_told(arm.corrections_per_image)}


def _estimate_told(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: None if math.isnan(value) else round(value, 4) for name, value in ends.items()}
