"""A real HTTP proxy before a server, that misbehaves when it is told to."""

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal[
    "drop",  # the connection ends before the server has heard of the request
    "drop reply",  # the server does what was asked, and nobody is told
    "cut reply",  # half of the reply's body comes
    "failed",  # 500, and the server has heard of nothing
    "failed reply",  # 500, and the server did what was asked
    "busy",  # 429 with Retry-After
    "slow",  # the reply comes late
]
FAULTS: Sequence[Fault] = ("drop", "drop reply", "cut reply", "failed", "failed reply", "busy", "slow")
_DO_NOT_PASS_ON = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Request:
    """The `number`-th request that came, from 0 on."""

    number: int
    method: str
    path: str


Decide = Callable[[Request], Fault | None]


def behave(request: Request) -> None:
    """No fault."""


def seeded(seed: int, share: float) -> Decide:
    """Faults of all kinds but slowness in this share of the requests."""
    draw, faults = random.Random(seed), [fault for fault in FAULTS if fault != "slow"]
    return lambda request: draw.choice(faults) if draw.random() < share else None


class Proxy:
    """Passes requests on; `decide` says what goes wrong with each. `slowness` and `retry_after` are in seconds."""

    def __init__(
        self, server_url: str, decide: Decide = behave, *, slowness: float = 1.0, retry_after: int = 1
    ) -> None:
        self.decide = decide
        self.slowness = slowness
        self.retry_after = retry_after
        self.requests: list[Request] = []
        self.faults: list[tuple[Request, Fault]] = []
        self._server = urlsplit(server_url)
        self._lock = threading.Lock()
        self._http = _Listener(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Listen while the block runs."""
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            thread.join()
            self._http.server_close()

    def note(self, method: str, path: str) -> Fault | None:
        """Count a request and decide what goes wrong with it."""
        with self._lock:
            request = Request(len(self.requests), method, path)
            self.requests.append(request)
            fault = self.decide(request)
            if fault:
                self.faults.append((request, fault))
        return fault

    def pass_on(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """What the server replies. Raises OSError or HTTPException where it does not."""
        connection = http.client.HTTPConnection(self._server.hostname or "", self._server.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply, reply.read()
        finally:
            connection.close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True


def _handler_of(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection, for one request."""

        def handle_one_request(self) -> None:
            self.close_connection = True
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.note(self.command, self.path)
            if fault in ("failed", "busy"):
                self._refuse(429 if fault == "busy" else 500)
            elif fault != "drop":
                self._answer(fault, body)

        def _answer(self, fault: Fault | None, body: bytes) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            try:
                reply, content = proxy.pass_on(self.command, self.path, headers, body)
            except (OSError, http.client.HTTPException):
                return  # the server is gone: so is the connection
            if fault == "slow":
                time.sleep(proxy.slowness)
            if fault == "failed reply":
                self._refuse(500)
            elif fault != "drop reply":
                self._send(reply, content, share=0.5 if fault == "cut reply" else 1)

        def _send(self, reply: http.client.HTTPResponse, content: bytes, *, share: float) -> None:
            try:
                self.send_response(reply.status)
                for name, value in reply.getheaders():
                    if name.lower() not in _DO_NOT_PASS_ON:
                        self.send_header(name, value)
                self.send_header("Content-Length", reply.getheader("Content-Length") or str(len(content)))
                self.end_headers()
                self.wfile.write(content[: int(len(content) * share)])
            except OSError:
                return  # the client had no patience

        def _refuse(self, status: int) -> None:
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", str(proxy.retry_after))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: `requests` and `faults` tell."""

    return Handler
