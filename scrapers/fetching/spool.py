"""What has arrived lately, on disk: after a SIGKILL nothing that had arrived is asked for again.

Each image that arrives is written once, to a file of the spool's folder, from which the sink may move it to its place.
A sink makes many durable together, so those of the last moments are not noted when its process ends: what was said of
the last `REMEMBERED` to twice as many is kept in two files that take turns and are written over, as records of a length
and a head (msgpack). Each turn has a number, which its records bear, so that what is left of an earlier turn is not
read. What is written so outlives the process, not a power cut: an image that is not what its head says is skipped.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from datasets.store import StoredImage
from scrapers.errors import FetchRefused
from scrapers.fetching.answers import Answer

REMEMBERED = 1024
UNTAKEN = REMEMBERED // 2
"""So many may be on their way to the sink, beside those that were asked for; as many it may hold before it has made
them durable."""
_AGE_S = 24 * 3600.0
_LOG = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC

Taken = tuple[Answer, StoredImage | FetchRefused | None, str]
"""What had arrived: the answer without its content, the image or why it is none, and the path of its file."""


class _Head(msgspec.Struct, array_like=True):
    turn: int
    url: str
    final_url: str
    status: int
    headers: dict[str, str]
    robots: str
    tries: int
    name: str
    image: StoredImage | None
    unfit: str | None


class Spool:
    """Writes the spool in a folder, which has none yet or has been `Left` by another transfer."""

    def __init__(self, folder: Path, *, at_once: int) -> None:
        self._folder, self._most = os.fspath(folder), REMEMBERED + at_once
        self._logs = [os.open(path, _LOG, 0o644) for path in _log_paths(folder)]
        self._turn, self._written, self._at = time.time_ns(), self._most, 0

    def close(self) -> None:
        for log in self._logs:
            os.close(log)

    def keep(self, answer: Answer, image: StoredImage | FetchRefused | None) -> str:
        """Remember what has arrived for a while; returns the path of an image's file. Raises OSError on a full disk."""
        if self._written >= self._most:
            self._next_turn()
        self._written += 1
        name = path = ""
        if isinstance(image, StoredImage):
            name = f"{self._turn}.{self._written}"
            path = f"{self._folder}/{name}"
            _write(path, answer.content)
        head = self._encode(answer, image, name)
        self._at += os.pwrite(self._logs[self._turn % 2], len(head).to_bytes(4, "big") + head, self._at)
        return path

    def _encode(self, answer: Answer, image: StoredImage | FetchRefused | None, name: str) -> bytes:
        return msgspec.msgpack.encode(
            _Head(
                self._turn,
                answer.url,
                answer.final_url,
                answer.status,
                dict(answer.headers),
                answer.robots,
                answer.tries,
                name,
                image if isinstance(image, StoredImage) else None,
                str(image) if isinstance(image, FetchRefused) else None,
            )
        )

    def _next_turn(self) -> None:
        """Write over the older turn, after removing what the sink has left of it."""
        self._turn += 1
        for path in Path(self._folder).glob(f"{self._turn - 2}.*"):
            path.unlink(missing_ok=True)
        self._written = 0
        self._at = os.pwrite(self._logs[self._turn % 2], self._turn.to_bytes(8, "big"), 0)


class Left:
    """What an earlier transfer left in a folder, to be `take`n; it stays there until a transfer ends well.

    `find` tells where an image lies that had been moved to its place.
    """

    def __init__(self, folder: Path, find: Callable[[str], Path | None] = lambda file_name: None) -> None:
        self._folder, self._find = folder, find
        self._left: dict[str, _Head] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in _log_paths(self._folder):
            if path.exists():
                path.replace(self._folder / f"left.{time.time_ns()}")
        for path in sorted(self._folder.glob("left.*")):
            heads = {head.url: head for head in _heads(path)}
            if path.stat().st_mtime < time.time() - _AGE_S:
                path.unlink()
                self._remove(heads.values())
            else:
                self._left |= heads
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._remove(self._left.values())
            for path in self._folder.glob("left.*"):
                path.unlink()

    def take(self, url: str) -> Taken | None:
        """What arrived from an address before this process, if it is still there and whole."""
        head = self._left.pop(url, None)
        if head is None or not (head.image is None or self._is_there(head.name, head.image)):
            return None
        answer = Answer(url, head.final_url, head.status, head.headers, b"", head.robots, head.tries)
        unfit = FetchRefused(head.unfit) if head.unfit else None
        return answer, head.image or unfit, str(self._folder / head.name) if head.image else ""

    def _is_there(self, name: str, image: StoredImage) -> bool:
        path = self._folder / name
        if not path.exists() and (place := self._find(image.file_name)):
            shutil.copyfile(place, path)
        return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == image.sha256

    def _remove(self, heads: Iterable[_Head]) -> None:
        for head in heads:
            if head.name:
                (self._folder / head.name).unlink(missing_ok=True)


def _log_paths(folder: Path) -> tuple[Path, Path]:
    """The files that take turns."""
    return folder / "arrived.0", folder / "arrived.1"


def _write(path: str, content: bytes) -> None:
    file = os.open(path, _NEW, 0o666)
    try:
        written = os.write(file, content)
        while written < len(content):
            written += os.write(file, memoryview(content)[written:])
    finally:
        os.close(file)


def _heads(path: Path) -> Iterator[_Head]:
    """The whole records of the last turn."""
    with path.open("rb") as file:
        turn = int.from_bytes(file.read(8), "big")
        while size := int.from_bytes(file.read(4), "big"):
            try:
                head = msgspec.msgpack.decode(file.read(size), type=_Head)
            except msgspec.MsgspecError:
                return
            if head.turn != turn:
                return
            yield head
