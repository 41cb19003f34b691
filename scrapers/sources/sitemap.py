"""Images that sitemaps name (https://www.sitemaps.org/protocol.html, with Google's image extension), gzipped or not.

A sitemap may have fifty megabytes: it is read from a file, entry by entry.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from scrapers.errors import FetchFailed, RecipeFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import FoundImage, Page, Refusal
from scrapers.sources.settings import SitemapSource

_SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
_IMAGE = "{http://www.google.com/schemas/sitemap-image/1.1}"
_MAX_BYTES = 52_428_800  # the protocol's own limit, unpacked
_MAX_SITEMAPS = 1_000
_PAGE = 1_000
_CHUNK_BYTES = 1 << 20  # each chunk has the parser go over a token that has not ended yet from its beginning


def find_in_sitemap(source: SitemapSource, fetcher: Fetcher, folder: Path) -> Iterator[Page | Refusal]:
    """The images of each page that the sitemaps name, a page for every thousand; each sitemap lies in `folder` a while.

    Raises:
        FetchFailed: the first sitemap cannot be read.
        RecipeFailed: it is no sitemap.
    """
    waiting, seen = [source.url], {source.url}
    while waiting:
        url, nested, is_begun = waiting.pop(0), dict[str, None](), False
        try:
            with _fetched(url, fetcher, folder) as sitemap:
                for page in _pages(url, _images(sitemap, source, nested)):
                    yield page
                    is_begun = True
        except (FetchFailed, RecipeFailed) as error:
            if url == source.url and not is_begun:
                raise
            yield Refusal(url, str(error))
        fresh = [place for place in nested if place not in seen]
        waiting += fresh[: _MAX_SITEMAPS - len(seen)]
        seen.update(fresh)


def _pages(url: str, images: Iterator[FoundImage]) -> Iterator[Page]:
    """At least one, so that what has none is seen to have none."""
    yield Page(url, tuple(islice(images, _PAGE)))
    while some := tuple(islice(images, _PAGE)):
        yield Page(url, some)


def _images(sitemap: "_Limited", source: SitemapSource, nested: dict[str, None]) -> Iterator[FoundImage]:
    """The images of the pages that are wanted; addresses of further sitemaps are added to `nested`."""
    wanted = re.compile(source.pages)
    for entry in _entries(sitemap):
        place = next(_texts(entry, f"{_SITEMAP}loc"), None)
        if place is None:
            continue
        if entry.tag == f"{_SITEMAP}sitemap":
            nested[place] = None
        elif wanted.search(place):
            yield from _images_of(entry, place, source)


def _images_of(entry: Element, page_url: str, source: SitemapSource) -> Iterator[FoundImage]:
    for image in entry.iter(f"{_IMAGE}image"):
        license_url = next(_texts(image, f"{_IMAGE}license"), None)
        for url in _texts(image, f"{_IMAGE}loc"):
            yield FoundImage(
                url=url,
                page_url=page_url,
                family=page_url,
                title=next(_texts(image, f"{_IMAGE}title"), None) or next(_texts(image, f"{_IMAGE}caption"), None),
                license=license_url or source.license,
                license_url=license_url,
                author=source.author,
            )


def _texts(element: Element, path: str) -> Iterator[str]:
    return (text for found in element.iterfind(path) if (text := (found.text or "").strip()))


def _entries(sitemap: "_Limited") -> Iterator[Element]:
    """The `url` and `sitemap` entries, each forgotten when the next one is asked for. Raises RecipeFailed."""
    try:
        events = iterparse(sitemap, events=("start", "end"), forbid_dtd=True)
        _, root = next(events)
        for event, element in events:
            if event == "end" and element.tag in (f"{_SITEMAP}url", f"{_SITEMAP}sitemap"):
                yield element
                root.clear()
    except (ParseError, DefusedXmlException, StopIteration, ValueError) as error:
        raise RecipeFailed(f"{sitemap.url} is no sitemap: {error}; give the address of an XML sitemap") from None
    except (zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise RecipeFailed(f"{sitemap.url} is broken gzip: {error}; it may work later") from None


@contextmanager
def _fetched(url: str, fetcher: Fetcher, folder: Path) -> Iterator["_Limited"]:
    """A sitemap's content, unpacked as it is read. Raises FetchFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".sitemap-") as place:
        path = Path(place) / "sitemap"
        fetcher.fetch_file(url, path, max_bytes=_MAX_BYTES)
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            yield _Limited(url, cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_gzip else file)


class _Limited:
    """A file that must not give more than a sitemap may have. Raises RecipeFailed when it does."""

    def __init__(self, url: str, file: BinaryIO) -> None:
        self.url, self._file, self._left = url, file, _MAX_BYTES

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(max(size, _CHUNK_BYTES))
        self._left -= len(content)
        if self._left < 0:
            raise RecipeFailed(
                f"{self.url} unpacks to more than {_MAX_BYTES} bytes, which no sitemap may; leave it out"
            )
        return content
