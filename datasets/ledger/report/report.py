"""The whole report, from what a ledger has to tell."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from datasets.comparison import Verdict
from datasets.ledger.report import acceptance
from datasets.ledger.report.acceptance import Group, Reclassing
from datasets.ledger.report.agreement import Agreement, agreement
from datasets.ledger.report.blindness import Blindness, blindness
from datasets.ledger.report.break_even import BreakEven, break_evens
from datasets.ledger.report.costs import Cost, costs_of
from datasets.ledger.report.effort import Effort, effort
from datasets.ledger.report.material import Material

_NOTHING_GIVEN: Mapping[Verdict, float] = MappingProxyType({})


@dataclass(frozen=True)
class Report:
    """`total` are all pre-labels and what was added beside them; `costs_told` says where the costs come from.

    `notes` are what else has to be known to read the numbers.
    """

    jobs: int
    images: int
    total: Group
    by_class: tuple[Group, ...]
    shapes_by_score: tuple[Group, ...]
    tags_by_score: tuple[Group, ...]
    by_model: tuple[Group, ...]
    by_annotator: tuple[Group, ...]
    reclassed: tuple[Reclassing, ...]
    costs: tuple[Cost, ...]
    costs_told: str
    break_evens: tuple[BreakEven, ...]
    blindness: Blindness
    agreement: Agreement
    effort: Effort
    notes: tuple[str, ...]


def make_report(material: Material, *, given_costs: Mapping[Verdict, float] = _NOTHING_GIVEN, seed: int = 0) -> Report:
    """All numbers; the same for the same ledger, costs (seconds by verdict) and seed."""
    rng = np.random.default_rng(seed)
    prelabelled = {job.job_id for job in material.jobs.values() if job.is_prelabelled}
    outcomes = acceptance.of_prelabelled_jobs(material.counted, prelabelled)
    costs, costs_told = costs_of(material.timed_jobs, given_costs, rng)
    images = {sha256 for job in material.jobs.values() for sha256 in job.sha256s}
    return Report(
        jobs=len(material.jobs),
        images=len(images),
        total=acceptance.group("all", outcomes.verdict, outcomes.iou[outcomes.verdict == "moved"].tolist()),
        by_class=acceptance.by_class(outcomes),
        shapes_by_score=acceptance.by_score(outcomes.where(outcomes.kind != "tag")),
        tags_by_score=acceptance.by_score(outcomes.where(outcomes.kind == "tag")),
        by_model=acceptance.by_model(outcomes),
        by_annotator=acceptance.by_annotator(outcomes, {job.job_id: job.assignee for job in material.jobs.values()}),
        reclassed=acceptance.reclassings(outcomes),
        costs=costs,
        costs_told=costs_told,
        break_evens=break_evens(outcomes, costs, rng),
        blindness=blindness(material),
        agreement=agreement(material, rng),
        effort=effort(material, rng),
        notes=tuple(_notes(material)),
    )


def _notes(material: Material) -> list[str]:
    notes = []
    if any(material.probes.values()):
        notes.append(
            "Images with probes count in blind acceptance alone, but jobs' working times are those of all their images."
        )
    if material.jobs and not material.knows_all_images:
        notes.append(
            "Images on which nobody drew anything may be missing: the ledger does not list every job's images."
        )
    return notes


def report_to_json(report: Report) -> dict[str, Any]:
    """The report for a script; what is not known is null."""
    told: dict[str, Any] = _plain(asdict(report))
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
