"""One request at a time, by requests: pages, APIs, images and files."""

import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar, cast

import requests
from urllib3.exceptions import HTTPError

from datasets.files import sync
from scrapers.errors import FetchFailed
from scrapers.fetching.addresses import Resolve, Target, resolve_by_system
from scrapers.fetching.answers import Answer
from scrapers.fetching.bodies import Body
from scrapers.fetching.pinned import PinnedAdapter, Watch, cut_after
from scrapers.fetching.settings import FetchSettings
from scrapers.fetching.steps import (
    ReadingRobots,
    Reply,
    Request,
    Resolving,
    Sending,
    Step,
    Trouble,
    Turn,
    Waiting,
    is_redirect,
)
from scrapers.fetching.visits import World, conditions

_CHUNK_BYTES = 1 << 16
_T = TypeVar("_T")


class Fetcher:
    """Reads what robots.txt allows and what lies on the public network (or is named as an exception)."""

    def __init__(self, settings: FetchSettings, *, resolve: Resolve = resolve_by_system) -> None:
        self.world = World(settings, resolve=resolve)
        self._settings = settings
        self._adapter = PinnedAdapter(self.world.pinned)

    def fetch_page(self, url: str, *, etag: str | None = None, last_modified: str | None = None) -> Answer:
        """A page; with an ETag or date, `is_unchanged` instead of its content may be the answer. Raises FetchFailed."""
        return self._visit(Request(url, self._settings.max_page_bytes, conditions(etag, last_modified)))

    def fetch_json(
        self, url: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """An API's reply. Its terms rule, not robots.txt; `headers` go to no other site. Raises FetchFailed."""
        whole = requests.Request("GET", url, params=dict(params or {})).prepare().url if params else url
        request = Request(whole or url, self._settings.max_page_bytes, dict(headers or {}), asks_robots=False)
        return self._visit(request)

    def fetch_image(self, url: str, *, etag: str | None = None, last_modified: str | None = None) -> Answer:
        """An image, as the server has it. Raises FetchFailed."""
        request = Request(url, self._settings.max_image_bytes, conditions(etag, last_modified), accepts_encoding=False)
        return self._visit(request)

    def fetch_file(
        self,
        url: str,
        path: Path,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        asks_robots: bool = True,
    ) -> Answer:
        """Put a file at `path` in one step; the answer is without its content. Raises FetchFailed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as file:
            told = dict(headers or {})
            answer = self._visit(
                Request(url, max_bytes, told, asks_robots=asks_robots, accepts_encoding=False, into=file)
            )
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync(path.parent)
        return answer

    def close(self) -> None:
        self._adapter.close()

    def _visit(self, request: Request) -> Answer:
        return self._perform(self.world.visit(request))

    def _perform(self, visit: Generator[Step, Any, _T]) -> _T:
        """Do what a visit says until it is over."""
        try:
            step = next(visit)
            while True:
                try:
                    done = self._do(step)
                except (FetchFailed, Trouble) as error:
                    step = visit.throw(error)
                else:
                    step = visit.send(done)
        except StopIteration as end:
            return cast(_T, end.value)

    def _do(self, step: Step) -> Reply | None:
        match step:
            case Resolving(target):
                self.world.pin(target)
            case ReadingRobots(target):
                self._perform(self.world.read_robots(target))
            case Waiting(seconds):
                until = time.monotonic() + seconds
                while (left_s := until - time.monotonic()) > 0:
                    self.world.wait(left_s)
            case Sending():
                return self._send(step)
        return None

    def _send(self, step: Sending) -> Reply:
        turn = self._turn(step.target)
        try:
            with cut_after(self._settings.total_timeout_s) as watch, _as_trouble(watch, self._settings.total_timeout_s):
                return self._exchange(step, turn)
        except Trouble:
            self.world.turn(step.target)
            raise
        finally:
            turn.end(time.monotonic(), max_wait_s=self._settings.max_wait_s)
            self.world.ended()

    def _turn(self, target: Target) -> Turn:
        """Wait for the host's pace, ahead of the images that are brought from it."""
        pace = self.world.pace(target)
        if self.world.elsewhere:
            return Turn(self.world.elsewhere(target, pace), time.monotonic())
        pace.is_held = True
        try:
            while wait_s := pace.wait_s(time.monotonic(), is_first=True):
                self.world.wait(wait_s)
        finally:
            pace.is_held = False
        return Turn(pace, time.monotonic())

    def _exchange(self, step: Sending, turn: Turn) -> Reply:
        headers = {"Host": step.target.netloc, **step.headers}
        request = requests.Request("GET", step.target.url, headers=headers).prepare()
        with self._adapter.send(request, stream=True, timeout=self._settings.timeout_s) as response:
            reply = Reply(response.status_code, _headers(response), b"")
            turn.answered(reply, time.monotonic())
            return reply if is_redirect(reply) else replace(reply, content=_read(response, step, reply.headers))


def _read(response: requests.Response, step: Sending, headers: Mapping[str, str]) -> bytes:
    """The body, a piece as soon as it is there: waiting for full ones would let a slow server hold us."""
    into = step.request.into
    if into:
        into.seek(0)
        into.truncate()
    body = Body(
        step.target.url,
        into=into,
        encoding=headers.get("content-encoding"),
        max_bytes=step.request.max_bytes,
        is_cut=step.request.is_cut,
    )
    while not body.is_full and (chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False)):
        body.feed(chunk)
    return body.end()


def _headers(response: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


@contextmanager
def _as_trouble(watch: Watch, seconds: float) -> Iterator[None]:
    """Raise Trouble for whatever the network does wrong."""
    try:
        yield
    except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
        reason = f"no whole answer within {seconds:g} s" if watch.was_cut else str(error)
        raise Trouble(reason) from error
    if watch.was_cut:  # a body without a length ends there as if it were whole
        raise Trouble(f"no whole answer within {seconds:g} s")
