"""Images that lie in a folder, on their own or as a COCO dataset."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from datasets.stored_image import EXTENSIONS
from scrapers.errors import RecipeFailed
from scrapers.found import FoundImage, Page

_SUFFIXES = {".jpeg", ".tiff", *(f".{extension}" for extension in EXTENSIONS.values())}
_PAGE = 500
EACH_ALONE = re.compile(r".+")  # the folders of datasets are sides of their split, which say nothing of families


class CocoLicense(msgspec.Struct, frozen=True):
    """An entry of a COCO file's `licenses`."""

    id: int | str
    name: str | None = None
    url: str | None = None


class CocoImage(msgspec.Struct, frozen=True):
    """An entry of a COCO file's `images`."""

    file_name: str
    id: int | str | None = None
    license: int | str | None = None
    coco_url: str | None = None
    flickr_url: str | None = None


class CocoIndex(msgspec.Struct, frozen=True):
    """What a COCO file says of its images (https://cocodataset.org/#format-data)."""

    images: list[CocoImage]
    licenses: list[CocoLicense] = []

    def licensed(self) -> Iterator[tuple[CocoImage, CocoLicense | None]]:
        """Each image with its licence."""
        licenses = {license.id: license for license in self.licenses}
        return ((image, licenses.get(image.license) if image.license is not None else None) for image in self.images)


@dataclass(frozen=True)
class Stated:
    """What is said of all images of a folder; `address` begins their addresses, which name no place on this machine."""

    address: str
    page_url: str | None = None
    license: str | None = None
    author: str | None = None
    family: re.Pattern[str] | None = None
    licenses: Mapping[str, CocoLicense | None] = field(default_factory=dict)


def read_coco_index(path: Path) -> CocoIndex:
    """A COCO file's images and licences. Raises RecipeFailed when it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=CocoIndex)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecipeFailed(f"{path.name} is no COCO file: {error}; give one with images and file names") from None


def as_coco_index(path: Path) -> CocoIndex | None:
    """A COCO file's images and licences; None where it is some other JSON."""
    try:
        return read_coco_index(path)
    except RecipeFailed:
        return None


def find_in_folder(folder: Path, stated: Stated) -> Iterator[Page]:
    """Every image file below a folder, in order of names, a page for every five hundred."""
    paths = iter(sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file()))
    while batch := list(islice(paths, _PAGE)):
        yield Page(stated.address, tuple(_found(path, path.relative_to(folder).as_posix(), stated) for path in batch))


def read_licenses(folder: Path) -> dict[str, CocoLicense | None]:
    """The licences that COCO files below a folder give to images, by the images' paths relative to it."""
    return {
        (path.parent.relative_to(folder) / image.file_name).as_posix(): license
        for path in sorted(folder.rglob("*.json"))
        if (index := as_coco_index(path))
        for image, license in index.licensed()
    }


def _found(path: Path, name: str, stated: Stated) -> FoundImage:
    license = stated.licenses.get(name)
    return FoundImage(
        url=f"{stated.address}/{name}",
        page_url=stated.page_url,
        family=f"{stated.address}/{_family(name, stated.family)}",
        license=(license.name or license.url if license else None) or stated.license,
        license_url=license.url if license else None,
        author=stated.author,
        title=path.stem,
        path=path,
    )


def _family(name: str, pattern: re.Pattern[str] | None) -> str:
    if pattern is None:
        return name.rpartition("/")[0] or name
    found = pattern.search(name)
    return (found[1] if pattern.groups and found[1] else found[0]) if found else name
