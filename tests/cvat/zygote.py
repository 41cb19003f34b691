"""Imports the embedded server once, and becomes a server of its own for every order: started in no time by a fork.

An order comes over the socket at stdin: the arguments and the environment as JSON, and three descriptors: the server's
stdin, its stderr, and a pipe that is told its process id and, in the end, its exit code.
"""

import json
import os
import signal
import socket
import sys

from cvat.embedded.__main__ import main

_MOST_BYTES = 2**17


def answer_orders(orders: socket.socket) -> None:
    """Fork until nobody can order any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the watchers need no burial
    while True:
        content, descriptors, _, _ = socket.recv_fds(orders, _MOST_BYTES, 3)
        if not content:
            return
        if os.fork() == 0:
            orders.close()
            _watch(json.loads(content), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _watch(order: dict[str, object], stdin: int, stderr: int, told: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(told)
        _serve(order, stdin, stderr)
    os.close(stdin)
    os.write(told, b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _serve(order: dict[str, object], stdin: int, stderr: int) -> None:
    os.dup2(stdin, 0)
    os.dup2(stderr, 2)
    os.environ.clear()
    os.environ.update(order["environment"])  # type: ignore[call-overload]
    sys.argv[1:] = order["options"]  # type: ignore[assignment]
    code = 1
    try:
        code = main()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    answer_orders(socket.socket(fileno=os.dup(0)))
