"""Options that several `carloop cvat` commands share."""

from pathlib import Path

import click

from pipelines.dataset.options import options

PROJECT = click.option(
    "--project",
    "project_path",
    type=click.Path(path_type=Path),
    default=Path("carloop.yaml"),
    show_default=True,
    help="The project file, which names the server and the project there.",
)

RECEIVER = options(
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.option(
        "--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="Port; 0 takes a free one."
    ),
    click.option("--address", help="URL under which CVAT reaches this receiver [default: that of --host and --port]."),
)
"""Where CVAT's events are received."""
