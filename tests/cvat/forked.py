"""Embedded servers that are forks of one process which has imported everything: they start in no time."""

import atexit
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from io import FileIO
from pathlib import Path
from typing import IO


class ForkedServer:
    """A process as `subprocess.Popen` shows one: `pid`, `stdin`, `poll()`, `wait()`, `send_signal()`."""

    def __init__(self, options: Sequence[str], environment: Mapping[str, str], stderr: IO[bytes]) -> None:
        order = json.dumps({"options": options, "environment": environment}).encode()
        stdin, ours = os.pipe()
        self._told, told = os.pipe()
        socket.send_fds(_zygote()[1], [order], [stdin, stderr.fileno(), told])
        os.close(stdin)
        os.close(told)
        self.stdin = FileIO(ours, "wb")
        self._answers = FileIO(self._told)
        self.pid = int(self._answers.readline())
        self._code: int | None = None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """The exit code, None while the process runs."""
        if self._code is None and select.select([self._answers], [], [], 0)[0]:
            self._end()
        return self._code

    def wait(self, timeout: float) -> int:
        """The exit code once there is one. Raises TimeoutError."""
        if self._code is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise TimeoutError(f"server {self.pid} still runs after {timeout} s")
            self._end()
        return self._code or 0

    def _end(self) -> None:
        self._code = int(self._answers.readline())
        self._answers.close()


@cache
def _zygote() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process that is forked, which ends when this one does, and the socket to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = Path(__file__).with_name("zygote.py")
    process = subprocess.Popen([sys.executable, str(program)], stdin=theirs.fileno(), start_new_session=True)
    theirs.close()
    atexit.register(lambda: (ours.close(), process.wait(5)))
    return process, ours
