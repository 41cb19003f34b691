"""Where backups lie: a folder, or any place that fsspec reaches. A backup is a list of files by content.

objects/ab/<sha256>          files by content, each once however many backups have it
backups/<UTC time>.json      what a backup has, written last: path, SHA-256 and size of each file
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import msgspec
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]
from msgspec import Struct

from datasets.errors import BadDataset, BadInput, Unavailable
from datasets.files import write_bytes
from datasets.write_behind import write_behind

_FORM = 1


class Held(Struct, frozen=True):
    """A file of a backup."""

    sha256: str
    bytes: int


class Backup(Struct, frozen=True):
    """What was backed up: files by their path in the home, and where that home was."""

    form: int
    at: str
    project: str
    home: str
    files: dict[str, Held]
    notes: list[str] = []

    @property
    def bytes(self) -> int:
        return sum(held.bytes for held in self.files.values())


class Vault:
    """One place of backups."""

    def __init__(self, address: str) -> None:
        """Raises BadInput for an address that fsspec cannot use."""
        self.address = address
        try:
            self._files, root = fsspec.core.url_to_fs(address.rstrip("/"))
        except (ImportError, ValueError) as error:
            raise BadInput(f"{address} cannot be used for backups: {error}; install what it needs") from None
        self._root = root.rstrip("/")

    def names(self) -> list[str]:
        """The backups there are, oldest first."""
        with self._telling():
            found = self._find("backups")
            return sorted(Path(path).stem for path in found if path.endswith(".json"))

    def read(self, name: str) -> Backup:
        """A backup by its name. Raises BadDataset when there is none, or none of this form."""
        path = f"{self._root}/backups/{name}.json"
        try:
            with self._telling():
                content = self._files.cat_file(path)
        except FileNotFoundError:
            told = ", ".join(self.names()) or "none"
            raise BadDataset(f"{self.address} has no backup {name}; there are {told}") from None
        try:
            backup = msgspec.json.decode(content, type=Backup)
        except msgspec.DecodeError as error:
            raise BadDataset(f"{path} is no backup: {error}; take another one of {', '.join(self.names())}") from None
        if backup.form != _FORM:
            raise BadDataset(f"{path} has form {backup.form}, this Carloop reads {_FORM}; use the one that made it")
        return backup

    def keep(self, files: Mapping[str, Path]) -> dict[str, Held]:
        """Keep these files' contents; what is there already is not sent again. A file that is gone is left out."""
        with self._telling():
            there = {Path(path).name: size for path, size in self._find("objects").items()}
            with self._writer() as write:
                found = {name: _keep(path, there, write) for name, path in files.items()}
        return {name: held for name, held in found.items() if held}

    def write(self, name: str, backup: Backup) -> None:
        """Say that a backup is whole."""
        content = msgspec.json.format(msgspec.json.encode(backup), indent=1)
        with self._telling():
            self._put(f"{self._root}/backups/{name}.json", content)

    def fetch(self, held: Held, target: Path) -> None:
        """Write a kept content to a file. Raises BadDataset when it is absent, or is not what was kept."""
        content = self.read_content(held)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def read_content(self, held: Held) -> bytes:
        """A kept content. Raises BadDataset when it is absent, or is not what was kept."""
        path = f"{self._root}/objects/{held.sha256[:2]}/{held.sha256}"
        try:
            with self._telling():
                content: bytes = self._files.cat_file(path)
        except FileNotFoundError:
            raise BadDataset(f"{path} is missing; restore an earlier backup") from None
        if (found := hashlib.sha256(content).hexdigest()) != held.sha256:
            raise BadDataset(f"{path} is not what was kept: its SHA-256 is {found}; restore an earlier backup")
        return content

    def forget(self, *, keep: int) -> list[str]:
        """Remove all but the newest `keep`, 1 or more, then the contents that none of those has; gives the names."""
        names = self.names()
        gone, kept = names[:-keep], names[-keep:]
        if not gone:
            return []
        wanted = {held.sha256 for name in kept for held in self.read(name).files.values()}
        with self._telling():
            for name in gone:
                self._files.rm_file(f"{self._root}/backups/{name}.json")
            for path in self._find("objects"):
                if Path(path).name not in wanted:
                    self._files.rm_file(path)
        return gone

    def _find(self, folder: str) -> dict[str, int]:
        """The sizes of the files below a folder, by path."""
        self._files.invalidate_cache()
        found: dict[str, Any] = self._files.find(f"{self._root}/{folder}", detail=True)
        return {path: int(info["size"]) for path, info in found.items()}

    @contextmanager
    def _writer(self) -> Iterator[Any]:
        """Writes a content under its SHA-256; in a folder here many are made durable together."""
        if not isinstance(self._files, LocalFileSystem):
            yield lambda sha256, content: self._put(self._object(sha256), content)
            return
        root = Path(self._root)
        root.mkdir(parents=True, exist_ok=True)
        with write_behind(root) as behind:

            def write(sha256: str, content: bytes) -> None:
                path = Path(self._object(sha256))
                path.unlink(missing_ok=True)  # one that is there is not whole
                behind.write(path, content)

            yield write

    def _object(self, sha256: str) -> str:
        return f"{self._root}/objects/{sha256[:2]}/{sha256}"

    def _put(self, path: str, content: bytes) -> None:
        if isinstance(self._files, LocalFileSystem):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_bytes(Path(path), content)
        else:
            self._files.pipe_file(path, content)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Whatever goes wrong but a missing file is a place that is away: each file system raises its own kinds."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            raise Unavailable(
                f"{self.address} cannot be reached ({type(error).__name__}: {error}); is the place there, with rights "
                "to write?"
            ) from error


def _keep(path: Path, there: dict[str, int], write: Any) -> Held | None:
    try:
        if there.get(path.stem) == (size := path.stat().st_size):  # named by its content, and sent already
            return Held(path.stem, size)
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    if there.get(sha256) != len(content):
        write(sha256, content)
        there[sha256] = len(content)
    return Held(sha256, len(content))
