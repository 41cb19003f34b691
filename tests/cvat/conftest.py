"""A real embedded server in a process of its own, that a test can kill and start again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import pytest
import requests

from tests.cvat.forked import ForkedServer

USER, PASSWORD = "annotator", "a password for tests"


class CvatServer:
    """`python -m cvat.embedded` on a data folder: `url`, `user`, `password`, `data_dir`, `kill()`, `restart()`.

    The address stays the same over a restart. The process ends with the test run, however that ends. `environment` has
    more settings for it, and `within` is a command that runs it.
    """

    def __init__(self, folder: Path, *, within: Sequence[str] = (), **environment: str) -> None:
        self.user, self.password = USER, PASSWORD
        self._within, self._environment = within, environment
        self.data_dir = folder / "data"
        self.url = ""
        self._ready = folder / "ready"
        self._log = folder / "server.log"
        self.start()

    def start(self) -> None:
        """Start the process and wait until it accepts connections."""
        self._ready.unlink(missing_ok=True)
        port = self.url.rpartition(":")[2] or "0"
        options = ["--port", port, "--data", str(self.data_dir), "--ready-file", str(self._ready), "--exit-with-stdin"]
        environment = {**server_environment(self.user, self.password), **self._environment}
        with self._log.open("ab") as log:
            self.process = self._start(options, environment, log)
        self._wait_until_ready()
        self.url = self._ready.read_text()

    def _start(
        self, options: Sequence[str], environment: Mapping[str, str], log: IO[bytes]
    ) -> subprocess.Popen[bytes] | ForkedServer:
        if not self._within:
            return ForkedServer(options, environment, log)
        command = [*self._within, sys.executable, "-m", "cvat.embedded", *options]
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=log)

    def kill(self) -> None:
        """End the process as a power cut would, at whatever it is doing."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End the process in order; gives its exit code."""
        return self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill the process if it runs, and start a new one on the same data and address."""
        if self.process.poll() is None:
            self.kill()
        self.start()

    def session(self) -> requests.Session:
        """An HTTP session that is logged in; paths are to be written in full."""
        session = requests.Session()
        answer = session.post(f"{self.url}/api/auth/login", json={"username": self.user, "password": self.password})
        session.cookies.clear()
        session.headers["Authorization"] = f"Token {answer.json()['key']}"
        return session

    def _end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(10)
        if self.process.stdin is not None:
            self.process.stdin.close()
        return code

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + 20
        while not self._ready.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the embedded server did not start:\n{self._log.read_text()}")
            time.sleep(0.01)


def server_environment(user: str, password: str) -> dict[str, str]:
    """The environment that a server needs."""
    return {**os.environ, "CARLOOP_CVAT_USER": user, "CARLOOP_CVAT_PASSWORD": password}


@pytest.fixture
def cvat_server(tmp_path: Path) -> Iterator[CvatServer]:
    """A server of this test alone, on an empty data folder."""
    server = CvatServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., CvatServer]]:
    """Servers with settings of their own, by environment variables, until the end of the file's tests."""
    servers: list[CvatServer] = []

    def make(**environment: str) -> CvatServer:
        servers.append(CvatServer(tmp_path_factory.mktemp("cvat"), **environment))
        return servers[-1]

    yield make
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def shared_cvat_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CvatServer]:
    """A server for all tests that keep to projects of their own and leave it running."""
    server = CvatServer(tmp_path_factory.mktemp("cvat"))
    yield server
    server.kill()
