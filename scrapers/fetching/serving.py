"""The process that `apart` starts: a start, then orders come in on stdin; what came of them goes out on stdout."""

import asyncio
import gc
import math
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from datasets.stored_image import StoredImage
from scrapers.errors import FetchFailed, FetchRefused
from scrapers.fetching.answers import Answer, Wanted
from scrapers.fetching.images import look_at
from scrapers.fetching.messages import Granted, Head, Order, PageAsked, PageEnded, Start, Taken, packed, read_frame
from scrapers.fetching.network import OBJECTS, Came, Network
from scrapers.fetching.spool import UNTAKEN, Spool
from scrapers.fetching.visits import World

Message = Order | Taken | PageAsked | PageEnded

_LONGEST_WAIT_S = 0.05
_MESSAGES = msgspec.msgpack.Decoder(list[Message])


class Server:
    """Performs orders, and grants pages their turns. Begins nothing while too much that came has not been taken."""

    def __init__(self, start: Start, spool: Path) -> None:
        self._settings = start.settings
        self._world = World(start.settings)
        self._world.paces.update(start.paces)
        self._spool = Spool(spool, at_once=start.settings.at_once)
        self._heads: list[Head | Granted] = []
        self._untaken = 0
        self._pages: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._network = Network(self._world, self._put)
        threading.Thread(target=self._read_messages, daemon=True).start()
        await asyncio.Event().wait()

    def _put(self, came: Came) -> None:
        self._untaken += 1
        if self._untaken == UNTAKEN:
            self._network.pause(True)
        try:
            self._say(self._head(*came))
        except OSError as error:  # the disk is full: the parent tells
            os._exit(error.errno or 1)

    def _say(self, message: Head | Granted) -> None:
        """Together with all else that the loop's present turn brings."""
        if not self._heads:
            self._loop.call_soon(self._tell)
        self._heads.append(message)

    def _tell(self) -> None:
        heads, self._heads = self._heads, []
        view = memoryview(packed(heads))
        while view:
            view = view[os.write(1, view) :]

    def _head(self, wanted: Wanted, answer: Answer | FetchFailed) -> Head:
        if isinstance(answer, FetchFailed):
            is_refused = isinstance(answer, FetchRefused)
            failure = str(answer)
            return Head(wanted.tag, status=answer.status, tries=answer.tries, failure=failure, is_refused=is_refused)
        seen = look_at(answer, self._settings)
        return Head(
            wanted.tag,
            self._spool.keep(answer, seen) if isinstance(seen, StoredImage) else "",
            answer.final_url,
            answer.status,
            dict(answer.headers),
            answer.robots,
            answer.tries,
            seen if isinstance(seen, StoredImage) else None,
            str(seen) if isinstance(seen, FetchRefused) else None,
        )

    def _read_messages(self) -> None:
        while frame := read_frame(sys.stdin.buffer):
            self._loop.call_soon_threadsafe(self._take, _MESSAGES.decode(frame))
        os._exit(0)  # the parent has ended

    def _take(self, messages: Sequence[Message]) -> None:
        self._network.add(
            Wanted(order.url, order.etag, order.last_modified, order.number)
            for order in messages
            if isinstance(order, Order)
        )
        for message in messages:
            match message:
                case Taken(number):
                    self._untaken -= number
                    if self._untaken < UNTAKEN:
                        self._network.pause(False)
                case PageAsked():
                    page = self._loop.create_task(self._grant(message))
                    self._pages.add(page)
                    page.add_done_callback(self._pages.discard)
                case PageEnded(url, took_s, is_trouble, retry_after_s):
                    pace = self._world.pace(self._world.target(url))
                    pace.end(time.monotonic(), took_s=took_s, is_trouble=is_trouble, retry_after_s=retry_after_s)
                    self._network.wake()

    async def _grant(self, asked: PageAsked) -> None:
        pace = self._world.pace(self._world.target(asked.url))
        pace.gap_s = max(pace.gap_s, asked.gap_s)
        pace.is_held = True
        while wait_s := pace.wait_s(time.monotonic(), is_first=True):
            await asyncio.sleep(_LONGEST_WAIT_S if math.isinf(wait_s) else wait_s)
        pace.is_held = False
        pace.begin(time.monotonic())
        self._say(Granted())


def serve() -> None:
    """Run the process; the spool's folder is its argument."""
    start = msgspec.msgpack.decode(read_frame(sys.stdin.buffer), type=Start)
    gc.freeze()  # what was imported is not looked through again and again
    gc.set_threshold(OBJECTS)
    asyncio.run(Server(start, Path(sys.argv[1])).run())
