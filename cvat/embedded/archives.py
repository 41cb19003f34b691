"""Uploaded zip archives. Members are written under names of our own, so that no name of theirs reaches the disk."""

import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cvat.embedded.errors import RefusedUpload
from cvat.embedded.images import media_type
from cvat.embedded.settings import Limits
from cvat.embedded.store import Store

#: An archive may unpack to this many bytes whatever its ratio: small files of one colour pack very well.
_HARMLESS_BYTES = 10 * 2**20


def unpack(archive: Path, name: str, store: Store, *, limits: Limits) -> dict[str, Path]:
    """Write the images of a zip to `incoming`: their places by their names with folders. Other files are left out.

    Raises:
        RefusedUpload: it is no zip, is too large unpacked, or has a member outside its own folder.
    """
    places: dict[str, Path] = {}
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in list(_checked(opened, name, limits)):
                places[member.filename] = store.incoming_file()
                _write(opened, member, places[member.filename])
            return places
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        for place in places.values():
            place.unlink(missing_ok=True)
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
        if media_type(member.filename) is not None:
            yield member


def _check_name(member: str, name: str, seen: set[str]) -> None:
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member or ":" in path.parts[0]:
        raise RefusedUpload(f"{name}: the file {member!r} would lie outside the archive's folder; rename it")
    if member in seen:
        raise RefusedUpload(f"{name}: the file {member!r} is in the archive twice; remove one")
    seen.add(member)


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    with opened.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)
