"""Annotations that a source brought with its images: COCO files in its archive, or one that names their addresses."""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from scrapers.sources.coco_url import address, downloaded
from scrapers.sources.folder import Stated, as_coco_index, find_in_folder, read_coco_index
from scrapers.sources.local import local_address, local_folder
from scrapers.sources.roboflow import dataset_page
from scrapers.sources.settings import CocoSource, LocalSource, RoboflowSource, Source

Find = Callable[[Iterable[str]], Mapping[str, Path]]


def stage_annotated(source: Source, folder: Path, stage: Path, *, find: Find) -> bool:
    """Lay a source's COCO files into `stage`, and those of their images that are kept beside them, as they are named.

    `folder` has what the source downloaded; `find` tells, of addresses, where those images lie that are kept. False
    where there are no annotations.

    Raises:
        RecipeFailed: the source's own COCO file cannot be read.
    """
    match source:
        case CocoSource() if (path := downloaded(source, folder)).suffix.lower() == ".json":
            return path.exists() and _stage_file(path, source, stage, find)
        case CocoSource():
            return _stage_folder(folder / "unpacked", source.url, stage, find)
        case RoboflowSource():
            return _stage_folder(folder / "unpacked", dataset_page(source), stage, find)
        case LocalSource() if source.path.exists():
            return _stage_folder(local_folder(source, folder), local_address(source), stage, find)
    return False


def _stage_file(path: Path, source: CocoSource, stage: Path, find: Find) -> bool:
    names = {address(image, source): image.file_name for image in read_coco_index(path).images}
    _lay(path, stage / "annotations.json")
    for url, kept in find(names).items():
        _lay_inside(kept, stage, names[url])
    return True


def _stage_folder(unpacked: Path, address: str, stage: Path, find: Find) -> bool:
    told = [path for path in sorted(unpacked.rglob("*.json")) if as_coco_index(path)]
    for path in told:
        _lay(path, stage / path.relative_to(unpacked))
    if told:
        found = (image.url for page in find_in_folder(unpacked, Stated(address)) for image in page.images)
        for url, kept in find(found).items():
            _lay_inside(kept, stage, url.removeprefix(f"{address}/"))
    return bool(told)


def _lay_inside(path: Path, stage: Path, name: str) -> None:
    """One that would lie elsewhere is left to the import, which tells of its name."""
    if (stage / name).resolve().is_relative_to(stage.resolve()):
        _lay(path, stage / name)


def _lay(path: Path, place: Path) -> None:
    """The same file once more: a hard link, or on another disk a copy."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, place)
    except OSError:
        shutil.copyfile(path, place)
