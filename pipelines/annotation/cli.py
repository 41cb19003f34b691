"""The `carloop cvat` commands."""

import logging
import os
from pathlib import Path

import click

from pipelines.annotation.backup import backup_command, restore_command
from pipelines.annotation.prelabel import prelabel_command
from pipelines.annotation.pull import pull_command
from pipelines.annotation.push import push_command
from pipelines.annotation.quality import quality_command
from pipelines.annotation.status import status_command
from pipelines.annotation.verify import verify_command
from pipelines.annotation.webhook import webhook_command


@click.group()
def cvat() -> None:
    """Push images to CVAT, pull what people accepted, and look after both."""


@cvat.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder that keeps the server's data.")
@click.option(
    "--share",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CARLOOP_CVAT_SHARE",
    show_envvar=True,
    help="Folder that tasks can take images from by name.",
)
def serve(host: str, port: int, data: Path, share: Path | None) -> None:
    """Serve a CVAT-compatible API from a folder.

    The user is CARLOOP_CVAT_USER with CARLOOP_CVAT_PASSWORD; functions are asked for at CARLOOP_NUCLIO_URL. There is no
    annotation page: for people, CVAT itself is the tool.
    """
    from cvat.embedded.server import serve as serve_embedded
    from cvat.embedded.settings import read_settings

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    shared = ["--share", str(share)] if share else []
    options = ["--host", host, "--port", str(port), "--data", str(data), *shared]
    serve_embedded(read_settings(options, os.environ))


cvat.add_command(push_command)
cvat.add_command(prelabel_command)
cvat.add_command(pull_command)
cvat.add_command(quality_command)
cvat.add_command(webhook_command)
cvat.add_command(status_command)
cvat.add_command(backup_command)
cvat.add_command(restore_command)
cvat.add_command(verify_command)
