"""A folder or an archive on this machine."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scrapers.errors import RecipeFailed
from scrapers.found import Page
from scrapers.sources.folder import Stated, find_in_folder, read_licenses
from scrapers.sources.settings import LocalSource
from scrapers.sources.unpacking import unpack_once


def find_locally(source: LocalSource, folder: Path) -> Iterator[Page]:
    """The images of a folder, or of an archive, which is unpacked into `folder` once.

    Raises:
        RecipeFailed: there is nothing at its path.
        ArchiveRefused: it would leave its folder or exceed its limits.
    """
    if not source.path.exists():
        raise RecipeFailed(f"{source.path} is not there; mend path: of source {source.name!r}")
    stated = Stated(
        local_address(source),
        page_url=source.page_url,
        license=source.license,
        author=source.author,
        family=re.compile(source.family) if source.family else None,
    )
    images = local_folder(source, folder)
    return find_in_folder(images, replace(stated, licenses=read_licenses(images)))


def local_address(source: LocalSource) -> str:
    """What the addresses of its images begin with."""
    return f"local://{source.name}"


def local_folder(source: LocalSource, folder: Path) -> Path:
    """The folder with its images, unpacked below `folder` where it is an archive. Raises ArchiveRefused."""
    return source.path if source.path.is_dir() else unpack_once(source.path, folder / _version(source.path))


def _version(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"
