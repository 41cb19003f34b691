"""The way to a network in this thread: it goes on whenever a transfer waits. `apart` has the other way."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

from datasets.stored_image import StoredImage
from scrapers.errors import FetchFailed, FetchRefused
from scrapers.fetching.answers import Answer, Wanted
from scrapers.fetching.images import look_at
from scrapers.fetching.network import Came, Network
from scrapers.fetching.spool import UNTAKEN, Spool
from scrapers.fetching.visits import World

Seen = tuple[Wanted, Answer | FetchFailed, StoredImage | FetchRefused | None, str]
"""What came of an address, without its content, and of an image what its bytes say and its file's path, or why it is
not to be kept."""


class Link(Protocol):
    """What a transfer needs of a network."""

    def add(self, wanted: Sequence[Wanted]) -> None: ...

    def next(self) -> Seen:
        """What came of one more address, when it has come."""


class Near:
    """The network in this thread: it goes on while `next` waits. What comes is kept in the spool at once.

    `next` raises OSError when the disk is full.
    """

    def __init__(self, world: World, spool: Path) -> None:
        self._world = world
        self._spool = Spool(spool, at_once=world.settings.at_once)
        self._came: deque[Seen] = deque()
        self._failure: OSError | None = None
        self._loop = asyncio.new_event_loop()
        self._is_open = True

    def __enter__(self) -> Self:
        self._network = self._loop.run_until_complete(self._open())
        self._world.wait, self._world.ended = self._wait, self._network.wake
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_open = False
        self._world.wait, self._world.ended = time.sleep, lambda: None
        self._loop.run_until_complete(self._network.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self._spool.close()

    def add(self, wanted: Sequence[Wanted]) -> None:
        self._network.add(wanted)

    def next(self) -> Seen:
        while not self._came:
            if self._failure:
                raise self._failure
            self._loop.run_forever()
        return self._came.popleft()

    def _wait(self, seconds: float) -> None:
        """Go on while a page waits, a second or until something has come, but begin nothing when much has."""
        self._network.pause(len(self._came) >= UNTAKEN // 2)
        timer = self._loop.call_later(min(seconds, 1.0), self._loop.stop)
        self._loop.run_forever()
        timer.cancel()
        self._network.pause(False)

    def _keep(self, wanted: Wanted, answer: Answer) -> None:
        image = look_at(answer, self._world.settings)
        try:
            path = self._spool.keep(answer, image) if isinstance(image, StoredImage) else ""
        except OSError as error:
            self._failure = error
        else:
            self._came.append((wanted, answer.bare, image, path))

    async def _open(self) -> Network:
        return Network(self._world, self._put)

    def _put(self, came: Came) -> None:
        wanted, answer = came
        if isinstance(answer, FetchFailed):
            self._came.append((wanted, answer, None, ""))
        else:
            self._keep(wanted, answer)
        if self._is_open:  # what still comes while the network closes must not stop that
            self._loop.stop()
