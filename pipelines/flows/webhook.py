"""Hearing from CVAT that people are done with jobs, and starting `learn` when that is worth it."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvicorn
from rich.console import Console

from cvat.events import Receiver, receiver_app
from datasets.processes import listen
from pipelines.annotation.desk import open_desk
from pipelines.annotation.webhook import read_secret, register, url_of
from pipelines.flows.learning import read_standing
from pipelines.flows.running import start_run
from pipelines.flows.starting import Decision, Starter, read_waiting
from pipelines.progress import Progress


@contextmanager
def serve_webhook(project_path: Path, home: Path, *, host: str, port: int, address: str | None) -> Iterator[str]:
    """Receive CVAT's events until the block ends, and start `learn` as a run of its deployment; where it receives.

    Whether to start is looked at again by the clock too, so that lost events and waiting alone lead to a start.

    Raises:
        BadProject: there is no secret, or no CVAT is named.
        CvatError: CVAT does not answer, or does not take the webhook.
        Unavailable: the port is taken.
    """
    secret, progress = read_secret(), Progress(Console(stderr=True))
    with ExitStack() as stack:
        desk = stack.enter_context(open_desk(project_path, home, progress))
        watching = stack.enter_context(open_desk(project_path, home, progress))  # a thread's own client
        listener = stack.enter_context(listen(host, port))
        parameters = {"project_path": project_path.absolute(), "home": home.absolute()}

        def start(decision: Decision) -> None:
            run = start_run("learn", parameters, key=f"learn-{decision.key}")
            progress.say(f"learn: started as {run}")

        starter = Starter(
            lambda: read_waiting(watching, read_standing(watching, home)),
            start,
            desk.project.flows.learn,
            progress.say,
        )
        target_url = address or url_of(listener)
        receiver = register(desk, target_url, secret, told=lambda event: None, on_accepted=starter.wake)
        stack.enter_context(_in_thread(receiver, listener))
        thread = threading.Thread(target=starter.run, daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(starter.end)
        yield target_url


@contextmanager
def _in_thread(receiver: Receiver, listener: object) -> Iterator[None]:
    config = uvicorn.Config(
        receiver_app(receiver), log_config=None, access_log=False, limit_concurrency=64, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
