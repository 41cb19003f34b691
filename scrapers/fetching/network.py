"""The network side of a transfer: an event loop that performs visits, each host at its own pace."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

from scrapers.errors import FetchFailed
from scrapers.fetching.addresses import Target
from scrapers.fetching.answers import Answer, Wanted
from scrapers.fetching.connections import Connections
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
)
from scrapers.fetching.visits import World, conditions

Came: TypeAlias = tuple[Wanted, Answer | FetchFailed]
OBJECTS = 50_000
"""So many new ones before garbage is looked for: what waits here is no garbage, and there is much of it."""

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
        self._connections = Connections(world)
        self._hosts: dict[str, _Host] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(self._settings.at_once)
        self._ended = asyncio.Event()
        self._is_paused = False

    async def close(self) -> None:
        """End at once, whatever is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._connections.close()
        for _ in range(10):  # what was closed lets go of its sockets in the loop's next turns
            await asyncio.sleep(0)

    def pause(self, is_paused: bool) -> None:
        """Begin no request, or go on."""
        self._is_paused = is_paused
        self.wake()

    def wake(self) -> None:
        """Look again whose turn it is."""
        self._ended.set()

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
            return await self._connections.ask(step, turn)
        except (OSError, ValueError) as error:
            raise Trouble(str(error) or type(error).__name__) from error
        finally:
            turn.end(time.monotonic(), max_wait_s=self._settings.max_wait_s)
            self._slots.release()
            self._ended.set()

    async def _turn(self, pace: Pace) -> Turn:
        """Wait for the host's pace and for a connection, both at once, so that the pace is kept."""
        while True:
            await self._slots.acquire()
            wait_s = math.inf if self._is_paused else pace.wait_s(time.monotonic())
            if not wait_s:
                return Turn(pace, time.monotonic())
            self._slots.release()
            if math.isfinite(wait_s):
                await asyncio.sleep(wait_s)
            else:
                self._ended.clear()
                await self._ended.wait()


def _host_name(url: str) -> str:
    """Which addresses wait in the same line; what their host is, their visits find out."""
    parts = url.split("/", 3)
    return parts[2] if len(parts) > 2 else ""
