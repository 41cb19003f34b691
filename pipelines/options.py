"""Options that several commands share."""

from pathlib import Path

import click

HOME = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".carloop"),
    envvar="CARLOOP_HOME",
    show_default=True,
    show_envvar=True,
    help="Folder that holds datasets and runs.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
