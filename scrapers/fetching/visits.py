"""The rules of a visit, without I/O: a generator says what is to be done next, a client does it and sends what came.

A visit checks and pins the address, asks robots.txt, makes the request, follows redirects by the same rules and tries
again after trouble that may pass. `Fetcher` performs visits with requests, `transfer` many at once with asyncio.
"""

import random
import time
from collections.abc import Callable, Generator, Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any
from urllib.parse import urljoin

from scrapers.errors import FetchFailed, FetchRefused
from scrapers.fetching.addresses import Resolve, Target, pin, read_target, resolve_by_system
from scrapers.fetching.answers import Answer
from scrapers.fetching.pace import TROUBLE, Pace
from scrapers.fetching.robots import MAX_BYTES, Rules, product_token, read_rules
from scrapers.fetching.settings import FetchSettings, HostSettings
from scrapers.fetching.steps import (
    Paced,
    ReadingRobots,
    Reply,
    Request,
    Resolving,
    Sending,
    Step,
    Trouble,
    Visit,
    Waiting,
    is_redirect,
    retry_after_s,
)

_MAX_REDIRECTS = 5
_PIN_AGE_S = 300.0
_ROBOTS_AGE_S = 24 * 3600.0
_ROBOTS_TROUBLE_AGE_S = 600.0


class World:
    """What is known of the hosts that are visited: their IP addresses, their rules and their pace.

    A `Fetcher` and a transfer in the same thread share one. The transfer sets `wait`, so that it goes on while a page
    waits for its turn (so long or shorter), and `ended`, to be told when a page is there; one in another process
    has the paces `elsewhere`.
    """

    def __init__(self, settings: FetchSettings, *, resolve: Resolve = resolve_by_system) -> None:
        self.settings = settings
        self.agent = product_token(settings.user_agent)
        self._plain = {"User-Agent": settings.user_agent, "Accept-Encoding": "identity", "Accept": "*/*"}
        self._encoded = self._plain | {"Accept-Encoding": "gzip, deflate"}
        self._resolve = resolve
        self._pins: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}
        self._robots: dict[str, tuple[float, Rules | str]] = {}
        self.paces: dict[str, Pace] = {}
        self.wait: Callable[[float], None] = time.sleep
        self.ended: Callable[[], None] = lambda: None
        self.elsewhere: Callable[[Target, Pace], Paced] | None = None

    def target(self, url: str) -> Target:
        return read_target(url, allow_private=self.settings.allow_private, ports=self.settings.ports)

    def pin(self, target: Target) -> None:
        """Resolve and check. Raises FetchFailed."""
        self._pins[target.host, target.port] = (time.monotonic() + _PIN_AGE_S, pin(target, self._resolve))

    def pinned(self, host: str, port: int) -> tuple[str, ...]:
        """The checked IP addresses to connect to; none before `pin`."""
        until, found = self._pins.get((host, port), (0.0, ()))
        return found if until > time.monotonic() else ()

    def turn(self, target: Target) -> None:
        """Connect to the next of a host's IP addresses from now on, since the first one gives no connection."""
        until, found = self._pins.get((target.host, target.port), (0.0, ()))
        self._pins[target.host, target.port] = (until, found[1:] + found[:1])

    def rules(self, target: Target) -> Rules | str | None:
        """A site's rules, or why nothing is known of them, or None when it has to be asked (again)."""
        until, rules = self._robots.get(target.site, (0.0, ""))
        return rules if until > time.monotonic() else None

    def pace(self, target: Target) -> Pace:
        if target.netloc not in self.paces:
            limits = self._limits(target)
            self.paces[target.netloc] = Pace(1 / limits.per_second if limits.per_second else 0.0, limits.at_once)
        return self.paces[target.netloc]

    def at_once(self, url: str) -> int:
        """How many requests to this address's host may be open at once."""
        try:
            return self._limits(self.target(url)).at_once
        except FetchFailed:
            return 1

    def _limits(self, target: Target) -> HostSettings:
        usual = self.settings.private if target.is_named else self.settings.public
        hosts = self.settings.hosts
        return hosts.get(f"{target.host}:{target.port}") or hosts.get(target.host, usual)

    def visit(self, request: Request) -> Visit:
        """The visit of an address. Raises FetchFailed with `tries`; a status that is no success is one too, but 304."""
        answer = yield from self._insist(request)
        if answer.status != HTTPStatus.NOT_MODIFIED and not 200 <= answer.status < 300:
            raise _failed(answer)
        return answer

    def read_robots(self, target: Target) -> Generator[Step, Any, None]:
        """The visit of a site's robots.txt, after which `rules` knows it. Raises nothing."""
        url = f"{target.site}/robots.txt"
        age = _ROBOTS_AGE_S
        rules: Rules | str
        try:
            answer = yield from self._insist(Request(url, MAX_BYTES, asks_robots=False, is_cut=True))
        except FetchFailed as error:
            rules, age = str(error), _ROBOTS_TROUBLE_AGE_S
        else:
            rules = _rules(answer, self.agent)
            if isinstance(rules, str):
                age = _ROBOTS_TROUBLE_AGE_S
        self._robots[target.site] = (time.monotonic() + age, rules)
        if isinstance(rules, Rules) and rules.crawl_delay_s:
            pace = self.pace(target)
            pace.gap_s = max(pace.gap_s, rules.crawl_delay_s)
            pace.next_at = max(pace.next_at, time.monotonic() + pace.gap_s)

    def _insist(self, request: Request) -> Visit:
        """Several tries; the answer may be of any status."""
        tries = 1
        while True:
            wait_s = 0.0
            is_last = tries >= self.settings.attempts
            try:
                answer = yield from self._follow(request, tries)
            except FetchFailed as error:
                error.tries = error.tries or tries
                raise
            except Trouble as trouble:
                if is_last:
                    raise FetchFailed(
                        f"{request.url} could not be read in {tries} attempts: {trouble}", tries=tries
                    ) from trouble
            else:
                if is_last or answer.status not in TROUBLE or answer.status == 500:
                    return answer
                asked_s = retry_after_s(answer.headers)
                if asked_s is not None and asked_s > self.settings.max_wait_s:
                    return answer
                wait_s = asked_s or 0.0
            yield Waiting(max(wait_s, 2 ** (tries - 1) * random.uniform(0.1, 0.5)))
            tries += 1

    def _follow(self, request: Request, tries: int) -> Visit:
        target = self.target(request.url)
        first, seen = target, set[str]()
        while True:
            seen.add(target.url)
            yield from self._prepare(target, request)
            reply: Reply = yield Sending(target, request, self._headers(request, first, target))
            location = reply.headers.get("location")
            if location is None or not is_redirect(reply):
                robots = "allowed" if request.asks_robots else "not asked"
                return Answer(request.url, target.url, reply.status, reply.headers, reply.content, robots, tries)
            target = self._redirected(target, location)
            if target.url in seen:
                raise FetchRefused(f"{request.url} redirects in a circle, back to {target.url}")
            if len(seen) > _MAX_REDIRECTS:
                raise FetchRefused(f"{request.url} redirects more than {_MAX_REDIRECTS} times")

    def _redirected(self, target: Target, location: str) -> Target:
        try:
            return self.target(urljoin(target.url, location))
        except ValueError:
            raise FetchRefused(f"{target.url} redirects to {location!r}, which is no http or https address") from None

    def _prepare(self, target: Target, request: Request) -> Generator[Step, Any, None]:
        if not self.pinned(target.host, target.port):
            yield Resolving(target)
        if not request.asks_robots:
            return
        while (rules := self.rules(target)) is None:
            yield ReadingRobots(target)
        if isinstance(rules, str):
            raise FetchFailed(f"{target.url} is not asked for, since nothing says that robots may: {rules}")
        if not rules.allow(target.path):
            raise FetchRefused(f"{target.url} is not for robots, says {target.site}/robots.txt")
        if self.pace(target).gap_s > self.settings.max_wait_s:
            raise FetchFailed(
                f"{target.url} is not asked for, since {target.site}/robots.txt asks for "
                f"{self.pace(target).gap_s:g} s between requests; see fetch: max_wait_s:"
            )

    def _headers(self, request: Request, first: Target, target: Target) -> Mapping[str, str]:
        headers = self._encoded if request.accepts_encoding else self._plain
        if not request.headers:
            return headers
        if target.site == first.site:
            return headers | dict(request.headers)
        return headers | {name: value for name, value in request.headers.items() if name.lower().startswith("if-")}


def conditions(etag: str | None, last_modified: str | None) -> dict[str, str]:
    """The headers that ask for changes only."""
    said = {"If-None-Match": etag, "If-Modified-Since": None if etag else last_modified}
    return {name: value for name, value in said.items() if value}


def _rules(answer: Answer, agent: str) -> Rules | str:
    """The rules; without any everything is allowed. A server that cannot tell allows nothing, and this is why."""
    if answer.status >= 500 or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _said(answer)
    return read_rules(answer.content if 200 <= answer.status < 300 else b"", agent=agent)


def _failed(answer: Answer) -> FetchFailed:
    return FetchFailed(
        _said(answer),
        status=answer.status,
        retry_after_s=retry_after_s(answer.headers),
        tries=answer.tries,
    )


def _said(answer: Answer) -> str:
    return f"{answer.url} answered {answer.status} {responses.get(answer.status, '')}".rstrip()
