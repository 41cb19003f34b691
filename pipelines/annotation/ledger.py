"""`carloop ledger`: what became of pre-labels, and what they save."""

from collections.abc import Sequence
from pathlib import Path

import click

from pipelines.options import AS_JSON, HOME


@click.group("ledger")
def ledger_group() -> None:
    """What became of each pre-label."""


@ledger_group.command("report")
@click.option("--ledger", "url", help="SQLAlchemy URL of the ledger [default: CARLOOP_LEDGER_URL, or the home's].")
@click.option(
    "--run", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of a run of the loop."
)
@click.option(
    "--project", "project_path", type=click.Path(path_type=Path), help="Project file, where the ledger has several."
)
@click.option("--scope", help="Server and project, where the ledger has the project on several servers.")
@click.option(
    "--cost",
    "costs",
    multiple=True,
    metavar="FATE=SECONDS",
    help="What one shape costs a person: accepted, moved, reclassed, deleted or added (drawn). May be given several "
    "times; others are measured where working times of control jobs allow it, else assumed.",
)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as a page, with plots.")
@HOME
@AS_JSON
def report(
    url: str | None,
    run: Path | None,
    project_path: Path | None,
    scope: str | None,
    costs: Sequence[str],
    html: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Report how much of what models draw people accept, and what that saves them.

    Acceptance by class, score, model and annotator; the score below which correcting costs more than drawing; how much
    is accepted blindly, from probes; how far two people agree; what pre-labels save, from control jobs. What cannot be
    told from this ledger is said, never guessed.
    """
    from datasets.ledger.report import (
        make_report,
        print_report,
        read_material,
        report_to_json,
        write_report_page,
    )
    from pipelines.annotation.ledgers import find_scope, ledger_url, opened, parse_costs
    from pipelines.output import write_json

    given = parse_costs(costs)
    address = ledger_url(url, run, home)
    chosen = find_scope(address, scope=scope, project_path=project_path)
    with opened(address, chosen) as ledger:
        found = make_report(read_material(ledger), given_costs=given)
    if html:
        write_report_page(found, html, title=f"Pre-labels of {run.name if run else chosen or 'the ledger'}")
    if as_json:
        write_json(report_to_json(found))
    else:
        print_report(found)
        if html:
            click.echo(f"Page: {html}")
