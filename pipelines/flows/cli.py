"""The `carloop flows` commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.annotation.options import PROJECT, RECEIVER
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from pipelines.flows.settings import FlowName
    from pipelines.project import Project

_NAMES = ("scrape", "ingest", "learn", "drift", "backup")
NAME = click.argument("name", type=click.Choice(_NAMES))


@click.group()
def flows() -> None:
    """Let scrape, ingest, learn, drift and backup run by themselves: by schedules, by CVAT's webhook, or by hand.

    When each starts stands in the project file under flows:.
    """


@flows.command("serve")
@PROJECT
@HOME
@click.option(
    "--port", type=click.IntRange(1, 65535), default=4200, show_default=True, help="Port of Prefect's server."
)
@click.option("--at-once", type=click.IntRange(min=1), default=2, show_default=True, help="Runs at the same time.")
@click.option(
    "--webhook/--no-webhook",
    default=None,
    help="Start learn when CVAT tells that jobs were accepted [default: where CARLOOP_WEBHOOK_SECRET is set].",
)
@click.option("--webhook-host", default="127.0.0.1", show_default=True, help="Address to receive CVAT's events on.")
@click.option("--webhook-port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="Its port.")
@click.option("--webhook-address", help="URL under which CVAT reaches it [default: that of host and port].")
def serve_(
    project_path: Path,
    home: Path,
    port: int,
    at_once: int,
    webhook: bool | None,
    webhook_host: str,
    webhook_port: int,
    webhook_address: str | None,
) -> None:
    """Serve the flows on this machine, until Ctrl-C or SIGTERM.

    Starts Prefect's server, whose UI is at its port, unless PREFECT_API_URL names one. What was killed is gone on with
    by the next run.
    """
    import os
    from contextlib import ExitStack

    from rich.console import Console

    from pipelines.annotation.webhook import SECRET_VARIABLE
    from pipelines.flows.serving import only_server, own_server, point_at_own, require_named
    from pipelines.progress import Progress
    from pipelines.project import read_project
    from pipelines.services import PREFECT_VARIABLE

    project, progress = read_project(project_path), Progress(Console(stderr=True))
    is_ours = point_at_own(home, port=port)
    with ExitStack() as stack:
        stack.enter_context(only_server(home))
        _require_schedules(project)  # imports Prefect, whose folder in the home has to be there by then
        if is_ours:
            stack.enter_context(own_server(home, progress, port=port))
        else:
            require_named()
        from pipelines.flows.notifying import why_untold

        deployments = _deploy(project, project_path, home)
        if problem := why_untold(project.flows):
            progress.say(f"nobody is told of ends: {problem}")
        if webhook or (webhook is None and os.environ.get(SECRET_VARIABLE)):
            from pipelines.flows.webhook import serve_webhook

            place: dict[str, Any] = {"host": webhook_host, "port": webhook_port, "address": webhook_address}
            stack.enter_context(serve_webhook(project_path, home, **place))
        progress.say(f"serving {', '.join(_NAMES)}; Prefect's API is {os.environ[PREFECT_VARIABLE]}")
        _serve(deployments, at_once)


def _require_schedules(project: "Project") -> None:
    """Raises BadProject when the schedules cannot be kept."""
    from datetime import UTC, datetime

    from pipelines.flows.schedules import check_schedules

    check_schedules(project.flows, now=datetime.now(UTC))


def _deploy(project: "Project", project_path: Path, home: Path, **choices: Any) -> "list[Any]":
    """Make the deployments known to the server, for a webhook that comes at once; what is paused stays so."""
    from pipelines.flows.deployments import make_deployments
    from pipelines.flows.running import read_paused

    places: dict[str, Any] = {"project_path": project_path, "home": home}
    deployments = make_deployments(project.flows, **places, paused=read_paused(home), **choices)
    for deployment in deployments:
        deployment.apply()
    return deployments


def _serve(deployments: "list[Any]", at_once: int) -> None:
    import logging
    import warnings

    from prefect import serve

    # Prefect's own handler of SIGTERM calls this and exits.
    warnings.filterwarnings("ignore", message=r"coroutine 'Runner\.astop' was never awaited")
    logging.getLogger("prefect.runner").setLevel(logging.WARNING)  # it tells of every run that waits, again and again
    serve(*deployments, limit=at_once, pause_on_shutdown=False, print_starting_message=False)


@flows.command("deploy")
@click.option("--pool", required=True, help="Work pool whose workers run the flows, where Carloop is installed.")
@click.option("--image", help="Container image with Carloop, for pools that run containers.")
@PROJECT
@HOME
@AS_JSON
def deploy_(pool: str, image: str | None, project_path: Path, home: Path, as_json: bool) -> None:
    """Deploy the flows to a work pool of the Prefect server that PREFECT_API_URL names.

    Workers find the project file and the home under the same paths, or on a share.
    """
    from pipelines.errors import BadProject
    from pipelines.flows.notifying import why_untold
    from pipelines.flows.running import require_pool
    from pipelines.flows.serving import find_server
    from pipelines.output import show
    from pipelines.project import read_project

    find_server(home)
    project = read_project(project_path)
    _require_schedules(project)
    require_pool(pool)
    if problem := why_untold(project.flows):
        raise BadProject(problem)
    variables = {"job_variables": {"image": image}} if image else {}
    _deploy(project, project_path, home, work_pool_name=pool, **variables)
    show({"pool": pool, "deployed": list(_NAMES)}, as_json=as_json)


@flows.command("list")
@HOME
@AS_JSON
def list_(home: Path, as_json: bool) -> None:
    """List the deployed flows: their schedules, whether they are paused, and how they last ended."""
    from pipelines.flows.listing import print_flows, read_flows
    from pipelines.flows.serving import find_server
    from pipelines.output import write_json

    find_server(home)
    found = read_flows(home)
    write_json([one.told() for one in found]) if as_json else print_flows(found)


@flows.command("run")
@NAME
@PROJECT
@HOME
@click.option("--at-least", type=click.IntRange(min=1), help="Learn from so few corrected images already.")
@AS_JSON
def run_(name: "FlowName", project_path: Path, home: Path, at_least: int | None, as_json: bool) -> None:
    """Have a deployed flow run now, where it is served."""
    import secrets

    from pipelines.flows.running import start_run
    from pipelines.flows.serving import find_server
    from pipelines.output import show

    if at_least is not None and name != "learn":
        raise click.UsageError("--at-least goes with learn alone")
    find_server(home)
    more = {"at_least": at_least} if at_least else {}
    parameters = {"project_path": project_path.absolute(), "home": home.absolute(), **more}
    show({"flow": name, "run": start_run(name, parameters, key=secrets.token_hex(8))}, as_json=as_json)


@flows.command("pause")
@NAME
@HOME
def pause_(name: str, home: Path) -> None:
    """Let a flow's schedules rest."""
    _set_paused(name, home, paused=True)


@flows.command("resume")
@NAME
@HOME
def resume_(name: str, home: Path) -> None:
    """Let a flow's schedules go on."""
    _set_paused(name, home, paused=False)


def _set_paused(name: str, home: Path, *, paused: bool) -> None:
    from pipelines.flows.running import set_paused
    from pipelines.flows.serving import find_server

    find_server(home)
    set_paused(name, home, paused=paused)
    click.echo(f"{name} is {'paused' if paused else 'resumed'}")


@flows.command("webhook")
@PROJECT
@HOME
@RECEIVER
def webhook_(project_path: Path, home: Path, host: str, port: int, address: str | None) -> None:
    """Receive CVAT's events alone, and start learn where it is deployed; for flows that workers of a pool run.

    Bodies have to be signed with CARLOOP_WEBHOOK_SECRET. Ends with SIGTERM or Ctrl-C.
    """
    import signal
    import threading

    from pipelines.flows.serving import find_server

    find_server(home)
    from pipelines.flows.webhook import serve_webhook

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with serve_webhook(project_path, home, host=host, port=port, address=address):
        ended.wait()
