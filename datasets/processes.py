"""What every server and worker of Carloop needs: an end when its parent ends, and a socket to listen on."""

import os
import socket
import threading

from datasets.errors import Unavailable


def end_with_stdin() -> None:
    """From now on, end this process at once when its stdin closes, as it does when the parent is killed.

    Nothing is cleaned up, so whatever uses this has to be safe to kill at any moment.
    """
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises Unavailable when the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]  # Python repeats the address there
        raise Unavailable(f"cannot listen on {host}:{port} ({reason}); choose another --port, or 0") from None
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio forgets it here, at 40 ms an answer
    return listening
