"""Reading listing sites by recipe: index pages lead to listings, listings to photographs."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urldefrag, urljoin, urlsplit, urlunsplit

from bs4 import BeautifulSoup, Tag

from scrapers.catalog import Refusal
from scrapers.errors import FetchFailed, RecipeFailed
from scrapers.fetch import Fetcher
from scrapers.settings import ListingRecipe


@dataclass(frozen=True, slots=True)
class FoundImage:
    """A photograph on a listing's page, and what the page says of it."""

    url: str
    page_url: str
    family: str
    license: str | None
    author: str | None


def find_listings(fetcher: Fetcher, recipe: ListingRecipe) -> Iterator[str | Refusal]:
    """The addresses of all listings, following index pages to the last, or to one that cannot be read: a Refusal.

    Raises:
        FetchFailed: the first index page cannot be read.
        RecipeFailed: there are no listings.
    """
    page_url: str | None = recipe.start_url
    visited: set[str] = set()
    listings: set[str] = set()
    while page_url and page_url not in visited:
        visited.add(page_url)
        try:
            page = BeautifulSoup(fetcher.fetch_page(page_url), "html.parser")
        except FetchFailed as error:
            if page_url == recipe.start_url:
                raise
            yield Refusal(page_url, str(error))
            break
        for link in page.select(recipe.listing):
            url = _address(page_url, link, "href")
            if url and url not in listings:
                listings.add(url)
                yield url
        following = page.select_one(recipe.next_page)
        page_url = _address(page_url, following, "href") if following else None
    if not listings:
        raise RecipeFailed(
            f"{recipe.start_url} has no listings at {recipe.listing!r}; does the recipe still fit the site?"
        )


def read_listing(page_url: str, text: str, recipe: ListingRecipe) -> list[FoundImage]:
    """The photographs on a listing's page, each once.

    A listing without a family of its own is named by its address's path and query.
    """
    page = BeautifulSoup(text, "html.parser")
    parts = urlsplit(page_url)
    family = _said(page, recipe.family) or urlunsplit(("", "", parts.path.strip("/"), parts.query, ""))
    urls = [_address(page_url, image, "src") for image in page.select(recipe.image)]
    return [
        FoundImage(
            url=url,
            page_url=page_url,
            family=family,
            license=_said(page, recipe.license),
            author=_said(page, recipe.author),
        )
        for url in dict.fromkeys(urls)
        if url
    ]


def _address(page_url: str, element: Tag, attribute: str) -> str | None:
    """The absolute address, without its fragment, that an element leads to; None when that is no web address."""
    try:
        url = urldefrag(urljoin(page_url, _value(element, attribute).strip())).url
    except ValueError:
        return None
    return url if element.get(attribute) and url.startswith(("http://", "https://")) else None


def _said(page: BeautifulSoup, selector: str | None) -> str | None:
    element = page.select_one(selector) if selector else None
    if element is None:
        return None
    return _value(element, "content") or _value(element, "href") or element.get_text(strip=True) or None


def _value(element: Tag, attribute: str) -> str:
    return str(element.get(attribute) or "")
