"""Clients that may visit `site`, and no other private address."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from scrapers.fetching.fetcher import Fetcher
from scrapers.fetching.settings import FetchSettings


@pytest.fixture
def make_fetcher(site: Any) -> Iterator[Callable[..., Fetcher]]:
    with ExitStack() as stack:

        def make(**settings: Any) -> Fetcher:
            chosen = FetchSettings(**{"attempts": 2, "timeout_s": 5, "allow_private": (site.address,), **settings})
            return stack.enter_context(closing(Fetcher(chosen)))

        yield make


@pytest.fixture
def fetcher(make_fetcher: Callable[..., Fetcher]) -> Fetcher:
    return make_fetcher()
