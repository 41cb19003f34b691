"""Servers and workers end with their parent, and say so when their port is taken."""

import socket
import subprocess
import sys

import pytest

from datasets.errors import Unavailable
from datasets.processes import listen

WAITS_FOR_EVER = """
import threading
from datasets.processes import end_with_stdin
end_with_stdin()
print("ready", flush=True)
threading.Event().wait()
"""


def test_a_process_ends_when_its_stdin_closes() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS_FOR_EVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("what is said to it does not end it\n")
        child.stdin.close()
        assert child.wait(timeout=20) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_free_port_is_taken_and_answers(host: str) -> None:
    with listen(host, 0) as listening, socket.create_connection(listening.getsockname()):
        assert listening.getsockname()[1] > 0


def test_a_port_that_is_taken_is_told_in_one_sentence() -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(Unavailable) as caught:
            listen("127.0.0.1", port)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port} (Address already in use); choose another --port, or 0"
    )
