"""Images that sitemaps name (https://www.sitemaps.org/protocol.html, with Google's image extension), gzipped or not."""

import re
import zlib
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from scrapers.errors import FetchFailed, RecipeFailed
from scrapers.fetching import Fetcher
from scrapers.found import FoundImage, Page, Refusal
from scrapers.sources.settings import SitemapSource

_SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
_IMAGE = "{http://www.google.com/schemas/sitemap-image/1.1}"
_MAX_BYTES = 52_428_800  # the protocol's own limit, unpacked
_MAX_SITEMAPS = 1_000


def find_in_sitemap(source: SitemapSource, fetcher: Fetcher) -> Iterator[Page | Refusal]:
    """The images of each page that the sitemaps name, a page for each of their files.

    Raises:
        FetchFailed: the first sitemap cannot be read.
        RecipeFailed: it is no sitemap.
    """
    pages, waiting, seen = re.compile(source.pages), [source.url], {source.url}
    while waiting:
        url = waiting.pop(0)
        try:
            root = _parsed(url, fetcher.fetch_page(url).content)
        except (FetchFailed, RecipeFailed) as error:
            if url == source.url:
                raise
            yield Refusal(url, str(error))
            continue
        nested = dict.fromkeys(place for place in _texts(root, f"{_SITEMAP}sitemap/{_SITEMAP}loc") if place not in seen)
        waiting += list(nested)[: _MAX_SITEMAPS - len(seen)]
        seen.update(nested)
        yield Page(url, tuple(_images(root, source, pages)))


def _images(root: Element, source: SitemapSource, pages: re.Pattern[str]) -> Iterator[FoundImage]:
    for entry in root.iter(f"{_SITEMAP}url"):
        page_url = next(_texts(entry, f"{_SITEMAP}loc"), None)
        if page_url is None or not pages.search(page_url):
            continue
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


def _parsed(url: str, content: bytes) -> Element:
    try:
        root: Element = fromstring(_unpacked(url, content), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise RecipeFailed(f"{url} is no sitemap: {error}; give the address of an XML sitemap") from None
    return root


def _unpacked(url: str, content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(content, _MAX_BYTES)
    except zlib.error as error:
        raise RecipeFailed(f"{url} is broken gzip: {error}; it may work later") from None
    if unpacker.unconsumed_tail:
        raise RecipeFailed(f"{url} unpacks to more than {_MAX_BYTES} bytes, which no sitemap may; leave it out")
    return text
