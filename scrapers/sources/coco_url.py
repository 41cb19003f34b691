"""A COCO dataset by URL: an archive, or a file whose images have addresses (https://cocodataset.org/#format-data)."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from scrapers.errors import RecipeFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import FoundImage, Page
from scrapers.sources.folder import (
    EACH_ALONE,
    CocoImage,
    CocoLicense,
    Stated,
    find_in_folder,
    read_coco_index,
    read_licenses,
)
from scrapers.sources.settings import CocoSource
from scrapers.sources.unpacking import unpack_once

_PAGE = 1_000


def find_in_coco(source: CocoSource, fetcher: Fetcher, folder: Path) -> Iterator[Page]:
    """The dataset's images; what is downloaded lies in `folder`, and is asked for once.

    Raises:
        FetchFailed: the dataset cannot be had.
        RecipeFailed: it is no COCO dataset.
        ArchiveRefused: an archive would leave its folder or exceed its limits.
    """
    path = downloaded(source, folder)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fetcher.fetch_file(source.url, path, max_bytes=source.max_bytes)
    if path.suffix.lower() == ".json":
        return _listed(path, source)
    unpacked = unpack_once(path, folder / "unpacked")
    stated = Stated(
        source.url,
        page_url=source.page_url or source.url,
        license=source.license,
        author=source.author,
        family=EACH_ALONE,
        licenses=read_licenses(unpacked),
    )
    return find_in_folder(unpacked, stated)


def downloaded(source: CocoSource, folder: Path) -> Path:
    """Where in `folder` the dataset lies once it is downloaded: an archive, or a .json file."""
    return folder / Path(urlsplit(source.url).path or "dataset.json").name


def address(image: CocoImage, source: CocoSource) -> str:
    """Where an image of the file is to be had. Raises RecipeFailed where nobody says."""
    if url := image.coco_url or image.flickr_url:
        return url
    if not source.images_url:
        raise RecipeFailed(f"{source.url} gives no addresses of images; say under images_url: where they lie")
    return urljoin(source.images_url.rstrip("/") + "/", image.file_name)


def _listed(path: Path, source: CocoSource) -> Iterator[Page]:
    images = read_coco_index(path).licensed()
    while batch := list(islice(images, _PAGE)):
        yield Page(source.url, tuple(_found(image, license, source) for image, license in batch))


def _found(image: CocoImage, license: CocoLicense | None, source: CocoSource) -> FoundImage:
    return FoundImage(
        url=address(image, source),
        page_url=source.page_url or source.url,
        family=f"{source.name}/{image.file_name}",
        listing_id=None if image.id is None else str(image.id),
        license=(license.name or license.url if license else None) or source.license,
        license_url=license.url if license else None,
        author=source.author,
        title=Path(image.file_name).stem,
    )
