"""`carloop function list`: what runs in a Nuclio, and which model each function serves."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from pipelines.functions.options import DASHBOARD
from pipelines.options import AS_JSON

if TYPE_CHECKING:
    from nuclio_functions.deploying.dashboard import Dashboard, Deployed

_WIDTH = 200
"""Columns, where no terminal has its own."""
_PROJECT_LABEL = "nuclio.io/project-name"


@dataclass(frozen=True)
class Row:
    """One function; `model` and `bundle` are its own words, `trouble` is why there are none."""

    name: str
    state: str
    project: str
    version: str
    configuration: str
    port: int | None
    model: str
    bundle: str
    trouble: str


@click.command("list")
@DASHBOARD
@AS_JSON
def list_command(dashboard: str, as_json: bool) -> None:
    """Show a Nuclio's functions: state, deployed version, and the model that each says it serves."""
    from concurrent.futures import ThreadPoolExecutor

    from nuclio_functions.deploying.dashboard import Dashboard
    from pipelines.output import write_json

    nuclio = Dashboard(dashboard)
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(lambda function: _row(nuclio, function), nuclio.functions()))
    if as_json:
        write_json([asdict(row) for row in rows])
    else:
        _write_table(rows)


def _row(nuclio: "Dashboard", function: "Deployed") -> Row:
    from nuclio_functions.deploying.config import DIGEST
    from nuclio_functions.deploying.dashboard import Health

    metadata, status = function.metadata, function.status
    health = nuclio.health(metadata.name) if status.state == "ready" else Health(error=status.message)
    return Row(
        name=metadata.name,
        state=status.state,
        project=metadata.labels.get(_PROJECT_LABEL, ""),
        version=metadata.annotations.get("version", ""),
        configuration=metadata.annotations.get(DIGEST, ""),
        port=status.port,
        model=health.model,
        bundle=health.bundle,
        trouble=health.error,
    )


def _write_table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("function", "state", "project", "version", "port", "model", box=None, pad_edge=False)
    for row in rows:
        deployed = " ".join(filter(None, (row.version, row.configuration[:12])))
        told = " ".join(filter(None, (row.model, row.bundle[:12]))) or row.trouble
        table.add_row(row.name, row.state, row.project, deployed, str(row.port or ""), told)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table, highlight=False, markup=False) if rows else click.echo("no functions")
