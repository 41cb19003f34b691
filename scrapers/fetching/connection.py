"""One connection of a transfer: HTTP/1.1 as llhttp (httptools) reads it, and no more of it than bulk transfer needs.

One GET after another; no cookies, no redirects, no decoding but a body's. Times are seconds of the loop's clock.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from scrapers.errors import FetchFailed
from scrapers.fetching.bodies import Body
from scrapers.fetching.steps import Reply, Sending, Trouble, Turn, is_redirect

_MAX_HEAD_BYTES = 1 << 16
_BARE = frozenset({204, 304})


class Stale(Trouble):
    """A connection that was kept open has been closed by the server before it began to answer."""


class Connection(asyncio.BufferedProtocol):
    """One connection, for one request at a time; after each, `is_reusable` tells whether it may have another."""

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer  # shared: what is read into it is parsed before anything else is read
        self._loop = asyncio.get_running_loop()
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self.is_reusable = True
        self.deadline = self.heard_at = 0.0

    async def ask(self, step: Sending, turn: Turn, *, deadline: float) -> Reply:
        """The answer to one request. Raises Trouble without a whole one, FetchFailed for one that is not wanted."""
        if self._transport is None or self._transport.is_closing():
            raise Stale("the server has closed the connection")
        self._waiting = self._loop.create_future()
        self._step, self._turn = step, turn
        self._body: Body | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes, self._is_headed = 0, False
        self.deadline, self.heard_at = deadline, self._loop.time()
        self._transport.write(_request(step))
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def fail(self, error: Exception) -> None:
        """End the request that is under way, and the connection."""
        self.close()
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error)

    def close(self) -> None:
        self.is_reusable = False
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.heard_at = self._loop.time()
        if self._waiting is None or self._waiting.done():
            self.close()  # nobody asked
            return
        self._head_bytes += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (HttpParserError, HttpParserUpgrade) as error:
            self.fail(Trouble(f"it does not answer in HTTP: {error}"))
        if not self._is_headed and self._head_bytes > _MAX_HEAD_BYTES:
            self.fail(Trouble(f"its headers are larger than {_MAX_HEAD_BYTES} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_reusable = False
        if not self._waiting or self._waiting.done():
            return
        if self._body is not None and exc is None and self._is_until_end():
            self._end(self._body)
        elif not self._head_bytes:
            self._waiting.set_exception(Stale("the server has closed the connection without an answer"))
        else:
            self._waiting.set_exception(Trouble(f"the answer ends in its middle{f': {exc}' if exc else ''}"))

    def on_message_begin(self) -> None:
        """A second answer to one request makes the connection useless."""
        self.is_reusable = self.is_reusable and not self._is_done()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        if self._is_done():
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._fields = []
            return
        self._is_headed = True
        self._headers = _headers(self._fields)
        self._reply = Reply(status, self._headers, b"")
        self._turn.answered(self._reply, self._loop.time())
        if is_redirect(self._reply) or status in _BARE:
            self.is_reusable = status in _BARE and self._headers.get("content-length", "0") == "0"
            self._succeed(b"")
        else:
            self._begin_body()

    def on_body(self, chunk: bytes) -> None:
        body = self._body
        if body is None or self._is_done():
            return
        try:
            body.feed(chunk)
        except FetchFailed as error:
            self.fail(error)
        if body.is_full:
            self.close()
            self._end(body)

    def on_message_complete(self) -> None:
        if self._body is not None and not self._is_done():
            self.is_reusable = self._parser.should_keep_alive()
            self._end(self._body)

    def _begin_body(self) -> None:
        request = self._step.request
        encoding = self._headers.get("content-encoding")
        try:
            self._body = Body(
                self._step.target.url, encoding=encoding, max_bytes=request.max_bytes, is_cut=request.is_cut
            )
        except FetchFailed as error:
            self.fail(error)

    def _end(self, body: Body) -> None:
        try:
            self._succeed(body.end())
        except FetchFailed as error:
            self.fail(error)

    def _succeed(self, content: bytes) -> None:
        if self._waiting:
            self._waiting.set_result(
                Reply(self._reply.status, self._reply.headers, content) if content else self._reply
            )

    def _is_done(self) -> bool:
        return self._waiting is None or self._waiting.done()

    def _is_until_end(self) -> bool:
        return "content-length" not in self._headers and "chunked" not in self._headers.get("transfer-encoding", "")


def _request(step: Sending) -> bytes:
    """Raises ValueError when a header would end early."""
    target = step.target
    text = f"GET {target.path} HTTP/1.1\r\nHost: {target.netloc}\r\n{_lines(tuple(step.headers.items()))}\r\n"
    return text.encode("latin-1")


@lru_cache(maxsize=64)
def _lines(headers: tuple[tuple[str, str], ...]) -> str:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header of the request has a line end in it")
    return lines


def _headers(fields: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in fields:
        key = _key(name)
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


@lru_cache(maxsize=1024)
def _key(name: bytes) -> str:
    return name.decode("latin-1").lower()
