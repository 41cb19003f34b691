"""The worker processes of one function: calls go to whichever is free, one that dies is started again.

As in Nuclio's processor: a call waits for a free worker at most the function's availability timeout (then 503), and a
worker that is busy for longer than the event timeout is ended (408).
"""

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self, cast

from nuclio_functions.errors import BadFunction, WorkerDied
from nuclio_functions.host.folders import HostedFunction
from nuclio_functions.host.memory import BLOCK_BYTES, MALLOC_VARIABLE
from nuclio_functions.host.protocol import HEAD_BYTES, Answer, Call, fetch_answer, pack, refusal

READY_SECONDS = 120
RESTART_SECONDS = 1

log = logging.getLogger(__name__)


def environment_of(function: HostedFunction, env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a function's workers: function.yaml's over this process's, and `env` over both."""
    return {MALLOC_VARIABLE: str(BLOCK_BYTES), **os.environ, **function.env, **env}


class Worker:
    """A process that answers one call at a time."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._calls = cast(asyncio.StreamWriter, process.stdin)
        self._answers = cast(asyncio.StreamReader, process.stdout)

    async def call(self, call: Call) -> Answer:
        """The handler's answer. Raises WorkerDied."""
        try:
            self._calls.write(pack(call))
            await self._calls.drain()
            return await self.next_answer()
        except ConnectionError as error:
            raise WorkerDied(f"worker {self.process.pid} is gone") from error

    async def next_answer(self) -> Answer:
        """What the worker says next; the first answer says that it is ready. Raises WorkerDied."""
        try:
            return await fetch_answer(self._answers)
        except asyncio.IncompleteReadError as error:
            raise WorkerDied(f"worker {self.process.pid} ended without an answer") from error

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    def kill(self) -> None:
        """End the process and whatever it has forked, which would hold its pipes open."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Pool:
    """The workers of one function; they live as long as the `async with` block."""

    def __init__(self, function: HostedFunction, env: Mapping[str, str]) -> None:
        self.function = function
        self.restarts = 0
        self._busy = 0
        self._env = {**environment_of(function, env), "NUCLIO_FUNCTION_NAME": function.name}
        self._free: asyncio.Queue[Worker] = asyncio.Queue()
        self._workers: dict[int, Worker] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Start every worker and wait until all are ready. Raises BadFunction when one cannot start."""
        try:
            await asyncio.gather(*(self._start(worker_id) for worker_id in range(self.function.workers)))
        except BaseException:
            await self._stop()
            raise
        self._keepers = [asyncio.create_task(self._keep(worker_id)) for worker_id in self._workers]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    @property
    def is_ready(self) -> bool:
        return any(worker.is_alive for worker in self._workers.values())

    @property
    def free_workers(self) -> int:
        """How many workers could take a call now."""
        return max(sum(worker.is_alive for worker in self._workers.values()) - self._busy, 0)

    async def invoke(self, call: Call) -> Answer:
        """The function's answer, or the host's refusal: 503, 408, or 503 when the worker died of the call."""
        name = self.function.name
        try:
            async with asyncio.timeout(self.function.availability_timeout):
                worker = await self._next_free()
        except TimeoutError:
            return refusal(503, f"{name} has no free worker; call again later")
        self._busy += 1
        try:
            async with asyncio.timeout(self.function.event_timeout):
                answer = await worker.call(call)
        except TimeoutError:
            worker.kill()
            return refusal(408, f"{name} did not answer within {self.function.event_timeout:g} s")
        except WorkerDied as error:
            return refusal(503, f"{name}: {error}; it is started again")
        except asyncio.CancelledError:
            worker.kill()  # its answer would be taken for the next call's
            raise
        finally:
            self._busy -= 1
        self._free.put_nowait(worker)
        return answer

    async def _next_free(self) -> Worker:
        while not (worker := await self._free.get()).is_alive:
            pass
        return worker

    async def _start(self, worker_id: int) -> None:
        command = [sys.executable, "-m", "nuclio_functions.host.worker", str(self.function.folder)]
        process = await asyncio.create_subprocess_exec(
            *command,
            self.function.handler,
            str(worker_id),
            stdin=PIPE,
            stdout=PIPE,
            env=self._env,
            limit=HEAD_BYTES,
            start_new_session=True,
        )
        worker = self._workers[worker_id] = Worker(process)
        try:
            async with asyncio.timeout(READY_SECONDS):
                await worker.next_answer()
        except (WorkerDied, TimeoutError) as error:
            worker.kill()
            raise BadFunction(
                f"{self.function.folder}: {self.function.handler} did not start; its own message stands above"
            ) from error
        self._free.put_nowait(worker)

    async def _keep(self, worker_id: int) -> None:
        while True:
            worker = self._workers[worker_id]
            exit_code = await worker.process.wait()
            worker.kill()
            self.restarts += 1
            log.warning("%s: worker %d ended with %d and is started again", self.function.name, worker_id, exit_code)
            try:
                await self._start(worker_id)
            except BadFunction as error:
                log.error("%s", error)
                await asyncio.sleep(RESTART_SECONDS)

    async def _stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for worker in self._workers.values():
            worker.kill()
        await asyncio.gather(*(worker.process.wait() for worker in self._workers.values()))
