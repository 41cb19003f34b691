"""Listing sites by recipe: index pages lead to listings, listings to photographs."""

import re
from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin, urlsplit, urlunsplit

from bs4 import BeautifulSoup, Tag

from scrapers.errors import FetchFailed, RecipeFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.fetching.robots_tags import forbidden_by_page
from scrapers.found import FoundImage, Page, Refusal
from scrapers.sources.settings import ListingRecipe

_ATTRIBUTE = re.compile(r"^(?P<css>.+)@(?P<attribute>[\w-]+)$", re.DOTALL)


def find_in_listings(recipe: ListingRecipe, fetcher: Fetcher, *, agent: str) -> Iterator[Page | Refusal]:
    """Every listing's page, or every index page where these show the photographs.

    What cannot be read is a Refusal, and so is a page whose robots meta tells `agent` not to keep its images.

    Raises:
        FetchFailed: the first index page cannot be read.
        RecipeFailed: the index pages lead to no listings.
    """
    seen: set[str] = set()
    for page_url, page in _index_pages(recipe, fetcher):
        if isinstance(page, Refusal):
            yield page
        elif recipe.listing is None:
            seen.add(page_url)
            yield _page(page_url, page, recipe, agent)
        else:
            for url in _links(page_url, page, recipe.listing):
                if url not in seen:
                    seen.add(url)
                    yield _listing(url, recipe, fetcher, agent)
    if not seen:
        raise RecipeFailed(
            f"{recipe.start_urls[0]} has no listings at {recipe.listing!r}; does the recipe still fit the site?"
        )


def _index_pages(recipe: ListingRecipe, fetcher: Fetcher) -> Iterator[tuple[str, BeautifulSoup | Refusal]]:
    visited: set[str] = set()
    for start_url in recipe.start_urls:
        page_url: str | None = start_url
        while page_url and page_url not in visited and len(visited) < recipe.max_pages:
            visited.add(page_url)
            try:
                page = _parsed(fetcher.fetch_page(page_url).text)
            except FetchFailed as error:
                if page_url == recipe.start_urls[0]:
                    raise
                yield page_url, Refusal(page_url, str(error))
                break
            yield page_url, page
            page_url = next(_links(page_url, page, recipe.next_page), None)


def _listing(url: str, recipe: ListingRecipe, fetcher: Fetcher, agent: str) -> Page | Refusal:
    try:
        return _page(url, _parsed(fetcher.fetch_page(url).text), recipe, agent)
    except FetchFailed as error:
        return Refusal(url, str(error))


def _page(url: str, page: BeautifulSoup, recipe: ListingRecipe, agent: str) -> Page | Refusal:
    forbidden = forbidden_by_page(page, agent=agent)
    return (
        Refusal(url, f"its robots meta says {forbidden}")
        if forbidden
        else Page(url, tuple(read_page(url, page, recipe)))
    )


def read_page(page_url: str, page: BeautifulSoup, recipe: ListingRecipe) -> list[FoundImage]:
    """The photographs on a page, each once, with what is said of the item that they are in.

    An item without a family of its own is named by its listing's id, or else by its page's path and query; an item that
    is one of several on its page and has neither is a family for each of its photographs.
    """
    items = page.select(recipe.item) if recipe.item else [page]
    found = {image.url: image for item in reversed(items) for image in reversed(_read_item(page_url, item, recipe))}
    return list(reversed(found.values()))


def _read_item(page_url: str, item: Tag, recipe: ListingRecipe) -> list[FoundImage]:
    license, listing_id = _said(item, recipe.license), _said(item, recipe.listing_id)
    family = _said(item, recipe.family) or listing_id
    urls = [_address(page_url, value) for value in _values(item, recipe.image, ("src",))]
    return [
        FoundImage(
            url=url,
            page_url=page_url,
            family=family or _path(url if recipe.item else page_url),
            license=license,
            license_url=license if license and license.startswith(("http://", "https://")) else None,
            author=_said(item, recipe.author),
            title=_said(item, recipe.title),
            price=_said(item, recipe.price),
            listing_id=listing_id,
        )
        for url in dict.fromkeys(urls)
        if url
    ]


def _path(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(("", "", parts.path.strip("/"), parts.query, ""))


def _links(page_url: str, page: Tag, selector: str) -> Iterator[str]:
    return filter(None, (_address(page_url, value) for value in _values(page, selector, ("href",))))


def _address(page_url: str, value: str) -> str | None:
    """The absolute address, without its fragment, that a value leads to; None when that is no web address."""
    try:
        url = urldefrag(urljoin(page_url, value.strip())).url
    except ValueError:
        return None
    return url if value.strip() and url.startswith(("http://", "https://")) else None


def _said(item: Tag, selector: str | None) -> str | None:
    return next(_values(item, selector, ("content", "href")), None) if selector else None


def _values(item: Tag, selector: str, usual: tuple[str, ...]) -> Iterator[str]:
    """What elements hold: the attribute that the selector ends with, or the first usual one, or for a fact the text."""
    explicit = _ATTRIBUTE.match(selector)
    css = explicit["css"] if explicit else selector
    for element in [item] if css == ":self" else item.select(css):
        if explicit:
            value = _attribute(element, explicit["attribute"])
        else:
            value = next(filter(None, (_attribute(element, name) for name in usual)), "")
            value = value or (element.get_text(" ", strip=True) if "content" in usual else "")
        if value:
            yield value


def _attribute(element: Tag, name: str) -> str:
    value = element.get(name) or ""
    text = " ".join(value) if isinstance(value, list) else str(value)
    return _largest(text) if name.endswith("srcset") else text.strip()


def _largest(srcset: str) -> str:
    """The address of the widest or densest candidate of a `srcset` attribute."""
    candidates = [part.split() for part in re.split(r",\s+", srcset.strip()) if part.strip()]
    return max(candidates, key=_size)[0].rstrip(",") if candidates else ""


def _size(candidate: list[str]) -> float:
    try:
        return float(candidate[1].rstrip("wx,")) if len(candidate) > 1 else 1.0
    except ValueError:
        return 0.0


def _parsed(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "html.parser")
