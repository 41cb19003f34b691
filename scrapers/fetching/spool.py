"""What has arrived lately, on disk: after a SIGKILL nothing that had arrived is asked for again.

A sink writes many images together, so those of the last moments are lost with its process. A spool keeps the last
`REMEMBERED` to twice as many, in two files that take turns, as records of a length, a head (msgpack) and the content.
What is written so outlives the process, not a power cut: a record whose content is not what its head says is skipped.
"""

import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from scrapers.fetching.answers import Answer

REMEMBERED = 512
"""A sink has to make what it was given durable before so many more come."""
_AGE_S = 24 * 3600.0


class _Head(msgspec.Struct, array_like=True):
    url: str
    final_url: str
    status: int
    headers: dict[str, str]
    robots: str
    tries: int
    crc32: int
    size: int


class Spool:
    """The spool in a folder, for one transfer at a time; what an earlier one left there is `take`n from it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = (folder / "arrived.0", folder / "arrived.1")
        folder.mkdir(parents=True, exist_ok=True)
        self._left: dict[str, tuple[Path, int, _Head]] = {}
        self._written, self._turn = 0, 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """What earlier processes left is put aside, where it stays until a transfer ends well."""
        for path in self._paths:
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
        if self._file:
            self._file.close()
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

    def keep(self, answer: Answer) -> None:
        """Remember what has arrived for a while."""
        if self._file is None or self._written >= REMEMBERED:
            self._next_file()
        head = msgspec.msgpack.encode(
            _Head(
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
        if self._file is not None:
            os.writev(self._file.fileno(), [len(head).to_bytes(4, "big"), head, answer.content])
        self._written += 1

    def _next_file(self) -> None:
        if self._file:
            self._file.close()
            self._turn = 1 - self._turn
        self._file, self._written = self._paths[self._turn].open("wb", buffering=0), 0


def _heads(path: Path) -> Iterator[tuple[_Head, int]]:
    """The heads of the whole records, and where their contents begin."""
    end = path.stat().st_size
    with path.open("rb") as file:
        while size := int.from_bytes(file.read(4), "big"):
            try:
                head = msgspec.msgpack.decode(file.read(size), type=_Head)
            except msgspec.MsgspecError:
                return
            at = file.tell()
            if at + head.size > end:
                return
            yield head, at
            file.seek(at + head.size)
