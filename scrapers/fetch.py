"""One polite, careful client: robots.txt, private networks refused, limits on size and time, retries with back-off."""

import ipaddress
import random
import socket
import time
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
from bs4.dammit import UnicodeDammit
from protego import Protego

from scrapers.errors import FetchFailed
from scrapers.settings import FetchSettings

_MAX_REDIRECTS = 5
_MAX_PAGE_BYTES = 10_000_000
_CHUNK_BYTES = 1 << 16
_PORTS = {"http": 80, "https": 443}
_WORTH_ANOTHER_TRY = (429, 502, 503, 504)


class Fetcher:
    """Reads addresses that robots.txt allows and that lie on the public network (or are named as exceptions)."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._session = requests.Session()
        self._session.headers["User-Agent"] = settings.user_agent
        self._session.trust_env = False
        self._robots: dict[str, Protego | str] = {}
        self._last_request: dict[str, float] = {}

    def fetch_page(self, url: str) -> str:
        """A page's text, decoded as its header, its bytes or its `meta` say, in this order. Raises FetchFailed."""
        response, content = self._fetch(url, max_bytes=_MAX_PAGE_BYTES)
        has_charset = "charset" in response.headers.get("Content-Type", "").lower()
        said = [str(response.encoding)] if has_charset else []
        return UnicodeDammit(content, said, user_encodings=["utf-8"], is_html=True).unicode_markup or ""

    def fetch_image(self, url: str) -> bytes:
        """An image's bytes, as the server sent them. Raises FetchFailed."""
        return self._fetch(url, max_bytes=self._settings.max_image_bytes)[1]

    def _fetch(self, url: str, *, max_bytes: int) -> tuple[requests.Response, bytes]:
        response, content = self._get(url, max_bytes=max_bytes, as_robot=True)
        if not response.ok:
            raise FetchFailed(f"{url} answered {response.status_code} {response.reason}")
        return response, content

    def _get(self, url: str, *, max_bytes: int, as_robot: bool) -> tuple[requests.Response, bytes]:
        attempt = 1
        while True:
            is_last = attempt == self._settings.attempts
            try:
                response, content = self._follow(url, max_bytes=max_bytes, as_robot=as_robot)
            except (requests.RequestException, ValueError) as error:  # ValueError: a Location that is no address
                if is_last:
                    raise FetchFailed(f"{url} could not be read in {attempt} attempts: {error}") from error
            else:
                if is_last or response.status_code not in _WORTH_ANOTHER_TRY:
                    return response, content
            time.sleep(2 ** (attempt - 1) * random.uniform(0.1, 0.5))
            attempt += 1

    def _follow(self, url: str, *, max_bytes: int, as_robot: bool) -> tuple[requests.Response, bytes]:
        start_url = url
        for _ in range(_MAX_REDIRECTS + 1):
            self._refuse_private(url)
            if as_robot:
                self._keep_crawl_delay(url, self._robots_that_allow(url))
            with self._send(url) as response:
                if not response.is_redirect:
                    return response, _read_limited(response, max_bytes)
                url = urljoin(url, response.headers["Location"])
        raise FetchFailed(f"{start_url} redirects more than {_MAX_REDIRECTS} times")

    def _send(self, url: str) -> requests.Response:
        """The answer, its body unread. The adapter is asked, since the session would read all of a redirect's body."""
        request = self._session.prepare_request(requests.Request("GET", url))
        return self._session.get_adapter(url).send(request, stream=True, timeout=self._settings.timeout_s)

    def _robots_that_allow(self, url: str) -> Protego:
        """The site's robots.txt; raises FetchFailed when it, or what hinders reading it, does not allow the address."""
        site = _site(url)
        if site not in self._robots:
            self._robots[site] = self._fetch_robots(f"{site}/robots.txt")
        rules = self._robots[site]
        if isinstance(rules, str):
            raise FetchFailed(f"{url} is not asked for, since nothing says that robots may: {rules}")
        if not rules.can_fetch(url, self._settings.user_agent):
            raise FetchFailed(f"{url} is not for robots, says {site}/robots.txt")
        return rules

    def _fetch_robots(self, url: str) -> Protego | str:
        """The rules; without any everything is allowed. A server that cannot tell allows nothing, and this is why."""
        try:
            response, content = self._get(url, max_bytes=_MAX_PAGE_BYTES, as_robot=False)
        except FetchFailed as error:
            return str(error)
        if response.status_code >= 500 or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return f"{url} answered {response.status_code} {response.reason}"
        return Protego.parse(content.decode(errors="replace") if response.ok else "")

    def _keep_crawl_delay(self, url: str, rules: Protego) -> None:
        site = _site(url)
        delay = float(rules.crawl_delay(self._settings.user_agent) or 0)
        due = self._last_request.get(site, float("-inf")) + delay
        time.sleep(max(0.0, due - time.monotonic()))
        self._last_request[site] = time.monotonic()

    def _refuse_private(self, url: str) -> None:
        host, port = _host_and_port(url)
        if f"{host}:{port}" in self._settings.allow_private:
            return
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise FetchFailed(f"{url}: host {host!r} is not known: {error}") from error
        private = [entry[4][0] for entry in found if not ipaddress.ip_address(entry[4][0]).is_global]
        if private:
            raise FetchFailed(
                f"{url} is on a private network ({private[0]}); if that is meant, name {host}:{port} under "
                "fetch: allow_private:"
            )


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        host, port = None, 0
    if not host:
        raise FetchFailed(f"{url} is no http or https address")
    return host, port


def _site(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))


def _read_limited(response: requests.Response, max_bytes: int) -> bytes:
    content = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            raise FetchFailed(f"{response.url} is larger than {max_bytes} bytes")
    return bytes(content)
