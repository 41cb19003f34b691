"""`carloop cvat webhook`: hear from CVAT when work moves on."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.annotation.options import PROJECT, RECEIVER
from pipelines.options import HOME

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from cvat.events import Event, Receiver
    from pipelines.annotation.desk import Desk

SECRET_VARIABLE = "CARLOOP_WEBHOOK_SECRET"
_LONGEST_SECRET = 64  # CVAT takes no longer one


@click.command("webhook")
@PROJECT
@HOME
@RECEIVER
@click.option(
    "--ready-file", type=click.Path(path_type=Path), help="File that gets the address once CVAT is to send there."
)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
def webhook_command(
    project_path: Path,
    home: Path,
    host: str,
    port: int,
    address: str | None,
    ready_file: Path | None,
    as_json: bool,
) -> None:
    """Receive CVAT's events, note in the ledger how jobs move on, and print a line for each.

    Registers itself in the project; the bodies have to be signed with CARLOOP_WEBHOOK_SECRET. Ends with SIGTERM or
    Ctrl-C; what happened meanwhile is noted at the next start.
    """
    from rich.console import Console

    from datasets.files import write_bytes
    from datasets.processes import listen
    from pipelines.annotation.desk import open_desk
    from pipelines.progress import Progress

    secret = read_secret()
    with open_desk(project_path, home, Progress(Console(stderr=True))) as desk, listen(host, port) as listener:
        target_url = address or url_of(listener)
        receiver = register(desk, target_url, secret, told=lambda event: _tell(event, as_json=as_json))
        if ready_file is not None:
            write_bytes(ready_file, target_url.encode())
        _serve(receiver, listener)


def read_secret() -> str:
    """The secret that CVAT signs with. Raises BadProject where the environment has none that CVAT takes."""
    from pipelines.errors import BadProject

    secret = os.environ.get(SECRET_VARIABLE, "")
    if not 0 < len(secret) <= _LONGEST_SECRET:
        raise BadProject(
            f"CVAT signs what it sends with a secret of 1 to {_LONGEST_SECRET} characters; set {SECRET_VARIABLE} to one"
        )
    return secret


def url_of(listener: "socket.socket") -> str:
    """Where a receiver answers that listens there."""
    from cvat.events import PATH

    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"


def register(
    desk: "Desk",
    target_url: str,
    secret: str,
    *,
    told: "Callable[[Event], object]",
    on_accepted: "Callable[[int], object]" = lambda waiting: None,
) -> "Receiver":
    """Have events sent to `target_url` from now on, and note what happened before. Raises CvatError."""
    import threading

    from cvat.events import Receiver, push_webhook
    from cvat.jobs import list_jobs
    from cvat.project import require_project
    from cvat.pull import note_states

    settings = desk.project.cvat
    project_id = require_project(desk.client, settings.project)
    webhook_id = push_webhook(desk.client, project_id, target_url, secret)
    note_states(desk.ledger, list_jobs(desk.client, project_id=project_id))
    desk.progress.say(f"CVAT sends events of {settings.project!r} to {target_url}")
    # CVAT answers only once it got through, and that is when this process serves.
    threading.Thread(target=_check_way, args=(desk, webhook_id), daemon=True).start()
    return Receiver(project_id, desk.ledger, secret, told, settings.accept, on_accepted)


def _check_way(desk: "Desk", webhook_id: int) -> None:
    from cvat.errors import CvatError
    from cvat.events import ping

    try:
        ping(desk.client, webhook_id)
    except CvatError as error:
        desk.progress.say(f"carloop: {error}")


def _tell(event: "Event", *, as_json: bool) -> None:
    import msgspec

    if as_json:
        click.echo(msgspec.json.encode(event))
        return
    job = f" job {event.job_id}: {event.stage} {event.state}, {event.assignee or 'nobody'}" if event.job_id else ""
    click.echo(f"{event.at or '-'} {event.event}{job}{'' if event.is_new else ' (again)'}")


def _serve(receiver: "Receiver", listener: "socket.socket") -> None:
    import signal

    import uvicorn

    from cvat.events import receiver_app

    # uvicorn raises the signal that ended it again; without handlers of our own that would kill the process.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    app = receiver_app(receiver)
    config = uvicorn.Config(app, log_config=None, access_log=False, limit_concurrency=64, timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[listener])
