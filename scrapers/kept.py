"""Which addresses gave images that are kept."""

from collections.abc import Iterable
from itertools import islice

from sqlalchemy import select

from scrapers.catalog_tables import ADDRESSES, IMAGES, open_catalog

_AT_ONCE = 2_000


def read_kept(catalog_url: str, urls: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of the kept image that each of these addresses gave; the others are left out.

    Raises:
        BadInput: the database at `catalog_url` cannot be opened, or is no catalogue.
    """
    engine, asked, kept = open_catalog(catalog_url), iter(urls), dict[str, str]()
    query = select(ADDRESSES.c.url, IMAGES.c.sha256).join(IMAGES, IMAGES.c.sha256 == ADDRESSES.c.sha256)
    try:
        with engine.connect() as connection:
            while some := list(islice(asked, _AT_ONCE)):
                found = connection.execute(query.where(IMAGES.c.state == "kept", ADDRESSES.c.url.in_(some)))
                kept.update((url, sha256) for url, sha256 in found)
    finally:
        engine.dispose()
    return kept
