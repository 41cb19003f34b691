"""What has arrived lately, on disk: after a SIGKILL nothing that had arrived is asked for again.

A sink writes many images together, so those of the last moments are lost with its process. A spool keeps the last
`REMEMBERED` to twice as many, in two files that take turns and are written over, as records of a length, a head
(msgpack) and the content. Each turn has a number, which its records bear, so that what is left of an earlier turn is
not read. What is written so outlives the process, not a power cut: a record whose content is not what its head says is
skipped.
"""

import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from scrapers.fetching.answers import Answer

REMEMBERED = 1024
UNTAKEN = REMEMBERED // 2
"""So many may be on their way to the sink, beside those that were asked for; as many it may hold before it has made
them durable."""
_AGE_S = 24 * 3600.0
_BIG_BYTES = 1 << 28
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class _Head(msgspec.Struct, array_like=True):
    turn: int
    url: str
    final_url: str
    status: int
    headers: dict[str, str]
    robots: str
    tries: int
    crc32: int
    size: int


def spool_paths(folder: Path) -> tuple[Path, Path]:
    """The files that take turns."""
    return folder / "arrived.0", folder / "arrived.1"


class Spool:
    """Writes the spool in a folder, which has none yet or has been `Left` by another transfer."""

    def __init__(self, folder: Path, *, at_once: int) -> None:
        self._most = REMEMBERED + at_once
        self._files = [os.open(path, _FLAGS, 0o644) for path in spool_paths(folder)]
        self._turn, self._written, self._at = time.time_ns(), self._most, 0

    def close(self) -> None:
        for file in self._files:
            os.close(file)

    def keep(self, answer: Answer) -> tuple[int, int]:
        """Remember what has arrived for a while; returns in which file its content is, and where."""
        if self._written >= self._most:
            self._next_turn()
        head = self._encode(answer)
        which = self._turn % 2
        begin = self._at + 4 + len(head)
        self._put(which, [len(head).to_bytes(4, "big"), head, answer.content], end=begin + len(answer.content))
        self._written += 1
        return which, begin

    def _put(self, which: int, parts: list[bytes], *, end: int) -> None:
        """Raises OSError when the disk is full."""
        written = os.pwritev(self._files[which], parts, self._at)
        if written < end - self._at:
            os.pwrite(self._files[which], b"".join(parts)[written:], self._at + written)
        self._at = end

    def _encode(self, answer: Answer) -> bytes:
        return msgspec.msgpack.encode(
            _Head(
                self._turn,
                answer.url,
                answer.final_url,
                answer.status,
                dict(answer.headers),
                answer.robots,
                answer.tries,
                zlib.crc32(answer.content),
                len(answer.content),
            )
        )

    def _next_turn(self) -> None:
        self._turn += 1
        self._at = self._written = 0
        file = self._files[self._turn % 2]
        if os.fstat(file).st_size > _BIG_BYTES:
            os.ftruncate(file, 0)
        self._put(self._turn % 2, [self._turn.to_bytes(8, "big")], end=8)


class Left:
    """What an earlier transfer left in a folder, to be `take`n; it stays there until a transfer ends well."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left: dict[str, tuple[Path, int, _Head]] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in spool_paths(self._folder):
            if path.exists():
                path.replace(self._folder / f"left.{time.time_ns()}")
        for path in sorted(self._folder.glob("left.*")):
            if path.stat().st_mtime < time.time() - _AGE_S:
                path.unlink()
                continue
            self._left |= {head.url: (path, at, head) for head, at in _heads(path)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            for path in self._folder.glob("left.*"):
                path.unlink()

    def take(self, url: str) -> Answer | None:
        """What arrived from an address before this process, if it is still there and whole."""
        if url not in self._left:
            return None
        path, at, head = self._left.pop(url)
        with path.open("rb") as file:
            file.seek(at)
            content = file.read(head.size)
        if zlib.crc32(content) != head.crc32:
            return None
        return Answer(url, head.final_url, head.status, head.headers, content, head.robots, head.tries)


def _heads(path: Path) -> Iterator[tuple[_Head, int]]:
    """The heads of the whole records of the last turn, and where their contents begin."""
    end = path.stat().st_size
    with path.open("rb") as file:
        turn = int.from_bytes(file.read(8), "big")
        while size := int.from_bytes(file.read(4), "big"):
            try:
                head = msgspec.msgpack.decode(file.read(min(size, end)), type=_Head)
            except msgspec.MsgspecError:
                return
            at = file.tell()
            if head.turn != turn or at + head.size > end:
                return
            yield head, at
            file.seek(at + head.size)
