"""Archives from clients. Members are written under names of our own, so that no name of theirs reaches the disk."""

import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cvat.embedded.errors import RefusedUpload
from cvat.embedded.images import media_type
from cvat.embedded.settings import Limits
from cvat.embedded.store import Store

#: An archive may unpack to this many bytes whatever its ratio: small files of one colour pack very well.
_HARMLESS_BYTES = 10 * 2**20


class Archive:
    """An open zip. Its members were checked: their names, and how much they unpack to."""

    def __init__(self, opened: zipfile.ZipFile, name: str, limits: Limits) -> None:
        self._opened = opened
        self._name = name
        self._limits = limits
        self._members = {member.filename: member for member in _checked(opened, name, limits)}

    @property
    def names(self) -> list[str]:
        """The files with their folders, in the order of the archive."""
        return list(self._members)

    def read(self, member: str) -> bytes:
        """A file that is read whole. Raises RefusedUpload where it is missing, too large for that, or broken."""
        info = self._members.get(member)
        if info is None:
            raise RefusedUpload(f"{self._name}: the file {member!r} is missing")
        if info.file_size > self._limits.text_bytes:
            raise RefusedUpload(
                f"{self._name}: {member!r} has {info.file_size} bytes, more than the {self._limits.text_bytes} allowed"
            )
        with _readable(self._name):
            return self._opened.read(info)

    def unpack(self, members: Iterable[str], store: Store) -> dict[str, Path]:
        """Write files to `incoming`: their places by their names. Raises RefusedUpload where one is broken; then, or
        when the disk is full, none is left there.
        """
        places: dict[str, Path] = {}
        try:
            for member in members:
                places[member] = store.incoming_file()
                with (
                    _readable(self._name),
                    self._opened.open(self._members[member]) as source,
                    places[member].open("wb") as target,
                ):
                    shutil.copyfileobj(source, target, 2**20)
        except BaseException:
            for place in places.values():
                place.unlink(missing_ok=True)
            raise
        return places


@contextmanager
def open_archive(path: Path, name: str, *, limits: Limits) -> Iterator[Archive]:
    """Open a zip. Raises RefusedUpload where it is none, unpacks to too much, or has a file outside its own folder."""
    with _readable(name):
        opened = zipfile.ZipFile(path)
    with opened:
        yield Archive(opened, name, limits)


def unpack(archive: Path, name: str, store: Store, *, limits: Limits) -> dict[str, Path]:
    """Write the images of a zip to `incoming`: their places by their names with folders. Other files are left out.

    Raises:
        RefusedUpload: it is no zip, is too large unpacked, or has a member outside its own folder.
    """
    with open_archive(archive, name, limits=limits) as opened:
        return opened.unpack((member for member in opened.names if media_type(member) is not None), store)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise RefusedUpload(f"{name}: the archive cannot be read ({error}); make it anew") from None


def _checked(opened: zipfile.ZipFile, name: str, limits: Limits) -> Iterator[zipfile.ZipInfo]:
    members = [member for member in opened.infolist() if not member.is_dir()]
    if len(members) > limits.zip_members:
        raise RefusedUpload(f"{name}: {len(members)} files are more than the {limits.zip_members} allowed; split it")
    # zipfile never gives more bytes of a member than it declares, so what is declared can be trusted here.
    packed, unpacked = (
        sum(member.compress_size for member in members),
        sum(member.file_size for member in members),
    )
    if unpacked > _HARMLESS_BYTES and unpacked > packed * limits.zip_ratio:
        raise RefusedUpload(f"{name}: {packed} bytes unpack to {unpacked}, more than {limits.zip_ratio} times as much")
    seen: set[str] = set()
    for member in members:
        _check_name(member.filename, name, seen)
        yield member


def _check_name(member: str, name: str, seen: set[str]) -> None:
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member or ":" in path.parts[0]:
        raise RefusedUpload(f"{name}: the file {member!r} would lie outside the archive's folder; rename it")
    if member in seen:
        raise RefusedUpload(f"{name}: the file {member!r} is in the archive twice; remove one")
    seen.add(member)
