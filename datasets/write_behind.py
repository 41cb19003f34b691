"""Many files made durable together: written aside, synced by one barrier, then renamed.

A file on its own costs an fsync of its content and one of its folder. Here up to `FILES` files, or `BYTES` bytes, share
one barrier: `syncfs` on Linux, an fsync of each file elsewhere.
"""

import ctypes
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from datasets.files import sync

FILES = 512
BYTES = 256 * 2**20
_ASIDE = ".incoming"


class WriteBehind:
    """Files under way to their places; `aside` is a folder on the same disk."""

    def __init__(self, aside: Path) -> None:
        self._aside = aside
        self._places: dict[Path, Path] = {}
        self._bytes = 0

    def write(self, path: Path, content: bytes) -> None:
        """Put `content` at `path` some time soon; a file that is there already, or under way to there, stays."""
        if path in self._places or path.exists():
            return
        part = self._aside / str(len(self._places))
        part.write_bytes(content)
        self._places[path] = part
        self._bytes += len(content)
        if len(self._places) >= FILES or self._bytes >= BYTES:
            self.flush()

    def flush(self) -> None:
        """Put everything at its place: whole, and durable before it can be seen there."""
        folders = {path.parent for path in self._places}
        make_durable(self._aside, self._places.values())
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for path, part in self._places.items():
            part.replace(path)
        make_durable(self._aside, {above for folder in folders for above in (folder, *folder.parents[:2])})
        self._places, self._bytes = {}, 0


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
    for path in paths:
        sync(path)
