"""What an import reads: the files of an archive, or the one file that was sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from zipfile import is_zipfile

from cvat.embedded.archives import open_archive
from cvat.embedded.errors import RefusedImport
from cvat.embedded.settings import Limits

#: Images by name, in order, with the number that the file gives them, if it does.
Images = dict[str, int | None]


class Files(Protocol):
    """Files by their names, with folders."""

    @property
    def names(self) -> list[str]:
        """All there are."""

    def read(self, member: str) -> bytes:
        """The content of one."""


class OneFile:
    """A file that is no archive."""

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self._path = path
        self._name = name
        self._limits = limits

    @property
    def names(self) -> list[str]:
        """Its name."""
        return [self._name]

    def read(self, _member: str) -> bytes:
        """Its content. Raises RefusedImport where it is too large."""
        if self._path.stat().st_size > self._limits.text_bytes:
            raise RefusedImport(f"{self._name}: more than {self._limits.text_bytes} bytes; split it")
        return self._path.read_bytes()


@contextmanager
def open_files(path: Path, name: str, limits: Limits) -> Iterator[Files]:
    """The files in what was sent. Raises RefusedUpload for an archive that is broken, or too large unpacked."""
    if is_zipfile(path):
        with open_archive(path, name, limits=limits) as archive:
            yield archive
    else:
        yield OneFile(path, name, limits)
