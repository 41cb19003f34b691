"""A logged-in cvat-sdk client, and the look-ups that every step shares."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cvat_sdk import Client, Config
from cvat_sdk.exceptions import ApiException

from cvat.errors import CvatRefused, told_in_a_sentence

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Credentials:
    """Who Carloop is on a server."""

    user: str
    password: str


@contextmanager
def connect(url: str, credentials: Credentials) -> Iterator[Client]:
    """A client logged in at `url`. Raises CvatUnavailable or CvatRefused in one sentence."""
    logger = logging.getLogger("carloop.cvat.sdk")
    logger.setLevel(logging.ERROR)
    config = Config(status_check_period=_POLL_SECONDS)
    with told_in_a_sentence("logging in", url):
        client = Client(url, config=config, logger=logger)
    with client:
        with told_in_a_sentence("logging in", url):
            _log_in(client, url, credentials)
        yield client


def _log_in(client: Client, url: str, credentials: Credentials) -> None:
    try:
        client.login((credentials.user, credentials.password))
    except ApiException as error:
        if error.status not in (400, 401, 403):
            raise
        raise CvatRefused(
            f"CVAT at {url} does not let user {credentials.user!r} in; "
            "check CARLOOP_CVAT_USER and CARLOOP_CVAT_PASSWORD"
        ) from error


def address(client: Client) -> str:
    return str(client.api_map.host)


def list_all(endpoint: Any, **filters: Any) -> list[Any]:
    """Every page of one of cvat-sdk's list endpoints, oldest first."""
    found: list[Any] = []
    page = 1
    while True:
        listing, _ = endpoint.list(page=page, page_size=100, sort="id", **filters)
        found += listing.results
        if not listing.next:
            return found
        page += 1
