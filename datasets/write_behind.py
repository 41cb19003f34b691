"""Many files made durable together: written aside, synced by one barrier, then renamed.

A file on its own costs an fsync of its content and one of its folder. Here up to `FILES` files, or `BYTES` bytes of
those that are written, share one barrier: `syncfs` on Linux, an fsync of each file elsewhere. The sizes of files that
are moved are not asked for, which would cost more than to move them.
"""

import ctypes
import errno
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from datasets.files import sync

# Paths are plain strings here: to make a Path of each costs more than to write a small file.
# ruff: noqa: PTH103, PTH105, PTH110, PTH116, PTH120

FILES = 512
BYTES = 256 * 2**20
_ASIDE = ".incoming"


class WriteBehind:
    """Files under way to their places; `aside` is a folder on the same disk."""

    def __init__(self, aside: Path) -> None:
        self._aside = aside
        self._device = aside.stat().st_dev
        self._is_near: dict[str, bool] = {}  # by folder: whether its files can be moved here
        self._places: dict[str, str] = {}
        self._bytes = 0

    def write(self, path: str | Path, content: bytes) -> None:
        """Put `content` at `path` some time soon; a file that is there already, or under way to there, stays."""
        place = os.fspath(path)
        if not self._is_there(place):
            part = f"{self._aside}/{len(self._places)}"
            Path(part).write_bytes(content)
            self._add(place, part, len(content))

    def move(self, path: str | Path, source: str) -> None:
        """Put the file `source` at `path` soon, in place of what is there; from another disk as `write` does."""
        folder = source.rpartition("/")[0]
        is_near = self._is_near.get(folder)
        if is_near is None:
            is_near = self._is_near[folder] = os.stat(folder or ".").st_dev == self._device
        if is_near:
            self._add(os.fspath(path), source, 0)
        else:
            self.write(path, Path(source).read_bytes())

    def flush(self) -> None:
        """Put everything at its place: whole, and durable before it can be seen there."""
        make_durable(self._aside, map(Path, self._places.values()))
        for place, part in self._places.items():
            self._put(part, place)
        make_durable(self._aside, (above for place in self._places for above in Path(place).parents[:3]))
        self._places, self._bytes = {}, 0

    def _put(self, part: str, place: str) -> None:
        try:
            _rename(part, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._is_near[part.rpartition("/")[0]] = False  # two mounts of one disk: what comes is copied at once
            copy = f"{self._aside}/copy"
            shutil.copyfile(part, copy)
            sync(Path(copy))
            _rename(copy, place)

    def _is_there(self, place: str) -> bool:
        return place in self._places or os.path.exists(place)

    def _add(self, place: str, part: str, size: int) -> None:
        self._places[place] = part
        self._bytes += size
        if len(self._places) >= FILES or self._bytes >= BYTES:
            self.flush()


def _rename(part: str, place: str) -> None:
    try:
        os.replace(part, place)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.replace(part, place)


@contextmanager
def write_behind(root: Path) -> Iterator[WriteBehind]:
    """A writer of files below `root`, all in place when the block ends, however it ends.

    What processes killed before have left aside is removed first; what others are writing now is left alone.
    """
    aside = root / _ASIDE
    aside.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _locked(aside):
            _remove_abandoned(aside)
            folder = Path(tempfile.mkdtemp(dir=aside))
            stack.enter_context(_locked(folder))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        files = WriteBehind(folder)
        stack.callback(files.flush)
        yield files


def _remove_abandoned(aside: Path) -> None:
    """Remove the folders that no living process holds a lock on."""
    for folder in aside.iterdir():
        with suppress(BlockingIOError, FileNotFoundError), _locked(folder, wait=False):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock that ends with the process. Raises BlockingIOError when not to wait and another one holds it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def make_durable(anywhere: Path, paths: Iterable[Path]) -> None:
    """Make what was written to these files and folders durable; `anywhere` is a place on their disk."""
    if sys.platform == "linux":
        handle = os.open(anywhere, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(handle) == 0:
                return
        finally:
            os.close(handle)
    for path in set(paths):
        sync(path)
