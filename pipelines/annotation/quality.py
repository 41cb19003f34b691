"""`carloop cvat quality`: what CVAT found of annotators' work, by tasks' ground truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.annotation.options import PROJECT
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from rich.table import Table

    from cvat.quality import Report


@click.command("quality")
@click.option("--refresh/--no-refresh", default=True, help="Have new reports made first, or show those that are there.")
@PROJECT
@HOME
@AS_JSON
def quality_command(project_path: Path, home: Path, refresh: bool, as_json: bool) -> None:
    """Show how well tasks and jobs agree with their ground truth.

    Ground truth is set up by carloop cvat push --ground-truth, and counts when its jobs are accepted. It needs a CVAT
    that has quality control.
    """
    import msgspec
    from rich.console import Console

    from cvat.project import require_project
    from cvat.quality import make_reports, read_reports, require_quality
    from pipelines.annotation.desk import open_desk
    from pipelines.output import write_json
    from pipelines.progress import Progress

    with open_desk(project_path, home, Progress(Console(stderr=True))) as desk:
        require_quality(desk.client)
        project_id = require_project(desk.client, desk.project.cvat.project)
        if refresh:
            make_reports(desk.client, project_id)
        reports = read_reports(desk.client, project_id)
    if as_json:
        write_json([msgspec.to_builtins(report) for report in reports])
    else:
        Console().print(quality_table(reports))


def quality_table(reports: "Sequence[Report]") -> "Table":
    """Reports as a table: a line for each task and each of its jobs."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("task", "job", "who"):
        table.add_column(heading)
    for heading in ("agree", "of theirs", "of the truth", "precision", "recall", "conflicts"):
        table.add_column(heading, justify="right")
    for report in reports:
        s = report.summary
        who = report.assignee.username if report.assignee else ""
        counts = (_count(s.valid_count), _count(s.ds_count), _count(s.gt_count))
        shares = (_share(s.precision), _share(s.recall))
        table.add_row(_count(report.task_id), _count(report.job_id), who, *counts, *shares, str(s.conflict_count))
    return table


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
