"""The file share: a folder beside the server, from which a task can take its images without an upload.

Names are relative to it, with "/" between folders. One that leads out of it, by ".." or by a link, is refused.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvat.embedded.errors import RefusedUpload
from cvat.embedded.images import media_type
from cvat.embedded.store import Store
from cvat.embedded.videos import is_video

FOLDER = "DIR"


@dataclass(frozen=True)
class SharedFile:
    """A file or folder of the share, as CVAT lists it: `type` is REG or DIR, `mime_type` what can be made of it."""

    name: str
    type: str
    mime_type: str


class Share:
    """A folder that is read and never written; without one there is nothing to be found."""

    def __init__(self, root: Path | None) -> None:
        self._root = None if root is None else root.resolve()

    def list_folder(self, folder: str, beginning: str = "") -> list[SharedFile]:
        """What lies in a folder, folders first; `beginning` is that of the names wanted. Raises RefusedUpload."""
        place = self._place(folder) if self._root or folder.strip("/") else None
        if place is not None and not place.is_dir():
            raise RefusedUpload(f"{folder.strip('/')} is an invalid directory")
        entries = [] if place is None else [entry for entry in os.scandir(place) if entry.name.startswith(beginning)]
        shown = [
            SharedFile(entry.name, FOLDER, FOLDER)
            if entry.is_dir()
            else SharedFile(entry.name, "REG", _kind(entry.name))
            for entry in entries
            if self._is_inside(Path(entry.path))
        ]
        return sorted(shown, key=lambda entry: (entry.type, entry.name))

    def copy(self, names: Sequence[str], store: Store) -> dict[str, Path]:
        """Copies in `incoming` of files, and of all media in folders, in the order given: their places by their names.

        Raises:
            RefusedUpload: one is not there, or leads out of the share.
        """
        found = {name: place for wanted in names for name, place in self._files(wanted)}
        copies: dict[str, Path] = {}
        try:
            for name, place in found.items():
                copies[name] = store.incoming_file()
                shutil.copyfile(place, copies[name])
        except BaseException:
            for copy in copies.values():
                copy.unlink(missing_ok=True)
            raise
        return copies

    def _files(self, wanted: str) -> Iterator[tuple[str, Path]]:
        place = self._place(wanted)
        if place.is_dir():
            inside = (path for path in sorted(place.rglob("*")) if path.is_file() and _kind(path.name) != "unknown")
            yield from ((self._name(path), path) for path in inside if self._is_inside(path))
        elif place.is_file():
            yield self._name(place), place
        else:
            raise RefusedUpload(
                f"{wanted!r} is not on the server's share; check the name, as /api/server/share tells it"
            )

    def _place(self, name: str) -> Path:
        if self._root is None:
            raise RefusedUpload(
                f"{name!r} cannot be found: this server has no share; start it with --share, or upload the files"
            )
        place = Path(os.path.normpath(self._root / name.lstrip("/")))
        if "\0" in name or not self._is_inside(place):
            raise RefusedUpload(f"{name!r} leads out of the server's share; name what lies inside")
        return place

    def _is_inside(self, place: Path) -> bool:
        return self._root is not None and place.resolve().is_relative_to(self._root)

    def _name(self, place: Path) -> str:
        return place.relative_to(self._root or place).as_posix()


def _kind(name: str) -> str:
    if media_type(name) is not None:
        return "image"
    if is_video(name):
        return "video"
    return "archive" if name.lower().endswith(".zip") else "unknown"
