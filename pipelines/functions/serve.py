"""`carloop function serve`: the functions on this machine, for the embedded CVAT or a real one."""

import logging
from pathlib import Path

import click

from pipelines.functions.options import FUNCTIONS, folder_of


@click.command("serve")
@click.option(
    "--bundles",
    required=True,
    envvar="CARLOOP_BUNDLES",
    show_envvar=True,
    help="Published models: a folder, or a prefix such as s3://models/carloop.",
)
@FUNCTIONS
@click.option("--only", multiple=True, help="Only the function in this folder; may be repeated [default: all].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8070, show_default=True, help="Port; 0 takes a free one."
)
def serve_command(bundles: str, functions: Path | None, only: tuple[str, ...], host: str, port: int) -> None:
    """Run function folders on this machine and speak Nuclio's HTTP, so that a CVAT can use them.

    A real CVAT uses them in Nuclio's place: set CVAT_SERVERLESS=1, CVAT_NUCLIO_HOST and CVAT_NUCLIO_PORT to where this
    listens, and CVAT_NUCLIO_INVOKE_METHOD=dashboard, for cvat_server and cvat_worker_annotation. From containers this
    machine is host.docker.internal, and --host 0.0.0.0 lets them in; nobody is asked for a password, so keep the port
    behind a firewall.

    CARLOOP_* variables set here win over those in the function.yaml files: CARLOOP_BUNDLES is --bundles,
    CARLOOP_SEGMENTER_WEIGHTS the folder of a SAM model, without which the segmenter is left out. GET /healthz tells
    how the functions are, GET /metrics what they have done, for Prometheus; so does each function on its own port.
    """
    from nuclio_functions.host.__main__ import run_host

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_host(folder_of(functions), bundles, only=only, host=host, port=port)
