"""Wikimedia Commons, through MediaWiki's API (https://www.mediawiki.org/wiki/API:Query, API:Imageinfo, API:Continue).

Files are listed by a generator, fifty at a time; `extmetadata` has author and licence as HTML
(https://www.mediawiki.org/wiki/Extension:CommonsMetadata).
"""

from collections.abc import Iterator, Mapping

from bs4 import BeautifulSoup
from pydantic import BaseModel, Field

from scrapers.errors import FetchFailed, RecipeFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import FoundImage, Page, Refusal
from scrapers.sources.asking import fetch_reply
from scrapers.sources.settings import CommonsSource

_FIELDS = "Artist|LicenseShortName|LicenseUrl|Attribution|ObjectName|Credit"
_PASSING = ("maxlag", "ratelimited", "readonly")
_TYPES = ("image/jpeg", "image/png", "image/webp", "image/tiff")


class _Fact(BaseModel):
    value: str | int | float = ""


class _ImageInfo(BaseModel):
    url: str
    descriptionurl: str
    mime: str = ""
    thumburl: str | None = None
    extmetadata: dict[str, _Fact] = Field(default_factory=dict)


class _File(BaseModel):
    pageid: int = 0
    title: str
    imageinfo: list[_ImageInfo] = Field(default_factory=list)


class _Query(BaseModel):
    pages: list[_File] = Field(default_factory=list)


class _Problem(BaseModel):
    code: str
    info: str


class _Reply(BaseModel):
    query: _Query = _Query()
    onward: dict[str, str | int] = Field(default_factory=dict, alias="continue")
    error: _Problem | None = None


def find_on_commons(source: CommonsSource, fetcher: Fetcher) -> Iterator[Page | Refusal]:
    """The files of a category or search, a page for each reply.

    Raises:
        FetchFailed: the first reply cannot be had.
        RecipeFailed: the API refuses the question.
    """
    onward: Mapping[str, str | int] = {}
    while True:
        params = {**_question(source), **{key: str(value) for key, value in onward.items()}}
        try:
            reply = _ask(source, fetcher, params)
        except FetchFailed as error:
            if not onward:
                raise
            yield Refusal(source.api, f"the rest is for another run: {error}")
            return
        yield Page(source.api, tuple(_found(file, file.imageinfo[0]) for file in reply.query.pages if _is_photo(file)))
        if not reply.onward:
            return
        onward = reply.onward


def _ask(source: CommonsSource, fetcher: Fetcher, params: Mapping[str, str]) -> _Reply:
    reply = fetch_reply(fetcher, source.api, _Reply, params=params)
    if reply.error is None:
        return reply
    told = f"{source.api} refuses source {source.name!r}: {reply.error.code}: {reply.error.info}"
    raise FetchFailed(told) if reply.error.code in _PASSING else RecipeFailed(told)


def _question(source: CommonsSource) -> dict[str, str]:
    if source.category is not None:
        title = f"Category:{source.category.removeprefix('Category:')}"
        generator = {"generator": "categorymembers", "gcmtitle": title, "gcmtype": "file"}
        size = {"gcmlimit": str(source.page_size)}
    else:
        generator = {"generator": "search", "gsrsearch": source.search or "", "gsrnamespace": "6"}
        size = {"gsrlimit": str(source.page_size)}
    rendition = {"iiurlwidth": str(source.width)} if source.width else {}
    asked = {"prop": "imageinfo", "iiprop": "url|mime|extmetadata", "iiextmetadatafilter": _FIELDS}
    return {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "maxlag": "5",
        **generator,
        **size,
        **asked,
        **rendition,
    }


def _is_photo(file: _File) -> bool:
    return bool(file.imageinfo) and file.imageinfo[0].mime in _TYPES


def _found(file: _File, info: _ImageInfo) -> FoundImage:
    facts = {key: _text(fact.value) for key, fact in info.extmetadata.items()}
    return FoundImage(
        url=info.thumburl or info.url,
        page_url=info.descriptionurl,
        family=f"commons/{file.pageid}",
        listing_id=str(file.pageid),
        title=facts.get("ObjectName") or file.title.removeprefix("File:"),
        author=facts.get("Artist"),
        license=facts.get("LicenseShortName"),
        license_url=facts.get("LicenseUrl"),
        attribution=facts.get("Attribution") or facts.get("Credit"),
    )


def _text(value: str | int | float) -> str | None:
    return BeautifulSoup(f"<p>{value}</p>", "html.parser").get_text(" ", strip=True) or None
