"""The two ways to a network: in this thread, whenever it waits, or in a process of its own, all the time.

A process of its own takes a second to start, and pays from some thousands of images on: then one core reads while
another one keeps. Its loop stands still while nobody takes what came, so memory stays flat.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Protocol, Self

import msgspec

from datasets.errors import Unavailable
from scrapers.errors import FetchFailed, FetchRefused
from scrapers.fetching.answers import Answer, Wanted
from scrapers.fetching.network import Came, Network
from scrapers.fetching.visits import World
from scrapers.settings import FetchSettings


class Link(Protocol):
    """What a transfer needs of a network."""

    def add(self, wanted: Sequence[Wanted]) -> None: ...

    def next(self) -> Came:
        """What came of one more address, when it has come."""


class Near:
    """The network in this thread: it goes on while `next` waits. `keep` is told of each answer at once."""

    def __init__(self, world: World, keep: Callable[[Answer], None]) -> None:
        self._world, self._keep = world, keep
        self._came: deque[Came] = deque()
        self._loop = asyncio.new_event_loop()
        self._is_open = True

    def __enter__(self) -> Self:
        self._network = self._loop.run_until_complete(self._open())
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_open = False
        self._loop.run_until_complete(self._network.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def add(self, wanted: Sequence[Wanted]) -> None:
        self._network.add(wanted)

    def next(self) -> Came:
        while not self._came:
            self._loop.run_forever()
        return self._came.popleft()

    async def _open(self) -> Network:
        return Network(self._world, self._put)

    def _put(self, came: Came) -> None:
        if isinstance(came[1], Answer):
            self._keep(came[1])
        self._came.append(came)
        if self._is_open:  # what still comes while the network closes must not stop that
            self._loop.stop()


class _Head(msgspec.Struct, array_like=True):
    """What came of one address, ahead of its content; `failure` is why there is no answer."""

    number: int
    size: int = 0
    final_url: str = ""
    status: int | None = None
    headers: dict[str, str] = {}
    robots: str = ""
    tries: int = 0
    failure: str | None = None
    is_refused: bool = False


class _Order(msgspec.Struct, array_like=True):
    number: int
    url: str
    etag: str | None
    last_modified: str | None


class Apart:
    """The network in a process of its own, which ends when this one does. Raises Unavailable when it ends before."""

    def __init__(self, settings: FetchSettings, keep: Callable[[Answer], None]) -> None:
        self._settings, self._keep = settings, keep
        self._wanted: dict[int, Wanted] = {}
        self._next = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", "from scrapers.fetching.links import serve; serve()"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1 << 18)
        self._write(self._settings.model_dump_json().encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.__exit__(kind, error, trace)

    def add(self, wanted: Sequence[Wanted]) -> None:
        orders = []
        for one in wanted:
            self._wanted[self._next] = one
            orders.append(_Order(self._next, one.url, one.etag, one.last_modified))
            self._next += 1
        self._write(msgspec.msgpack.encode(orders))

    def next(self) -> Came:
        size = int.from_bytes(self._read(4), "big")
        head = msgspec.msgpack.decode(self._read(size), type=_Head)
        content = self._read(head.size)
        wanted = self._wanted.pop(head.number)
        if head.failure is not None:
            kind = FetchRefused if head.is_refused else FetchFailed
            return wanted, kind(head.failure, status=head.status, tries=head.tries)
        status = head.status or 0
        answer = Answer(wanted.url, head.final_url, status, head.headers, content, head.robots, head.tries)
        self._keep(answer)
        return wanted, answer

    def _read(self, size: int) -> bytes:
        content = _stream(self._process.stdout).read(size)
        if len(content) < size:
            raise Unavailable("the process that reads the network has ended; run the same command again, it goes on")
        return content

    def _write(self, frame: bytes) -> None:
        stream = _stream(self._process.stdin)
        try:
            stream.write(len(frame).to_bytes(4, "big") + frame)
            stream.flush()
        except BrokenPipeError:
            raise Unavailable("the process that reads the network has ended; run the same command again") from None


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise Unavailable("the process that reads the network has not begun")
    return stream


def serve() -> None:
    """The process of its own: settings, then orders come in on stdin; what came goes out on stdout."""
    settings = FetchSettings.model_validate_json(_frame())

    def put(came: Came) -> None:
        wanted, answer = came
        content = answer.content if isinstance(answer, Answer) else b""
        head = msgspec.msgpack.encode(_head(wanted.tag, answer, len(content)))
        _write_all(len(head).to_bytes(4, "big") + head + content)

    async def main() -> None:
        network = Network(World(settings), put)
        threading.Thread(target=_take_orders, args=[asyncio.get_running_loop(), network], daemon=True).start()
        await asyncio.Event().wait()

    asyncio.run(main())


def _take_orders(loop: asyncio.AbstractEventLoop, network: Network) -> None:
    while frame := _frame():
        orders = msgspec.msgpack.decode(frame, type=list[_Order])
        wanted = [Wanted(order.url, order.etag, order.last_modified, order.number) for order in orders]
        loop.call_soon_threadsafe(network.add, wanted)
    os._exit(0)  # the parent has ended


def _head(number: Any, answer: Answer | FetchFailed, size: int) -> _Head:
    if isinstance(answer, FetchFailed):
        is_refused = isinstance(answer, FetchRefused)
        failure = str(answer)
        return _Head(number, 0, status=answer.status, tries=answer.tries, failure=failure, is_refused=is_refused)
    headers = dict(answer.headers)
    return _Head(number, size, answer.final_url, answer.status, headers, answer.robots, answer.tries)


def _frame() -> bytes:
    return sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(4), "big"))


def _write_all(frame: bytes) -> None:
    """Wait until the other process takes it: meanwhile nothing more is read from the network."""
    view = memoryview(frame)
    while view:
        view = view[os.write(1, view) :]
