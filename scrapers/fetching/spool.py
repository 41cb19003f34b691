"""What has arrived lately, on disk: after a SIGKILL no image that had arrived is asked for again.

Each image that arrives is written once, to a file of the spool's folder, from which the sink may move it to its place.
A sink makes many durable together, so those of the last moments are not noted when its process ends: what was said of
the last `REMEMBERED` to twice as many is kept in two files that take turns and begin anew, as records of a length and a
head (msgpack). What is written so outlives the process, not a power cut: an image that is not what its head says is
skipped. Only images are remembered: whether another answer is refused for good depends on the settings.
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

from datasets.stored_image import StoredImage
from scrapers.fetching.answers import Answer

REMEMBERED = 1024
UNTAKEN = REMEMBERED // 2
"""So many may be on their way to the sink, beside those that were asked for; as many it may hold before it has made
them durable."""
_AGE_S = 24 * 3600.0
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC

Taken = tuple[Answer, StoredImage, str]
"""What had arrived: the answer without its content, the image and the path of its file."""


class _Head(msgspec.Struct, array_like=True):
    url: str
    final_url: str
    status: int
    headers: dict[str, str]
    robots: str
    tries: int
    name: str
    image: StoredImage


class Spool:
    """Writes the spool in a folder, which has none yet or has been `Left` by another transfer."""

    def __init__(self, folder: Path, *, at_once: int) -> None:
        self._folder, self._most = os.fspath(folder), REMEMBERED + at_once
        self._handle = os.open(folder, os.O_RDONLY)
        self._logs = _log_paths(folder)
        self._turn, self._written = time.time_ns(), 0
        self._log = self._open_log()

    def close(self) -> None:
        os.close(self._log)
        os.close(self._handle)

    def keep(self, answer: Answer, image: StoredImage) -> str:
        """Remember an image for a while; returns the path of its file. Raises OSError on a full disk."""
        if self._written >= self._most:
            self._next_turn()
        self._written += 1
        name = f"{self._turn}.{self._written}"
        file = os.open(name, _NEW, 0o666, dir_fd=self._handle)
        try:
            _write(file, answer.content)
        finally:
            os.close(file)
        _write(self._log, _encode(answer, image, name))
        return f"{self._folder}/{name}"

    def _open_log(self) -> int:
        return os.open(self._logs[self._turn % 2], _NEW, 0o644)

    def _next_turn(self) -> None:
        """Begin the older log anew, after removing what the sink has left of its images."""
        self._turn += 1
        for path in Path(self._folder).glob(f"{self._turn - 2}.*"):
            path.unlink(missing_ok=True)
        self._written = 0
        older, self._log = self._log, self._open_log()
        os.close(older)


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
                self._remove(heads.values())
                path.unlink()
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
        if head is None or not self._is_there(head.name, head.image):
            return None
        answer = Answer(url, head.final_url, head.status, head.headers, b"", head.robots, head.tries)
        return answer, head.image, str(self._folder / head.name)

    def _is_there(self, name: str, image: StoredImage) -> bool:
        path = self._folder / name
        if not path.exists() and (place := self._find(image.file_name)):
            shutil.copyfile(place, path)
        return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == image.sha256

    def _remove(self, heads: Iterable[_Head]) -> None:
        for head in heads:
            (self._folder / head.name).unlink(missing_ok=True)


def _log_paths(folder: Path) -> tuple[Path, Path]:
    """The files that take turns."""
    return folder / "arrived.0", folder / "arrived.1"


def _encode(answer: Answer, image: StoredImage, name: str) -> bytes:
    headers = dict(answer.headers)
    head = msgspec.msgpack.encode(
        _Head(answer.url, answer.final_url, answer.status, headers, answer.robots, answer.tries, name, image)
    )
    return len(head).to_bytes(4, "big") + head


def _write(file: int, content: bytes) -> None:
    written = os.write(file, content)
    while written < len(content):
        written += os.write(file, memoryview(content)[written:])


def _heads(path: Path) -> Iterator[_Head]:
    """The whole records; a power cut may leave anything behind them."""
    content, at = path.read_bytes(), 0
    while size := int.from_bytes(content[at : at + 4], "big"):
        try:
            head = msgspec.msgpack.decode(content[at + 4 : at + 4 + size], type=_Head)
        except msgspec.MsgspecError:
            return
        at += 4 + size
        yield head
