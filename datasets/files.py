"""Files that are either whole or absent: written aside, synced, renamed."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as handle:
            handle.writelines(chunks)
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
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

    A folder left half-filled by a killed process is removed first. When `folder` exists by then (another process made
    the same thing), it stays and the new one is dropped; but one that lacks the new one's manifest is replaced.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        for path in part.rglob("*"):
            sync(path)
        sync(part)
        if is_complete(part) and not is_complete(folder):
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            part.replace(folder)
            sync(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


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
