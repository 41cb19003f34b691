"""Which files are meant by paths, folders and globs, and which car each is a picture of."""

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets.errors import BadDataset
from datasets.importing.families import family_in
from datasets.importing.places import IMAGE_SUFFIXES

CarOf = Literal["image", "folder", "family"]
VIDEO_SUFFIXES = frozenset((".mp4", ".mov", ".avi", ".mkv", ".m4v", ".webm"))
_MEDIA = IMAGE_SUFFIXES | VIDEO_SUFFIXES | {".gif"}


@dataclass(frozen=True, slots=True)
class Source:
    """A picture or video; `name` is how it is told, `car` the car that it shows."""

    path: Path
    name: str
    car: str

    @property
    def is_video(self) -> bool:
        return self.path.suffix.lower() in VIDEO_SUFFIXES


def find_sources(paths: Sequence[str], *, out: Path, car_of: CarOf, family_pattern: str | None) -> list[Source]:
    """The pictures and videos meant, each once, in order; those below `out` are results, and left out.

    Folders are searched through, by suffix; hidden files are left out. A path that is there is taken as it is, any
    other as a glob.

    Raises:
        BadDataset: a path leads to nothing, or all of them to no picture.
    """
    found = dict.fromkeys(file for path in paths for file in _files(path) if not file.is_relative_to(out.resolve()))
    if not found:
        raise BadDataset(f"{', '.join(paths)} holds no picture or video; these end in {', '.join(sorted(_MEDIA))}")
    return [Source(file, _name(file), _car(file, car_of, family_pattern)) for file in found]


def _files(path: str) -> Iterable[Path]:
    whole = Path(path)
    if whole.is_dir():
        return _below(whole)
    if whole.exists():
        return [whole.resolve()]
    matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207  the pattern may be absolute
    if not matches:
        raise BadDataset(f"{path} is not there and matches nothing; check the path")
    return [file for match in matches for file in _files(match)]


def _below(folder: Path) -> list[Path]:
    return [
        path.resolve()
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _MEDIA
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _name(file: Path) -> str:
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def _car(file: Path, car_of: CarOf, family_pattern: str | None) -> str:
    if car_of == "folder":
        return _name(file.parent)
    if car_of == "family" and (family := family_in(file.name, family_pattern)):
        return family
    return _name(file)
