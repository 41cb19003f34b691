"""Scraping a listing site into the store: each address at most once, each image with where it came from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from datasets.coco import Image, Provenance
from datasets.errors import BadDataset
from datasets.store import ImageStore
from scrapers.catalog import Catalog, Refusal
from scrapers.errors import FetchFailed
from scrapers.fetch import Fetcher
from scrapers.listing import FoundImage, find_listings, read_listing
from scrapers.settings import ListingRecipe


@dataclass(frozen=True, slots=True)
class ScrapeReport:
    """What one run did: images found on the pages, those fetched now, and every address that failed, with why."""

    found: int
    fetched: int
    refused: tuple[Refusal, ...]


def fetch_site(
    recipe: ListingRecipe,
    *,
    fetcher: Fetcher,
    store: ImageStore,
    catalog: Catalog,
    now: Callable[[], datetime],
    on_listing: Callable[[], None] = lambda: None,
) -> ScrapeReport:
    """Follow a site's recipe and keep every photograph that is new.

    A page or image that cannot be read is told and the run goes on. The next run asks again, except for what is no
    image.

    Raises:
        FetchFailed: the first index page cannot be read.
        RecipeFailed: the site has no listings at all.
    """
    found = fetched = 0
    refused: list[Refusal] = []
    asked: set[str] = set()
    for listing in find_listings(fetcher, recipe):
        if isinstance(listing, Refusal):
            refused.append(listing)
            continue
        try:
            images = read_listing(listing, fetcher.fetch_page(listing), recipe)
        except FetchFailed as error:
            refused.append(Refusal(listing, str(error)))
            continue
        done = asked | catalog.known(image.url for image in images)
        asked.update(image.url for image in images)
        for image in images:
            if image.url in done:
                continue
            refusal = _fetch_image(image, fetcher, store, catalog, now())
            if refusal is None:
                fetched += 1
            else:
                refused.append(refusal)
        found += len(images)
        on_listing()
    return ScrapeReport(found, fetched, tuple(refused))


def _fetch_image(
    found: FoundImage, fetcher: Fetcher, store: ImageStore, catalog: Catalog, now: datetime
) -> Refusal | None:
    try:
        stored = store.write_image(fetcher.fetch_image(found.url))
    except FetchFailed as error:
        return Refusal(found.url, str(error))
    except BadDataset as error:
        refusal = Refusal(found.url, str(error))
        catalog.add_refusal(refusal)
        return refusal
    source = Provenance(
        page_url=found.page_url,
        url=found.url,
        author=found.author,
        license=found.license,
        retrieved_at=now.isoformat(),
        robots="allowed",
    )
    catalog.add_image(
        Image(stored.sha256, stored.file_name, stored.width, stored.height, family=found.family, source=source)
    )
    return None
