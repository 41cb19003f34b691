"""The open connections of a transfer, to the addresses that were checked, kept between requests and ended in time.

Names stay in `Host`, in TLS's server name and in the certificate's check. Times are seconds of the loop's clock.
"""

import asyncio
import ssl
from collections import defaultdict
from functools import cached_property

from scrapers.fetching.addresses import Target
from scrapers.fetching.connection import Connection, Stale
from scrapers.fetching.steps import Reply, Sending, Trouble, Turn
from scrapers.fetching.visits import World

_BUFFER_BYTES = 1 << 18
_MAX_IDLE_S = 15.0


class Connections:
    """The open connections to all hosts. They go to the addresses that `world` has pinned."""

    def __init__(self, world: World) -> None:
        self._world, self._settings = world, world.settings
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._busy: set[Connection] = set()
        self._idle: dict[str, list[Connection]] = defaultdict(list)
        self._sites: dict[Connection, str] = {}  # of the idle ones, the longest idle first
        self._swept_at = self._loop.time()
        self._sweep_s = min(1.0, self._settings.timeout_s / 10, self._settings.total_timeout_s / 10)
        self._sweeping = self._loop.call_later(self._sweep_s, self._sweep)

    async def ask(self, step: Sending, turn: Turn) -> Reply:
        """One exchange, on a connection that is open or a new one. Raises Trouble or FetchFailed, or OSError."""
        deadline = self._loop.time() + self._settings.total_timeout_s
        while idle := self._idle[step.target.site]:
            connection = idle.pop()
            del self._sites[connection]
            try:
                return await self._ask(connection, step, turn, deadline)
            except Stale:
                continue
        return await self._ask(await self._connect(step.target, deadline), step, turn, deadline)

    def close(self) -> None:
        self._sweeping.cancel()
        for connection in (*self._busy, *self._sites):
            connection.close()

    async def _ask(self, connection: Connection, step: Sending, turn: Turn, deadline: float) -> Reply:
        self._busy.add(connection)
        try:
            reply = await connection.ask(step, turn, deadline=deadline)
        except BaseException:
            connection.close()
            raise
        finally:
            self._busy.discard(connection)
        if connection.is_reusable:
            self._keep(connection, step.target.site)
        else:
            connection.close()
        return reply

    def _keep(self, connection: Connection, site: str) -> None:
        """For the site's next request; no more of them all together than may be busy at once."""
        self._idle[site].append(connection)
        self._sites[connection] = site
        if len(self._sites) > self._settings.at_once:
            self._drop(next(iter(self._sites)))

    def _drop(self, connection: Connection) -> None:
        self._idle[self._sites.pop(connection)].remove(connection)
        connection.close()

    async def _connect(self, target: Target, deadline: float) -> Connection:
        """A connection to the first of a host's addresses that gives one."""
        failure: OSError = OSError(f"{target.host}:{target.port} has not been resolved")
        is_secure = target.scheme == "https"
        for address in self._world.pinned(target.host, target.port):
            try:
                async with asyncio.timeout(min(self._settings.timeout_s, deadline - self._loop.time())):
                    _, connection = await self._loop.create_connection(
                        lambda: Connection(self._buffer),
                        address,
                        target.port,
                        ssl=self._secure if is_secure else None,
                        server_hostname=target.host if is_secure else None,
                    )
                return connection
            except OSError as error:  # TimeoutError is one
                failure = error
        raise failure

    @cached_property
    def _secure(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _sweep(self) -> None:
        """End what takes too long. While the loop stood still nobody could be heard, so that time does not count."""
        now = self._loop.time()
        stood_still_s = max(0.0, now - self._swept_at - 2 * self._sweep_s)
        for connection in list(self._busy):
            connection.deadline += stood_still_s
            connection.heard_at += stood_still_s
            if now > connection.deadline:
                connection.fail(Trouble(f"no whole answer within {self._settings.total_timeout_s:g} s"))
            elif now > connection.heard_at + self._settings.timeout_s:
                connection.fail(Trouble(f"no answer within {self._settings.timeout_s:g} s"))
        for connection in [one for one in self._sites if now > one.heard_at + _MAX_IDLE_S]:
            self._drop(connection)
        for site in [site for site, idle in self._idle.items() if not idle]:
            del self._idle[site]
        self._swept_at = now
        self._sweeping = self._loop.call_later(self._sweep_s, self._sweep)
