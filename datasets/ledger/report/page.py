"""The report as a page that needs nothing beside it."""

from collections.abc import Mapping
from math import isnan
from pathlib import Path

from datasets.comparison import VERDICTS, Verdict
from datasets.files import write_bytes
from datasets.ledger.report.acceptance import Group
from datasets.ledger.report.break_even import BreakEven
from datasets.ledger.report.charts import acceptance_plot, gain_plot
from datasets.ledger.report.intervals import Estimate, Share
from datasets.ledger.report.report import Report
from datasets.seeing.templates import render

COLOURS: Mapping[Verdict, str] = {
    "accepted": "green",
    "moved": "blue",
    "reclassed": "purple",
    "deleted": "red",
    "added": "orange",
}
_ROWS, _PLOTS = 60, 6


def write_report_page(report: Report, path: Path, *, title: str = "The ledger") -> None:
    """Write the report as one HTML file, with plots."""
    by_score = [("Shapes", report.shapes_by_score), ("Tags", report.tags_by_score)]
    content = {
        "title": title,
        "report": report,
        "numbers": headline(report),
        "verdicts": VERDICTS,
        "colours": COLOURS,
        "most_objects": max((sum(group.verdicts.values()) for group in report.by_class), default=1),
        "acceptance": [acceptance_plot(what, groups) for what, groups in by_score if groups],
        "gains": [gain_plot(found) for found in report.break_evens[:_PLOTS]],
        "most_rows": _ROWS,
        "percent": percent,
        "number": number,
        "score": told_score,
    }
    write_bytes(path, render("ledger.html.j2", content, stacked=_stacked))


def headline(report: Report) -> list[tuple[str, str, str]]:
    """The first things that one wants to know: what, how much, and its interval; what is not known says so."""
    saved, blind, f1 = report.effort.saved_seconds, report.blindness.accepted, report.agreement.shapes_f1
    return [
        ("pre-labels", f"{report.total.prelabels:,}", f"in {report.jobs:,} jobs, {report.images:,} images"),
        ("accepted as they were", *_percent_parts(report.total.accepted)),
        ("saved per image", *((f"{saved.value:z.1f} s", _ends(saved, "{:z.1f}")) if saved else ("?", "not known"))),
        ("accepted blindly", *_percent_parts(blind)),
        ("agreement, F1", *((f"{f1.value:.2f}", _ends(f1, "{:.2f}")) if f1 else ("?", "not known"))),
    ]


def percent(found: Share | None) -> str:
    """A share with its interval, in percent."""
    return "" if found is None else f"{found.value:.0%} ({100 * found.low:.0f}–{100 * found.high:.0f})"


def number(found: Estimate | None, form: str = "{:.2f}") -> str:
    """A value with its interval; nothing where it is not known."""
    if found is None:
        return ""
    ends = "" if isnan(found.low) else f" ({_range(found, form)})"
    return form.format(found.value) + ends


def _range(found: Estimate, form: str) -> str:
    """An interval's ends; a dash beside a minus would be read wrongly."""
    return f"{form.format(found.low)}{' to ' if found.low < 0 else '–'}{form.format(found.high)}"


def told_score(found: BreakEven) -> str:
    """A break-even's score with its interval, or that there is none among the scores seen."""
    if found.score is None:
        return "none seen"
    if isnan(found.low):
        return f"{found.score:.2f}"
    low, high = (f"{end:.2f}" if end <= 1 else "none pays" for end in (found.low, found.high))
    return f"{found.score:.2f} ({low}–{high})"


def _percent_parts(found: Share | None) -> tuple[str, str]:
    return (f"{found.value:.0%}", _ends(found, "{:.1%}")) if found else ("?", "not known")


def _ends(found: Estimate, form: str) -> str:
    return "from one alone" if isnan(found.low) else _range(found, form)


def _stacked(group: Group) -> list[tuple[int, str, str]]:
    return [(group.verdicts[verdict], COLOURS[verdict], verdict) for verdict in VERDICTS]
