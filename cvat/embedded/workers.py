"""Threads that work through a queue."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_log = logging.getLogger(__name__)

Item = TypeVar("Item")


class Workers(Generic[Item]):
    """A few threads that call `do` with each item put, in the order put. What `do` raises is logged."""

    def __init__(self, do: Callable[[Item], None], *, threads: int) -> None:
        self._do = do
        self._waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
        for _ in range(threads):
            # Daemons: a stop need not wait for them, as work cut short begins again with the next start.
            threading.Thread(target=self._work, daemon=True).start()

    def put(self, item: Item) -> None:
        """Have an item done; returns at once."""
        self._waiting.put(item)

    def _work(self) -> None:
        while True:
            item = self._waiting.get()
            try:
                self._do(item)
            except Exception:  # the thread has to live on for the next item
                _log.exception("%r could not be brought to an end", item)
