"""`carloop cvat status`: how far the work is."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.annotation.options import PROJECT
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from cvat.status import Status, Work


@click.command("status")
@PROJECT
@HOME
@AS_JSON
def status_command(project_path: Path, home: Path, as_json: bool) -> None:
    """Show tasks, jobs by stage and state, who has them, how much is done, and what learning would take now."""
    import msgspec
    from rich.console import Console

    from cvat.project import require_project
    from cvat.status import read_status
    from pipelines.annotation.desk import open_desk
    from pipelines.output import write_json
    from pipelines.progress import Progress

    with open_desk(project_path, home, Progress(Console(stderr=True))) as desk:
        settings = desk.project.cvat
        project_id = require_project(desk.client, settings.project)
        status = read_status(desk.client, project_id, desk.ledger, settings.accept)
    if as_json:
        write_json({"project": settings.project, "project_id": project_id, **msgspec.to_builtins(status)})
    else:
        _write_tables(settings.project, status)


def _write_tables(project: str, status: "Status") -> None:
    from rich.console import Console

    console = Console()
    console.print(_table("task", [(f"{t.id} {t.name}", t.work) for t in status.tasks] + [("all", status.work)]))
    console.print(_table("who", [(name or "nobody", work) for name, work in status.people.items()]))
    for stage, states in status.stages.items():
        counted = ", ".join(f"{count:,} {state}" for state, count in states.items())
        console.print(f"{stage}: {counted}", highlight=False)
    told = f"learn would take {status.to_learn.jobs:,} jobs of {status.to_learn.frames:,} frames from {project!r}"
    console.print(told, highlight=False, soft_wrap=True, markup=False)


def _table(title: str, rows: "list[tuple[str, Work]]") -> object:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(title)
    for heading in ("jobs done", "frames done", "share"):
        table.add_column(heading, justify="right")
    for name, work in rows:
        share = f"{work.frames_done / work.frames:.0%}" if work.frames else ""
        done = f"{work.jobs_done:,} of {work.jobs:,}", f"{work.frames_done:,} of {work.frames:,}"
        table.add_row(escape(name), *done, share)
    return table
