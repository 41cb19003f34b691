"""The network of a transfer in a process of its own, all the time.

It takes 0.2 s to start, and pays from about two thousand images on: then one core reads, hashes and looks at
headers while another one keeps. Between the two go heads alone; the contents lie in the spool's files. It begins
nothing while too much that came has not been taken, so memory stays flat. The paces of hosts are there: a page that is
read here asks for its turn.
"""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from datasets.errors import Unavailable
from scrapers.errors import FetchFailed, FetchRefused
from scrapers.fetching.addresses import Target
from scrapers.fetching.answers import Answer, Wanted
from scrapers.fetching.links import Seen
from scrapers.fetching.messages import Granted, Head, Order, PageAsked, PageEnded, Start, Taken, packed, read_frame
from scrapers.fetching.pace import Pace
from scrapers.fetching.visits import World

_TOLD_EVERY = 64
_KEEP_FREED = {"MALLOC_TRIM_THRESHOLD_": str(2**24), "MALLOC_TOP_PAD_": str(2**20)}
"""glibc keeps this much of freed memory: else it gives back each body's, and the next one's pages are made anew."""
_HEADS = msgspec.msgpack.Decoder(list[Head | Granted])


class Apart:
    """The network in a process of its own, which ends when this one does.

    Raises Unavailable when it ends before, or the OSError that ended it: a full disk.
    """

    def __init__(self, world: World, spool: Path) -> None:
        self._world, self._spool = world, spool
        self._wanted: dict[int, Wanted] = {}
        self._heads: deque[Head] = deque()
        self._next = self._taken = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", "from scrapers.fetching.serving import serve; serve()", str(self._spool)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1 << 18, env={**_KEEP_FREED, **os.environ}
        )
        self._write(packed(Start(self._world.settings, self._world.paces)))
        self._world.elsewhere = self._wait_for_turn
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._world.elsewhere = None
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.__exit__(kind, error, trace)

    def add(self, wanted: Sequence[Wanted]) -> None:
        orders = []
        for one in wanted:
            self._wanted[self._next] = one
            orders.append(Order(self._next, one.url, one.etag, one.last_modified))
            self._next += 1
        self._write(packed(orders))

    def next(self) -> Seen:
        while not self._heads:
            self._read()
        head = self._heads.popleft()
        seen = self._seen(self._wanted.pop(head.number), head)
        self._taken += 1
        if self._taken == _TOLD_EVERY:
            self._write(packed([Taken(self._taken)]))
            self._taken = 0
        return seen

    def _seen(self, wanted: Wanted, head: Head) -> Seen:
        if head.failure is not None:
            kind = FetchRefused if head.is_refused else FetchFailed
            return wanted, kind(head.failure, status=head.status, tries=head.tries), None, ""
        answer = Answer(wanted.url, head.final_url, head.status or 0, head.headers, b"", head.robots, head.tries)
        return wanted, answer, FetchRefused(head.unfit) if head.unfit else head.image, head.path

    def _wait_for_turn(self, target: Target, pace: Pace) -> "FarPace":
        """Until a page may be read; what images come meanwhile is kept in mind."""
        self._write(packed([PageAsked(target.url, pace.gap_s)]))
        while not self._read():
            pass
        return FarPace(self, target.url)

    def end_page(self, ended: PageEnded) -> None:
        self._write(packed([ended]))

    def _read(self) -> bool:
        """Something more that the other process says; whether a page has been granted."""
        content = read_frame(_stream(self._process.stdout))
        try:
            messages = _HEADS.decode(content)
        except msgspec.MsgspecError:
            raise self._end() from None
        self._heads.extend(message for message in messages if isinstance(message, Head))
        return any(isinstance(message, Granted) for message in messages)

    def _write(self, frame: bytes) -> None:
        stream = _stream(self._process.stdin)
        try:
            stream.write(frame)
            stream.flush()
        except BrokenPipeError:
            raise self._end() from None

    def _end(self) -> Exception:
        """Why the process has ended; its exit code is the number of the OSError that it met."""
        code = self._process.wait()
        if code > 1:
            return OSError(code, os.strerror(code), os.fspath(self._spool))
        return Unavailable("the process that reads the network has ended; run the same command again, it goes on")


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise Unavailable("the process that reads the network has not begun")
    return stream


@dataclass(frozen=True, slots=True)
class FarPace:
    """A host's pace that the other process has, for one page that it granted."""

    apart: Apart
    url: str

    def begin(self, now: float) -> None:
        """It has begun there."""

    def end(self, now: float, *, took_s: float, is_trouble: bool, retry_after_s: float | None = None) -> None:
        self.apart.end_page(PageEnded(self.url, took_s, is_trouble, retry_after_s))
