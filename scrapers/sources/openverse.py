"""Openverse's image search, API version 1 (https://api.openverse.org/v1/).

Without a token a page has at most 20 results; a quota that is used up is answered with 429. A token is had by
registering an application, and given through the environment.
"""

import os
from collections.abc import Iterator

from pydantic import BaseModel

from scrapers.errors import FetchFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import FoundImage, Page, Refusal
from scrapers.sources.asking import fetch_reply
from scrapers.sources.settings import OpenverseSource


class _Result(BaseModel):
    id: str
    url: str
    foreign_landing_url: str | None = None
    title: str | None = None
    creator: str | None = None
    license: str
    license_version: str | None = None
    license_url: str | None = None
    attribution: str | None = None


class _Reply(BaseModel):
    page_count: int
    results: list[_Result]


def find_on_openverse(source: OpenverseSource, fetcher: Fetcher) -> Iterator[Page | Refusal]:
    """What the search finds, a page for each reply. Raises FetchFailed when the first one cannot be had."""
    token = os.environ.get(source.token_env)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    number = 1
    while True:
        params = {"q": source.query, "page": str(number), "page_size": str(source.page_size)}
        if source.licenses:
            params["license"] = ",".join(source.licenses)
        try:
            reply = fetch_reply(fetcher, source.api, _Reply, params=params, headers=headers)
        except FetchFailed as error:
            if number == 1:
                raise
            yield Refusal(source.api, f"page {number} and later ones are for another run: {error}")
            return
        yield Page(source.api, tuple(map(_found, reply.results)))
        if number >= reply.page_count or not reply.results:
            return
        number += 1


def _found(result: _Result) -> FoundImage:
    return FoundImage(
        url=result.url,
        page_url=result.foreign_landing_url,
        family=f"openverse/{result.id}",
        listing_id=result.id,
        title=result.title,
        author=result.creator,
        license=" ".join(
            filter(None, ("CC" if result.license.startswith("by") else "", result.license, result.license_version))
        ),
        license_url=result.license_url,
        attribution=result.attribution,
    )
