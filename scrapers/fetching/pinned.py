"""Connections for requests that go to the IP address that was checked, and that can be cut at any moment.

The name stays in `Host`, in TLS's server name and in the certificate's check.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_here = threading.local()


class Watch:
    """Cuts the connection of a request that takes too long; `was_cut` then."""

    def __init__(self) -> None:
        self.was_cut = False
        self._connection: HTTPConnection | None = None
        self._socket: Any = None

    def see(self, connection: HTTPConnection) -> None:
        """The request is made on this connection, whose socket an answer may take over."""
        self._connection, self._socket = connection, connection.sock

    def cut(self) -> None:
        self.was_cut = True
        sock = self._socket or getattr(self._connection, "sock", None)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class _Watched(HTTPConnection):
    def request(self, *args: Any, **options: Any) -> None:
        watch: Watch | None = getattr(_here, "watch", None)
        if watch:
            watch.see(self)
        super().request(*args, **options)
        if watch:
            watch.see(self)


class _Secure(_Watched, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class PinnedAdapter(HTTPAdapter):
    """Sends requests to the addresses that `pinned` tells of a host and port. Raises LookupError without any."""

    def __init__(self, pinned: Callable[[str, int], tuple[str, ...]]) -> None:
        self._pinned = pinned
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def build_connection_pool_key_attributes(self, request: PreparedRequest, verify: Any, cert: Any = None) -> Any:
        """The key of the connections for a request: its IP address, with the name that its certificate is for."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        secure: dict[str, str] = {}
        name = str(host["host"]).strip("[]")
        port = host["port"] or {"http": 80, "https": 443}[host["scheme"]]
        addresses = self._pinned(name, port)
        if not addresses:
            raise LookupError(f"{name}:{port} has not been resolved")
        if host["scheme"] == "https":
            secure = {"server_hostname": name, "assert_hostname": name}
        return {**host, "host": addresses[0]}, {**pool, **secure}


@contextmanager
def cut_after(seconds: float) -> Iterator[Watch]:
    """Cut the connection of this thread's request when the block takes longer."""
    _here.watch = watch = Watch()
    timer = threading.Timer(seconds, watch.cut)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        timer.cancel()
        _here.watch = None
