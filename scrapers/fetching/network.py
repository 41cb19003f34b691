"""The network side of a transfer: an event loop that performs visits, each host at its own pace."""

import asyncio
import math
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDictProxy
from yarl import URL

from scrapers.errors import FetchFailed
from scrapers.fetching.addresses import Target
from scrapers.fetching.answers import Answer, Wanted
from scrapers.fetching.bodies import Body
from scrapers.fetching.pace import Pace
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

Came: TypeAlias = tuple[Wanted, Answer | FetchFailed]

_T = TypeVar("_T")


@dataclass(slots=True)
class _Host:
    """Addresses of one host that wait for their turn, and how many tasks work on them."""

    at_once: int
    waiting: deque[Wanted] = field(default_factory=deque)
    workers: int = 0


class Network:
    """Performs visits within an event loop, and calls `put` with what came of each address."""

    def __init__(self, world: World, put: Callable[[Came], None]) -> None:
        self._world, self._settings, self._put = world, world.settings, put
        self._loop = asyncio.get_running_loop()
        self._session = _session(world)
        self._hosts: dict[str, _Host] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(self._settings.at_once)
        self._ended = asyncio.Event()

    async def close(self) -> None:
        """End at once, whatever is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        for _ in range(10):  # what was closed lets go of its sockets in the loop's next turns
            await asyncio.sleep(0)

    def add(self, wanted: Iterable[Wanted]) -> None:
        """Visit these too."""
        for one in wanted:
            name = _host_name(one.url)
            host = self._hosts.get(name)
            if host is None:
                host = self._hosts[name] = _Host(min(self._settings.at_once, self._world.at_once(one.url)))
            host.waiting.append(one)
            if host.workers < host.at_once:
                host.workers += 1
                self._begin(self._work(name, host))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _work(self, name: str, host: _Host) -> None:
        try:
            while host.waiting:
                wanted = host.waiting.popleft()
                self._put((wanted, await self._visit(wanted)))
        finally:
            host.workers -= 1
            if not host.workers and not host.waiting:
                self._hosts.pop(name, None)

    async def _visit(self, wanted: Wanted) -> Answer | FetchFailed:
        request = Request(
            wanted.url,
            self._settings.max_image_bytes,
            conditions(wanted.etag, wanted.last_modified),
            accepts_encoding=False,
        )
        try:
            return await self._perform(self._world.visit(request))
        except FetchFailed as error:
            return error
        except Exception as error:  # one odd answer shall not end the others
            return FetchFailed(f"{wanted.url} could not be read: {type(error).__name__}: {error}", tries=1)

    async def _perform(self, visit: Generator[Step, Any, _T]) -> _T:
        """Do what a visit says until it is over."""
        try:
            step = next(visit)
            while True:
                try:
                    done = await self._do(step)
                except (FetchFailed, Trouble) as error:
                    step = visit.throw(error)
                else:
                    step = visit.send(done)
        except StopIteration as end:
            return cast(_T, end.value)

    async def _do(self, step: Step) -> Reply | None:
        match step:
            case Sending():
                return await self._send(step)
            case Resolving(target):
                await asyncio.to_thread(self._world.pin, target)
            case Waiting(seconds):
                await asyncio.sleep(seconds)
            case ReadingRobots(target):
                await self._read_robots(target)
        return None

    async def _read_robots(self, target: Target) -> None:
        """Once for all who wait for the same site."""
        task = self._reading.get(target.site)
        if task is None:
            task = self._reading[target.site] = self._begin(self._perform(self._world.read_robots(target)))
            task.add_done_callback(lambda _: self._reading.pop(target.site, None))
        await asyncio.shield(task)

    async def _send(self, step: Sending) -> Reply:
        turn = await self._turn(self._world.pace(step.target))
        try:
            return await self._exchange(step, turn)
        except TimeoutError as error:
            raise Trouble(f"no whole answer within {self._settings.total_timeout_s:g} s{_of(error)}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Trouble(str(error) or type(error).__name__) from error
        finally:
            turn.end(time.monotonic(), max_wait_s=self._settings.max_wait_s)
            self._slots.release()
            self._ended.set()

    async def _turn(self, pace: Pace) -> Turn:
        """Wait for the host's pace and for a connection, both at once, so that the pace is kept."""
        while True:
            await self._slots.acquire()
            wait_s = pace.wait_s(time.monotonic())
            if not wait_s:
                return Turn(pace, time.monotonic())
            self._slots.release()
            if math.isfinite(wait_s):
                await asyncio.sleep(wait_s)
            else:
                self._ended.clear()
                await self._ended.wait()

    async def _exchange(self, step: Sending, turn: Turn) -> Reply:
        url = URL(step.target.url, encoded=True)
        async with self._session.get(url, headers=step.headers, allow_redirects=False) as response:
            reply = Reply(response.status, _headers(response.headers), b"")
            turn.answered(reply, time.monotonic())
            if is_redirect(reply):
                response.close()
                return reply
            return Reply(reply.status, reply.headers, await _read(response, step, reply.headers))


async def _read(response: aiohttp.ClientResponse, step: Sending, headers: Mapping[str, str]) -> bytes:
    most, encoding = step.request.max_bytes, headers.get("content-encoding")
    if encoding is None and 0 <= (response.content_length or -1) <= most:
        return await response.read()
    body = Body(step.target.url, encoding=encoding, max_bytes=most, is_cut=step.request.is_cut)
    async for chunk in response.content.iter_any():
        body.feed(chunk)
        if body.is_full:
            break
    return body.end()


class _Pinned(AbstractResolver):
    """Tells the addresses that were checked, and looks up nothing."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = self._world.pinned(host, port)
        if not addresses:
            raise OSError(f"{host}:{port} has not been resolved")
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=flags,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _session(world: World) -> aiohttp.ClientSession:
    settings = world.settings
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, resolver=_Pinned(world), use_dns_cache=False),
        timeout=aiohttp.ClientTimeout(
            total=settings.total_timeout_s, sock_connect=settings.timeout_s, sock_read=settings.timeout_s
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


def _headers(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _of(error: Exception) -> str:
    return f": {error}" if str(error) else ""
