"""Which images were searched for what has to be unreadable, and what came of it: a file for each way of searching."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from datasets.blurring.settings import BlurSettings
from datasets.errors import BadDataset
from datasets.files import alone, read_json, write_json

BoxXyxy = tuple[int, int, int, int]


class Derived(Struct, frozen=True):
    """The image that takes an image's place, `boxes_xyxy` being what is unreadable in it, in its pixels."""

    sha256: str
    file_name: str
    width: int
    height: int
    boxes_xyxy: tuple[BoxXyxy, ...]


class Searched(Struct, frozen=True):
    """By the SHA-256 of images that were searched in one way: what takes their place, None where nothing was found."""

    how: dict[str, object]
    images: dict[str, Derived | None] = {}


def read_searched(folder: Path, settings: BlurSettings) -> Searched:
    """What was searched as the settings say. Raises BadDataset when the file is broken."""
    return _read(_place(folder, settings.key)) or Searched(settings.how)


def write_searched(folder: Path, settings: BlurSettings, images: Mapping[str, Derived | None]) -> None:
    """Remember more images, beside those of other processes; what was remembered first stays."""
    path = _place(folder, settings.key)
    with alone(path):
        known = read_searched(folder, settings)
        write_json(path, msgspec.to_builtins(Searched(known.how, {**images, **known.images})))


def read_derived(folder: Path) -> dict[str, str]:
    """All images that took another one's place, however they were made, each with that one, by their SHA-256."""
    files = [found for path in sorted(folder.glob("*.json")) if (found := _read(path))]
    return {derived.sha256: sha256 for found in files for sha256, derived in found.images.items() if derived}


def _place(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"


def _read(path: Path) -> Searched | None:
    if not path.exists():
        return None
    try:
        return msgspec.convert(read_json(path), Searched)
    except msgspec.ValidationError as error:
        raise BadDataset(
            f"{path} is broken: {error}; restore it from a backup, or delete it and search again"
        ) from None
