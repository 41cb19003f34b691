"""Where backups lie: a folder, or any place that fsspec reaches. A backup is a list of files by content.

objects/ab/<sha256>          files by content, each once however many backups have it
backups/<UTC time>.json      what a backup has, written last: path, SHA-256 and size of each file
damaged/<sha256>             what a check found to be something else by now
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
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


class UnreadableList(BadDataset):
    """The list of a backup is damaged."""


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
        """A backup by its name. Raises BadDataset when there is none, none of this form, or UnreadableList."""
        try:
            return self._read(name)
        except FileNotFoundError:
            told = ", ".join(self.usable()) or "none"
            raise BadDataset(f"{self.address} has no backup {name}; there are {told}") from None
        except UnreadableList as error:
            raise UnreadableList(f"{error}; {self.instead()}") from None

    def usable(self, *, without: Collection[str] = ()) -> list[str]:
        """The backups whose lists can be read, oldest first; only those that have none of these contents."""
        found = []
        for name in self.names():
            with suppress(FileNotFoundError, BadDataset):
                if {held.sha256 for held in self._read(name).files.values()}.isdisjoint(without):
                    found.append(name)
        return found

    def instead(self, *, without: Collection[str] = ()) -> str:
        """What to do where a backup cannot be restored, or these contents of it."""
        names = self.usable(without=without)
        if names:
            return f"name another one by --backup: {', '.join(names)}"
        return "no backup there does without" if without else "no other one there can be read"

    def _read(self, name: str) -> Backup:
        path = self._list(name)
        with self._telling():
            content = self._files.cat_file(path)
        try:
            backup = msgspec.json.decode(content, type=Backup)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableList(f"{path} is no backup: {error}") from None
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
            self._put(self._list(name), content)

    def fetch(self, held: Held, target: Path) -> None:
        """Write a kept content to a file. Raises BadDataset when it is absent, or is not what was kept."""
        content = self.read_content(held)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def read_content(self, held: Held) -> bytes:
        """A kept content. Raises BadDataset when it is absent, or is not what was kept."""
        path = self._object(held.sha256)
        try:
            with self._telling():
                content: bytes = self._files.cat_file(path)
        except FileNotFoundError:
            raise BadDataset(f"{path} is missing; {self._way_out(held)}") from None
        if (found := hashlib.sha256(content).hexdigest()) != held.sha256:
            raise BadDataset(f"{path} is not what was kept: its SHA-256 is {found}; {self._way_out(held)}")
        return content

    def is_whole(self, held: Held) -> bool:
        """Whether a content is there, and is what was kept."""
        with suppress(FileNotFoundError), self._telling():
            return hashlib.sha256(self._files.cat_file(self._object(held.sha256))).hexdigest() == held.sha256
        return False

    def set_aside(self, held: Held) -> None:
        """Move a content that is not what was kept to `damaged`, so that the next backup sends it again.

        It is read anew, for a read may have failed. Raises Unavailable where nothing can be written.
        """
        path = self._object(held.sha256)
        with suppress(FileNotFoundError), self._telling():
            content: bytes = self._files.cat_file(path)
            if hashlib.sha256(content).hexdigest() != held.sha256:
                self._put(f"{self._root}/damaged/{held.sha256}", content)
                self._files.rm_file(path)

    def forget(self, *, keep: int) -> tuple[list[str], list[str]]:
        """Remove all but the newest `keep`, 1 or more, then the contents that none of those has.

        Gives the names of the removed, and of others whose lists cannot be read: no content goes then, for they may
        have it.
        """
        names = self.names()
        gone, kept = names[:-keep], names[-keep:]
        if not gone:
            return [], []
        wanted: set[str] = set()
        unread: list[str] = []
        for name in kept:
            try:
                wanted |= {held.sha256 for held in self._read(name).files.values()}
            except UnreadableList:
                unread.append(name)
        with self._telling():
            for name in gone:
                self._files.rm_file(self._list(name))
            for path in () if unread else (*self._find("objects"), *self._find("damaged")):
                if Path(path).name not in wanted:
                    self._files.rm_file(path)
        return gone, unread

    def _way_out(self, held: Held) -> str:
        return (
            f"carloop restore {self.address} --check sets all that is damaged aside, so that the next carloop backup "
            f"sends it anew; where the home is gone, {self.instead(without=[held.sha256])}"
        )

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

    def _list(self, name: str) -> str:
        return f"{self._root}/backups/{name}.json"

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
