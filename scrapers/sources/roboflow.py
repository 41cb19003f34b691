"""Roboflow Universe: one version of a dataset as a COCO export (https://docs.roboflow.com/api-reference).

The API answers with a signed link to an archive, or with 202 while the export is being made. The key and the link never
get into the catalogue or a message.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from scrapers.errors import FetchFailed, RecipeFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import Page
from scrapers.sources.asking import fetch_reply
from scrapers.sources.folder import Stated, find_in_folder, read_licenses
from scrapers.sources.settings import RoboflowSource
from scrapers.sources.unpacking import unpack_once

_PHOTOGRAPH = re.compile(r"([^/]+)\.rf\.[^/]+$|[^/]+$")  # its altered copies are `<photograph>.rf.<hash>.jpg`


class _Export(BaseModel):
    link: str


class _Reply(BaseModel):
    export: _Export | None = None
    progress: float | None = None


def find_on_roboflow(source: RoboflowSource, fetcher: Fetcher, folder: Path) -> Iterator[Page]:
    """The export's images; its archive is downloaded and unpacked into `folder` once.

    Raises:
        FetchFailed: there is no key, the API refuses it, or the export is still being made.
        RecipeFailed: the reply is not as documented.
        ArchiveRefused: the archive would leave its folder or exceed its limits.
    """
    archive = folder / "export.zip"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _fetch_export(source, fetcher, archive)
    unpacked = unpack_once(archive, folder / "unpacked")
    page_url = dataset_page(source)
    stated = Stated(
        page_url,
        page_url=page_url,
        license=source.license,
        author=source.author,
        family=_PHOTOGRAPH,
        licenses=read_licenses(unpacked),
    )
    return find_in_folder(unpacked, stated)


def dataset_page(source: RoboflowSource) -> str:
    """The dataset's page, which begins the addresses of its images."""
    return f"https://universe.roboflow.com/{source.workspace}/{source.project}/dataset/{source.dataset_version}"


def _fetch_export(source: RoboflowSource, fetcher: Fetcher, archive: Path) -> None:
    key = os.environ.get(source.key_env)
    if not key:
        raise RecipeFailed(f"source {source.name!r} needs a Roboflow API key; put one into {source.key_env}")
    url = f"{source.api}/{source.workspace}/{source.project}/{source.dataset_version}/coco"
    try:
        reply = fetch_reply(fetcher, url, _Reply, params={"api_key": key})
    except FetchFailed as error:
        raise FetchFailed(str(error).replace(key, "…"), status=error.status) from None
    if reply.export is None:
        done = f"{reply.progress:.0%} done" if reply.progress is not None else "not begun"
        raise FetchFailed(f"{url} is still being made ({done}); run it again in a few minutes")
    try:
        fetcher.fetch_file(reply.export.link, archive, max_bytes=source.max_bytes)
    except FetchFailed as error:
        raise FetchFailed(
            f"the archive of {url} could not be had: {error.status or 'no answer'}; run it again"
        ) from None
