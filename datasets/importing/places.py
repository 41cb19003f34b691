"""Files of a foreign dataset: never outside its folder, and told by name when they are not as they should be."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ParseError

import msgspec

from datasets.errors import BadDataset
from datasets.files import read_json

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"))


def read_content(path: Path) -> bytes:
    """A file's bytes. Raises BadDataset when it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BadDataset(f"{path} is not there; check the path") from None
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from None


def without_nan(content: bytes, path: Path) -> bytes:
    """A file's JSON with null for the NaN and Infinity that Python writes. Raises BadDataset when it is none."""
    try:
        return msgspec.json.encode(json.loads(content))
    except (ValueError, OverflowError, RecursionError) as error:
        read_json(path)  # tells what is wrong, and where
        raise BadDataset(f"{path} is not valid JSON: {error}; mend the file or fetch it again") from None


def read_text(path: Path) -> str:
    """A UTF-8 file's text. Raises BadDataset when it is missing, cannot be read or is no text."""
    try:
        return read_content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataset(
            f"{path} is no text in UTF-8: {error.reason} at byte {error.start}; save it as UTF-8"
        ) from None


def find_image(name: str, folders: Sequence[Path], *, told_in: Path) -> Path | None:
    """The first of the folders' files called `name`; None when there is none.

    Raises:
        BadDataset: the name, which the file `told_in` has, leads out of the folder.
    """
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or _DRIVE.match(name) or "\0" in name:
        raise BadDataset(f"{told_in}: file_name {name!r} leaves the folder; use names below {folders[0]}")
    return next((path for folder in folders if (path := folder / pure).is_file()), None)


def check_inside(paths: Iterable[Path], root: Path) -> None:
    """Raises BadDataset when one of the files lies outside the folder `root`: when it, or its folder, is a link."""
    places = {path if path.is_symlink() else path.parent for path in paths}  # to resolve each file takes long
    inside = root.resolve()
    outside = sorted(place for place in places if not place.resolve().is_relative_to(inside))
    if outside:
        raise BadDataset(
            f"{outside[0]} leads out of the folder, to {outside[0].resolve()}; copy what is there into {root}"
        )


def list_images(folder: Path) -> list[Path]:
    """All image files below a folder, by their suffix, in order; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def relative(path: Path, root: Path) -> str:
    """A file's name below `root`, with slashes."""
    return path.relative_to(root).as_posix()


def source_name(name: str, path: Path, root: Path, *, plain: Iterable[str] = ()) -> str:
    """The name of the source that one annotation file is: the dataset's, the folder below it, and the file's stem.

    Stems in `plain` say nothing and are left out.
    """
    place = path.relative_to(root).with_suffix("") if path != root else PurePosixPath(".")
    parts = [part for part in place.parts if part not in plain]
    return "/".join([name, *parts])


def iterate_xml(path: Path, *events: str) -> Iterator[Element]:
    """An XML file's elements as they start or end; own entities are refused. Raises ParseError where it breaks."""
    from defusedxml.ElementTree import iterparse

    with path.open("rb") as handle:
        yield from (element for _, element in iterparse(handle, events=events))


def root_tag(path: Path, *, whole: bool = False) -> str:
    """The tag that an XML file is in. Raises BadDataset when it is no XML, as far as to there or as a `whole`."""
    from defusedxml.common import DefusedXmlException

    try:
        elements = iterate_xml(path, "start")
        tag = next(elements).tag
        for _ in elements if whole else ():
            pass
        return tag
    except (ParseError, DefusedXmlException, OSError, StopIteration, ValueError) as error:
        reason = str(error) or "it is empty"
        raise BadDataset(f"{path} is not valid XML: {reason}; mend the file or fetch it again") from None
