"""Hearing from CVAT that people are done with jobs, and starting `learn` when that is worth it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from rich.console import Console

from cvat.events import Receiver, receiver_app
from datasets.errors import CarloopError
from datasets.processes import listen
from pipelines.annotation.desk import open_desk, read_login
from pipelines.annotation.webhook import read_secret, register, url_of
from pipelines.flows.learning import read_standing
from pipelines.flows.running import start_run
from pipelines.flows.starting import Decision, Starter, read_waiting
from pipelines.progress import Progress
from pipelines.project import read_project

AGAIN_SECONDS = 60.0


@contextmanager
def serve_webhook(project_path: Path, home: Path, *, host: str, port: int, address: str | None) -> Iterator[str]:
    """Receive CVAT's events until the block ends, and start `learn` as a run of its deployment; where it receives.

    Whether to start is looked at again by the clock too, so that lost events and waiting alone lead to a start. A CVAT
    that is away, or has no such project before the first push, is told and asked again: the other flows need not wait.

    Raises:
        BadProject: there is no secret, or no CVAT or user is named.
        Unavailable: the port is taken.
    """
    secret = read_secret()
    read_login(read_project(project_path), project_path)
    with listen(host, port) as listener:
        target_url = address or url_of(listener)
        ear = _Ear(project_path, home, listener, target_url, secret)
        thread = threading.Thread(target=ear.run, daemon=True)
        thread.start()
        try:
            yield target_url
        finally:
            ear.end()
            thread.join()


@dataclass
class _Ear:
    """Registers in CVAT, as soon as that can be done, and then looks at what waits; a thread runs it."""

    project_path: Path
    home: Path
    listener: socket.socket
    target_url: str
    secret: str
    progress: Progress = field(default_factory=lambda: Progress(Console(stderr=True)))
    _ended: threading.Event = field(default_factory=threading.Event)
    _starter: Starter | None = None
    _said: str = ""

    def run(self) -> None:
        """Until it is ended."""
        while not self._ended.is_set():
            try:
                with self._registered() as self._starter:
                    if not self._ended.is_set():
                        self._starter.run()
            except Exception as error:  # whatever it is, it may be over the next time
                told = str(error) if isinstance(error, CarloopError) else repr(error)
                self._say(f"carloop: {told}; learn does not start by itself yet: tried again every {AGAIN_SECONDS:g} s")
            self._ended.wait(AGAIN_SECONDS)

    def end(self) -> None:
        self._ended.set()
        if self._starter:
            self._starter.end()

    def _say(self, text: str) -> None:
        if text != self._said:
            self.progress.say(text)
        self._said = text

    @contextmanager
    def _registered(self) -> Iterator[Starter]:
        """What looks at what waits, woken by CVAT's events. Raises CvatError."""
        with ExitStack() as stack:
            desk = stack.enter_context(open_desk(self.project_path, self.home, self.progress))
            watching = stack.enter_context(open_desk(self.project_path, self.home, self.progress))  # its own client
            starter = Starter(
                lambda: read_waiting(watching, read_standing(watching, self.home)),
                self._start,
                desk.project.flows.learn,
                self.progress.say,
            )
            receiver = register(desk, self.target_url, self.secret, told=lambda event: None, on_accepted=starter.wake)
            stack.enter_context(_in_thread(receiver, self.listener))
            yield starter

    def _start(self, decision: Decision) -> None:
        parameters = {"project_path": self.project_path.absolute(), "home": self.home.absolute()}
        run = start_run("learn", parameters, key=f"learn-{decision.key}")
        self.progress.say(f"learn: started as {run}")


@contextmanager
def _in_thread(receiver: Receiver, listener: socket.socket) -> Iterator[None]:
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
