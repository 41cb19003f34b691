"""From a source's settings to its pages."""

from collections.abc import Iterator
from pathlib import Path

from scrapers.fetching.fetcher import Fetcher
from scrapers.found import Page, Refusal
from scrapers.sources.coco_url import find_in_coco
from scrapers.sources.commons import find_on_commons
from scrapers.sources.listing import find_in_listings
from scrapers.sources.local import find_locally
from scrapers.sources.openverse import find_on_openverse
from scrapers.sources.roboflow import find_on_roboflow
from scrapers.sources.settings import (
    CocoSource,
    CommonsSource,
    ListingRecipe,
    LocalSource,
    OpenverseSource,
    RoboflowSource,
    SitemapSource,
    Source,
    UrlListSource,
)
from scrapers.sources.sitemap import find_in_sitemap
from scrapers.sources.url_list import find_in_url_list


def find_pages(source: Source, fetcher: Fetcher, folder: Path, *, agent: str) -> Iterator[Page | Refusal]:
    """The pages of a source, one after another as they are read; downloaded archives lie in `folder`.

    `agent` is the robot's name, by which pages may address it.

    Raises:
        FetchFailed: the source cannot be read at all.
        RecipeFailed: it is not what its settings say.
    """
    match source:
        case CommonsSource():
            return find_on_commons(source, fetcher)
        case OpenverseSource():
            return find_on_openverse(source, fetcher)
        case RoboflowSource():
            return find_on_roboflow(source, fetcher, folder)
        case ListingRecipe():
            return find_in_listings(source, fetcher, agent=agent)
        case SitemapSource():
            return find_in_sitemap(source, fetcher, folder)
        case UrlListSource():
            return find_in_url_list(source)
        case LocalSource():
            return find_locally(source, folder)
        case CocoSource():
            return find_in_coco(source, fetcher, folder)
