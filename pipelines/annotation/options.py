"""Options that several `carloop cvat` commands share."""

from pathlib import Path

import click

PROJECT = click.option(
    "--project",
    "project_path",
    type=click.Path(path_type=Path),
    default=Path("carloop.yaml"),
    show_default=True,
    help="The project file, which names the server and the project there.",
)
