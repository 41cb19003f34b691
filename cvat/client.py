"""A logged-in cvat-sdk client, and the requests that every step shares.

A request that may be repeated (all but POST and PATCH) is, when the server fails, drops it or is slow, and each time
is told. What may not is repeated by its step, which first looks at what is there.
"""

import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from cvat_sdk import Client, Config
from cvat_sdk.api_client.rest import RESTClientObject
from cvat_sdk.exceptions import ApiException
from cvat_sdk.version import VERSION
from msgspec import Struct
from urllib3 import BaseHTTPResponse, Retry, Timeout

from cvat.errors import CvatAbsent, CvatRefused, CvatUnavailable, told_in_a_sentence

_POLL_SECONDS = 0.1
_PAGE = 500
_PAUSES = (0.5, 2, 8)  # seconds before a step is begun anew
_TOO_MANY = 429
_OLDEST = (2, 54)
_LOG = logging.getLogger("carloop.cvat")

Row = TypeVar("Row", bound=Struct)
T = TypeVar("T")


@dataclass(frozen=True)
class Credentials:
    """Who Carloop is on a server."""

    user: str
    password: str


@dataclass(frozen=True)
class Patience:
    """How long to bear with a server: seconds to connect, seconds without a byte, and how often to ask in all.

    Between two requests lie 0, 1, 2, 4, 8, … times `pause` seconds, or what the server asks for, to a minute.
    """

    connect: float = 5
    read: float = 120
    times: int = 6
    pause: float = 1


_AT_FIRST = Patience(read=10, times=2)


@contextmanager
def connect(url: str, credentials: Credentials, patience: Patience = Patience()) -> Iterator[Client]:
    """A client logged in at `url`. An address where nobody answers at first is told within seconds.

    Raises:
        CvatUnavailable: nobody answers, or the server fails.
        CvatRefused: what answers is no CVAT, or does not let the user in.
    """
    logger = logging.getLogger("carloop.cvat.sdk")
    logger.setLevel(logging.ERROR)
    config = Config(status_check_period=_POLL_SECONDS)
    with told_in_a_sentence("logging in", url):
        client = Client(url, config=config, logger=logger, check_server_version=False)
    with client:
        try:
            _bear_with(client, _AT_FIRST, connect=0)
            _check_version(client, url)
            _bear_with(client, patience)
            repeat(lambda: _log_in(client, url, credentials))
            yield client
        finally:
            _hang_up(client)


def _hang_up(client: Client) -> None:
    """End the connections, which cvat-sdk leaves open as long as anything remembers its last response."""
    pools = client.api_client.rest_client.pool_manager.pools
    for key in pools.keys():  # noqa: SIM118 - urllib3 lets nobody iterate over the pools themselves
        pools[key].close()


def _bear_with(client: Client, patience: Patience, **retries: int) -> None:
    _hang_up(client)
    configuration = client.api_client.configuration
    configuration.retries = _Told(total=patience.times - 1, backoff_factor=patience.pause / 2, **retries)
    client.api_client.rest_client = _TimedRequests(configuration, patience)


class _TimedRequests(RESTClientObject):  # type: ignore[misc]
    """cvat-sdk's connections, with a timeout also where it asks for none."""

    def __init__(self, configuration: Any, patience: Patience) -> None:
        super().__init__(configuration)
        self._timeout = (patience.connect, patience.read)
        self.pool_manager.connection_pool_kw["timeout"] = Timeout(connect=patience.connect, read=patience.read)

    def request(self, *args: Any, _request_timeout: Any = None, **options: Any) -> Any:
        return super().request(*args, _request_timeout=_request_timeout or self._timeout, **options)


def _log_in(client: Client, url: str, credentials: Credentials) -> None:
    with told_in_a_sentence("logging in", url):
        try:
            client.login((credentials.user, credentials.password))
        except ApiException as error:
            if error.status not in (400, 401, 403):
                raise
            raise CvatRefused(
                f"CVAT at {url} does not let user {credentials.user!r} in; "
                "check CARLOOP_CVAT_USER and CARLOOP_CVAT_PASSWORD"
            ) from error


class _About(Struct):
    version: str


def _check_version(client: Client, url: str) -> None:
    """Warn of a server that Carloop was not tried with. Raises CvatRefused when it is no CVAT."""
    try:
        about = msgspec.json.decode(call(client, "GET", "/api/server/about"), type=_About)
    except (CvatAbsent, msgspec.DecodeError) as error:
        raise CvatRefused(f"what answers at {url} is no CVAT; check the address") from error
    version, newest = _major_minor(about.version), _major_minor(VERSION)
    if not _OLDEST <= version <= newest:
        tried = " to ".join(".".join(map(str, one)) for one in (_OLDEST, newest))
        _LOG.warning("CVAT at %s has version %s; Carloop was tried with %s and goes on", url, about.version, tried)


def _major_minor(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:2]))


def address(client: Client) -> str:
    return str(client.api_map.host)


def call(client: Client, method: str, path: str, *, body: bytes | None = None) -> bytes:
    """One request of our own through the client's connection and login; gives the body of the answer.

    Raises:
        CvatUnavailable: nobody answers.
        CvatRefused: the answer is an error.
    """
    headers = {**client.api_client.get_common_headers(), "Accept": "application/vnd.cvat+json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    with told_in_a_sentence(f"asked for {method} {path}", address(client)):
        client.api_client.update_params_for_auth(headers, [], None, path, method, body)
        pool = client.api_client.rest_client.pool_manager
        answer: BaseHTTPResponse = pool.request(method, address(client) + path, headers=headers, body=body)
        if answer.status >= 400:
            raise ApiException(status=answer.status, reason=answer.reason, http_resp=answer)
    return answer.data


class _Page(Struct, Generic[Row]):
    next: str | None
    results: list[Row]


def read_all(client: Client, path: str, row: type[Row], query: Mapping[str, Any], *, sort: str = "id") -> list[Row]:
    """Every row of one of CVAT's lists, oldest first. Raises CvatError."""
    decoder = msgspec.json.Decoder(_Page[row])  # type: ignore[valid-type]
    found: list[Row] = []
    page = 1
    while True:
        asked = urlencode({**query, "sort": sort, "page": page, "page_size": _PAGE})
        answer = decoder.decode(call(client, "GET", f"{path}?{asked}"))
        found += answer.results
        if not answer.next:
            return found
        page += 1


def repeat(step: Callable[[], T]) -> T:
    """Do a step that first looks at what is there, and begin it anew when the server fails or loses something."""
    for pause in _PAUSES:
        try:
            return step()
        except (CvatUnavailable, CvatAbsent) as error:
            seconds = pause * random.uniform(0.8, 1.2)
            _LOG.warning("%s; again in %.1f s", error, seconds)
            time.sleep(seconds)
    return step()


def list_all(endpoint: Any, **filters: Any) -> list[Any]:
    """Every page of one of cvat-sdk's list endpoints, oldest first."""
    found: list[Any] = []
    page = 1
    while True:
        listing, _ = endpoint.list(page=page, page_size=_PAGE, sort="id", **filters)
        found += listing.results
        if not listing.next:
            return found
        page += 1


class _Told(Retry):
    """Repeats what may be repeated, and tells each failure in the log."""

    def __init__(self, **options: Any) -> None:
        defaults = {
            "backoff_jitter": 0.1,
            "retry_after_max": 60,
            "status_forcelist": (_TOO_MANY, 500, 502, 503, 504),
            "allowed_methods": ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"),
            "raise_on_status": False,
        }
        super().__init__(**{**defaults, **options})

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        """What a server had no time for, it has not done: any method may be repeated."""
        return status_code == _TOO_MANY or super().is_retry(method, status_code, has_retry_after)

    def increment(
        self, method: Any = None, url: Any = None, response: Any = None, error: Any = None, *rest: Any, **more: Any
    ) -> "_Told":
        again: _Told = super().increment(method, url, response, error, *rest, **more)
        why = f"answered {response.status}" if response is not None else f"failed ({_cause(error)})"
        asked = again.get_retry_after(response) if response is not None else None
        path, seconds = str(url).partition("?")[0], asked or again.get_backoff_time()
        _LOG.warning("CVAT %s at %s %s; again in %.1f s", why, method, path, seconds)
        return again


def _cause(error: Exception) -> object:
    """urllib3 wraps what happened as the last argument of its own error."""
    return error.args[-1] if error.args else error
