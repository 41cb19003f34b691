"""The report on a terminal."""

from collections.abc import Sequence

from datasets.comparison import VERDICTS
from datasets.ledger.report.acceptance import Group
from datasets.ledger.report.page import number, percent, told_score
from datasets.ledger.report.report import Report
from datasets.rights.tables import console, table

_ROWS = 40


def print_report(report: Report) -> None:
    """The numbers as tables on stdout; what is not known is said in a sentence."""
    out = console()
    total = report.total
    out.print(f"{total.prelabels:,} pre-labels in {report.jobs:,} accepted jobs with {report.images:,} images.")
    for title, groups in (
        ("Acceptance by class", report.by_class),
        ("Acceptance of shapes by score", report.shapes_by_score),
        ("Acceptance of tags by score", report.tags_by_score),
        ("Acceptance by model", report.by_model),
        ("Acceptance by annotator", report.by_annotator),
    ):
        if groups:
            out.print(_groups(title, groups))
    if report.reclassed:
        rows = [(one.before, one.after, one.count) for one in report.reclassed[:_ROWS]]
        out.print(table("Re-classed", ("from", "to", "objects"), rows, texts=2))
    costs = [
        (c.verdict, c.origin, f"{c.seconds:.1f}", "" if c.low is None else f"{c.low:.1f}–{c.high:.1f}")
        for c in report.costs
    ]
    out.print(table("Seconds for one object", ("fate", "how known", "seconds", "interval"), costs, texts=2))
    if report.break_evens:
        scores = [(one.model, one.prelabels, told_score(one)) for one in report.break_evens]
        out.print(
            table("Score below which correcting costs more than drawing", ("model", "pre-labels", "score"), scores)
        )
    out.print(_effort(report))
    for line in _sentences(report):
        out.print(line, soft_wrap=True)


def _groups(title: str, groups: Sequence[Group]) -> object:
    rows = [
        (g.name, f"{g.prelabels:,}", percent(g.accepted), *(f"{g.verdicts[v]:,}" for v in VERDICTS[1:]))
        for g in groups[:_ROWS]
    ]
    return table(title, ("", "pre-labels", "accepted %", *VERDICTS[1:]), rows)


def _effort(report: Report) -> object:
    rows = [
        (
            name,
            arm.jobs,
            arm.images,
            number(arm.corrections_per_image),
            arm.timed,
            number(arm.seconds_per_image, "{:.1f}"),
        )
        for name, arm in (
            ("control", report.effort.control),
            ("pre-labelled", report.effort.prelabelled),
        )
    ]
    return table("Effort", ("jobs", "", "images", "corrections / image", "timed", "seconds / image"), rows)


def _sentences(report: Report) -> list[str]:
    effort, blind, agreed = report.effort, report.blindness, report.agreement
    told = [f"{one.model}: {one.told}" for one in report.break_evens if one.score is None]
    if effort.saved_seconds and effort.saved_share:
        share = effort.saved_share
        told.append(
            f"Pre-labels save {number(effort.saved_seconds, '{:z.1f}')} s per image, "
            f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%}) of the time without them."
        )
    if blind.accepted:
        told.append(f"Wrong pre-labels that were planted: {percent(blind.accepted)} accepted as they were.")
    if blind.overlooked:
        told.append(f"Objects that were left out: {percent(blind.overlooked)} overlooked.")
    if agreed.shapes_f1:
        told.append(f"Two people agree on shapes: F1 {number(agreed.shapes_f1)} on {agreed.images} images.")
    if agreed.tags_pi:
        told.append(f"Two people agree on tags: Scott's pi {number(agreed.tags_pi)}.")
    silent = (report.costs_told, effort.told, blind.told, agreed.told, *report.notes)
    return told + [sentence for sentence in silent if sentence]
