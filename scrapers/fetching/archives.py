"""Archives (zip, tar and its compressed forms) unpacked without leaving their folder and within limits.

Only plain files come out: links, devices and encrypted files are refused, and so is a name that is absolute, goes up or
is there twice. What is counted is what really comes out, not what the archive says of itself.
"""

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from datasets.files import new_folder
from scrapers.errors import ArchiveRefused

_CHUNK_BYTES = 1 << 20
_FREE_BYTES = 10 * 2**20


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """The most that may come out; `max_ratio` is bytes out over the archive's size, beyond the first ten MiB."""

    max_files: int = 200_000
    max_bytes: int = 50 * 2**30
    max_ratio: float = 100.0


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    is_folder: bool
    problem: str | None
    key: zipfile.ZipInfo | tarfile.TarInfo


def unpack(archive: Path, folder: Path, *, limits: ArchiveLimits | None = None) -> None:
    """Unpack an archive to a folder, which appears when all of it is there.

    Raises:
        ArchiveRefused: no archive, a broken one, one that would leave the folder, or one that exceeds the limits.
    """
    limits = limits or ArchiveLimits()
    most = min(limits.max_bytes, _FREE_BYTES + int(limits.max_ratio * archive.stat().st_size))
    try:
        with _opened(archive) as opened, new_folder(folder) as part:
            _unpack(archive, opened, part, limits.max_files, most)
    except (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, NotImplementedError) as error:
        raise ArchiveRefused(f"{archive} is a broken archive: {error}; fetch it again") from None


def _unpack(archive: Path, opened: zipfile.ZipFile | tarfile.TarFile, part: Path, max_files: int, most: int) -> None:
    seen: set[PurePosixPath] = set()
    left = most
    for member in _members(opened):
        name = _safe_name(archive, member)
        if member.is_folder:
            continue
        if name in seen:
            raise ArchiveRefused(f"{archive} has {member.name!r} twice; which one is meant?")
        if len(seen) == max_files:
            raise ArchiveRefused(f"{archive} has more than the {max_files} files allowed")
        seen.add(name)
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with _content(opened, member) as content, path.open("xb") as file:
            left = _copy(content, file, left)
        if left < 0:
            raise ArchiveRefused(f"{archive} unpacks to more than the {most} bytes allowed for its size")


def _copy(content: IO[bytes], file: IO[bytes], left: int) -> int:
    """How many bytes are left of what may come out; negative when it was too much."""
    while left >= 0 and (chunk := content.read(_CHUNK_BYTES)):
        left -= len(chunk)
        file.write(chunk)
    return left


def _safe_name(archive: Path, member: _Member) -> PurePosixPath:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name or "\0" in member.name:
        raise ArchiveRefused(f"{archive} has {member.name!r}, which would leave its folder")
    if member.problem:
        raise ArchiveRefused(f"{archive} has {member.name!r}, which is {member.problem}")
    if not path.parts and not member.is_folder:
        raise ArchiveRefused(f"{archive} has a file without a name")
    return path


def _members(opened: zipfile.ZipFile | tarfile.TarFile) -> Iterator[_Member]:
    if isinstance(opened, tarfile.TarFile):
        for tarred in opened:
            plain = tarred.isreg() or tarred.isdir()
            yield _Member(tarred.name, tarred.isdir(), None if plain else "no plain file", tarred)
        return
    for zipped in opened.infolist():
        kind = stat.S_IFMT(zipped.external_attr >> 16)
        problem = None if kind in (0, stat.S_IFREG, stat.S_IFDIR) else "no plain file"
        yield _Member(zipped.filename, zipped.is_dir(), "encrypted" if zipped.flag_bits & 1 else problem, zipped)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield zipped
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tarred:
            yield tarred
    else:
        raise ArchiveRefused(f"{archive} is no zip or tar archive")


def _content(opened: zipfile.ZipFile | tarfile.TarFile, member: _Member) -> IO[bytes]:
    if isinstance(opened, zipfile.ZipFile):
        return opened.open(member.key)  # type: ignore[arg-type]
    content = opened.extractfile(member.key)  # type: ignore[arg-type]
    if content is None:
        raise ArchiveRefused(f"{opened.name!r} has {member.name!r}, which is no plain file")
    return content
