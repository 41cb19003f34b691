"""Processes that a command starts and that end with it, however it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import ServiceFailed

GUARD = "pipelines.guard"
ROOT = Path(__file__).resolve().parent.parent

_START_SECONDS = 120
_STOP_SECONDS = 10
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Child:
    """A running process: what people call it, its log, and what to do when it does not come up."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int
    remedy: str

    def wait(self, is_ready: Callable[[], bool]) -> None:
        """Return once it is ready. Raises ServiceFailed when it ends before, or takes too long."""
        deadline = time.monotonic() + _START_SECONDS
        while not is_ready():
            if self.process.poll() is not None:
                raise ServiceFailed(f"{self.name} did not start: {self._last_words()}; {self.remedy} (log: {self.log})")
            if time.monotonic() > deadline:
                raise ServiceFailed(f"{self.name} did not answer within {_START_SECONDS} s; {self.remedy} ({self.log})")
            time.sleep(_POLL_SECONDS)

    def require_alive(self) -> None:
        """Raises ServiceFailed when it has ended."""
        if self.process.poll() is not None:
            raise ServiceFailed(f"{self.name} ended too soon: {self._last_words()}; run it again (log: {self.log})")

    def _last_words(self) -> str:
        said = self.log.read_bytes()[self.log_start :].decode(errors="replace")
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        spoken = [line for line in lines if not line.startswith("{")]  # MongoDB logs in JSON
        return spoken[-1] if spoken else f"exit code {self.process.returncode}"


@contextmanager
def start_child(
    name: str, module: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, remedy: str = "read its log"
) -> Iterator[Child]:
    """Run a Python module until the block ends. It has to end itself when its stdin closes, or be run by `GUARD`."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with log.open("ab") as output:
        log_start = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": path, **(env or {})},
            start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle
        )
    try:
        yield Child(name, process, log, log_start, remedy)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
