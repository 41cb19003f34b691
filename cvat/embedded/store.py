"""The data folder: the files of each task, and the lock that keeps a second server out.

    DIR/server.lock         held while a server runs
    DIR/cvat.sqlite3        the database
    DIR/secret              the key for what clients keep for the server, as the state of a tracker
    DIR/incoming/           files being written; no row names them, so a start empties it
    DIR/tasks/<id>/         images as they were uploaded, under random names; the real names are in the database
    DIR/exports/            finished exports and backups
    DIR/received/           backups that clients sent, and pieces of them
    DIR/removed/            files that nothing needs any more, on their way off the disk

A file is complete and on the disk before a row names it, so whenever the process is killed, rows have their files.
"""

import fcntl
import os
import secrets
import shutil
import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cvat.embedded.errors import CannotServe
from datasets.write_behind import make_durable


class Store:
    """The files of one data folder, locked for this process."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        try:
            self._lock = _lock(self._root)
            for name in ("incoming", "tasks", "exports", "received", "removed"):
                (self._root / name).mkdir(exist_ok=True)
            self._discard([self._root / "incoming"])
            (self._root / "incoming").mkdir()
            self.secret = self._read_secret()
        except BlockingIOError:
            raise CannotServe(
                f"{root}: another server is using this data folder; stop it or choose another --data folder"
            ) from None
        except OSError as error:
            raise CannotServe(
                f"{root}: the data folder cannot be written ({error.strerror}); choose another --data folder"
            ) from None

    @property
    def database_file(self) -> Path:
        """Where the database lies."""
        return self._root / "cvat.sqlite3"

    def _read_secret(self) -> bytes:
        path = self._root / "secret"
        if not path.exists():
            with self.writing() as written:
                written.touch(mode=0o600)
                written.write_bytes(secrets.token_bytes(32))
                self.keep({written: path})
        return path.read_bytes()

    def incoming_file(self) -> Path:
        """A path to write to; `keep` gives the file its place."""
        return self._root / "incoming" / uuid.uuid4().hex

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """An incoming file that is removed at the end of the block, unless it was kept."""
        path = self.incoming_file()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def task_file(self, task_id: int, name: str) -> Path:
        """A file of a task."""
        return self._root / "tasks" / str(task_id) / name

    def export_file(self, name: str) -> Path:
        """A finished export."""
        return self._root / "exports" / name

    def received_file(self, name: str) -> Path:
        """A file that a client sent, other than for a task."""
        return self._root / "received" / name

    def keep(self, places: Mapping[Path, Path]) -> None:
        """Move finished files to their places; once this returns they outlast a power cut."""
        self.sync(places)
        folders = {place.parent for place in places.values()}
        for folder in folders:
            folder.mkdir(exist_ok=True)
        for written, place in places.items():
            written.replace(place)
        make_durable(self._root, {*folders, *(folder.parent for folder in folders)})

    def sync(self, files: Iterable[Path]) -> None:
        """Have the disk write what was written to files; `keep` does it too, and then finds little left to do."""
        make_durable(self._root, files)

    def keep_in_task(self, task_id: int, files: Iterable[Path]) -> None:
        """Move finished incoming files to a task, under their names."""
        self.keep({file: self.task_file(task_id, file.name) for file in files})

    def remove_from_task(self, task_id: int, *, except_for: Collection[str] = ()) -> None:
        """Remove the files of a task that no row names any more."""
        _remove(self.task_file(task_id, ""), except_for)

    def remove_tasks(self, task_ids: Iterable[int]) -> None:
        """Remove the folders of tasks that are gone."""
        self._discard([self.task_file(task_id, "") for task_id in task_ids])

    def task_ids(self) -> set[int]:
        """The tasks that have a folder."""
        return {int(folder.name) for folder in (self._root / "tasks").iterdir() if folder.name.isdigit()}

    def remove_exports(self, *, except_for: Collection[str]) -> None:
        """Remove the exports that no row names."""
        _remove(self._root / "exports", except_for)

    def remove_received(self, *, except_for: Collection[str]) -> None:
        """Remove the received files that no row names."""
        _remove(self._root / "received", except_for)

    def _discard(self, folders: Iterable[Path]) -> None:
        """Remove folders: by name at once, from the disk in the background, as that can take seconds."""
        for folder in folders:
            if folder.exists():
                folder.replace(self._root / "removed" / uuid.uuid4().hex)
        threading.Thread(target=_empty, args=(self._root / "removed",), daemon=True).start()


def _remove(folder: Path, except_for: Collection[str]) -> None:
    for file in folder.iterdir() if folder.exists() else ():
        if file.name not in except_for:
            file.unlink(missing_ok=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path, ignore_errors=True)


def _lock(root: Path) -> int:
    """Hold the lock until the process ends, however it ends. Raises BlockingIOError where another one holds it."""
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor
