"""Files that are either whole or absent: written aside, synced, renamed."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from datasets.errors import BadDataset, Unavailable

MANIFEST = "manifest.json"
_FULL_BYTES = 16 * 2**20


def write_bytes(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step; what stood there before stays until then."""
    write_chunks(path, [content])


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Put the chunks, one after another, at `path` in one step."""
    with _part_of(path, Path.touch) as part:
        with part.open("wb") as handle:
            handle.writelines(chunks)
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
    sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Put `value` at `path` as indented JSON with sorted keys."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    write_bytes(path, orjson.dumps(value, option=options))


def read_json(path: Path) -> Any:
    """The JSON at `path`. Raises BadDataset when it is missing, unreadable or broken, with the place."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise BadDataset(f"{path} is not there; check the path") from None
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        offset = len(error.doc[: error.pos].encode())  # orjson counts characters
        raise BadDataset(
            f"{path} is not valid JSON at byte {offset} of {len(content)}: {error.msg}; mend the file or fetch it again"
        ) from None


def digest(value: Any) -> str:
    """SHA-256 of a JSON value's canonical form, as 64 hex digits."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def sync(path: Path) -> None:
    """Make a file's content, or the renames inside a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to fill; it takes that name, in one step, when the block ends well.

    What a killed process left of one is emptied first. When `folder` exists by then (another process made the same
    thing), it stays and the new one is dropped; but one that lacks the new one's manifest is replaced.
    """
    with _part_of(folder, _make_folder) as part:
        for left in part.iterdir():
            _remove(left)
        yield part
        for path in part.rglob("*"):
            sync(path)
        sync(part)
        if is_complete(part) and not is_complete(folder):
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            part.replace(folder)
            sync(folder.parent)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Read a file and write it anew while no other process does that, whose additions would be lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _lock(path.with_name(f".{path.name}.lock"), Path.touch)
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def _part_of(path: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    """What becomes `path`, beside it, this block's alone; removed where the block doesn't move it.

    Others who write the same wait; what a killed process left there is the next one's.
    """
    part = path.with_name(f".{path.name}.part")
    handle = _lock(part, make)
    try:
        yield part
    finally:
        if _is_at(part, handle):
            _remove(part)
        os.close(handle)


def _lock(path: Path, make: Callable[[Path], object]) -> int:
    """A handle on the file or folder at `path`, made where it is absent; others wait until it is closed."""
    while True:
        make(path)
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # whoever held it has just moved it
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_at(path, handle):
            return handle
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    """Whether what the handle is on still lies at `path`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _make_folder(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):  # mkdir's own exist_ok fails where the folder is moved meanwhile
        path.mkdir()


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_complete(folder: Path) -> bool:
    """Whether the folder's manifest, which is written last, is there."""
    return (folder / MANIFEST).is_file()


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk that `folder` is on, or would be."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


def require_space(folder: Path, *, gibibytes: float) -> None:
    """Raise Unavailable when the disk under `folder` has less than that free."""
    free = free_bytes(folder) / 2**30
    if free < gibibytes:
        raise Unavailable(
            f"{folder} has {free:.1f} GiB free and {gibibytes:g} GiB are needed; free some or choose another folder"
        )


@contextmanager
def told_when_full(folder: Path) -> Iterator[None]:
    """Blame a full disk for whatever fails in the block while the disk under `folder` is full.

    Servers and libraries that find no space fail in ways of their own. Raises Unavailable.
    """
    try:
        yield
    except Exception as error:
        if is_disk_full(error) or free_bytes(folder) < _FULL_BYTES:
            raise Unavailable(
                f"the disk under {folder} is full; free some space and run the same command again, "
                "it goes on where it was"
            ) from error
        raise


def is_disk_full(error: BaseException | None) -> bool:
    """Whether this error, or one that it came from, is a full disk: the system's word for it or SQLite's."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "database or disk is full" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
