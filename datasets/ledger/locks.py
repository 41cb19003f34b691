"""Locks in the ledger's database: one process at a time, on one machine or several.

A holder renews its lock as long as it lives. One that died on this machine is seen at once, by its process id and
start; on another machine when it has not renewed for the lease. The database's clock counts, so those of machines may
differ.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from sqlalchemy import Engine, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from datasets.errors import Unavailable
from datasets.ledger.tables import LOCKS

LEASE_SECONDS = 30.0
_POLL_SECONDS = 0.1
_CLOCK_STEP_SECONDS = 5.0  # when a clock is set, starts of processes seem to move with it


class Locked(Unavailable):
    """Another process holds the lock, or took it while this one was held up."""


class LockName(NamedTuple):
    """A lock is a scope's, and has a name there."""

    scope_id: int
    name: str


@contextmanager
def hold(engine: Engine, key: LockName, *, wait_seconds: float, lease_seconds: float = LEASE_SECONDS) -> Iterator[None]:
    """Hold a lock during the block; it is not reentrant.

    Raises:
        Locked: another holds it for longer than one waits, or took it over while this process was held up.
    """
    token = _wait_for(engine, key, wait_seconds, lease_seconds)
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(engine, key, token, done, lease_seconds / 3), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        was_ours = _release(engine, key, token)
    if not was_ours:
        raise Locked(
            f"the lock {key.name!r} was taken over by another process while this one was held up for longer than "
            f"{lease_seconds:g} s; run the same command again"
        )


def _wait_for(engine: Engine, key: LockName, wait_seconds: float, lease_seconds: float) -> str:
    token, deadline = secrets.token_hex(16), time.monotonic() + wait_seconds
    while not _take(engine, key, token, lease_seconds):
        if time.monotonic() >= deadline:
            raise Locked(_told(_holder(engine, key), key))
        time.sleep(_POLL_SECONDS)  # a database calls nobody back
    return token


def _take(engine: Engine, key: LockName, token: str, lease_seconds: float) -> bool:
    """Take the lock where it is free or its holder is dead."""
    if _take_free(engine, key, token):
        return True
    holder = _holder(engine, key)
    return holder is not None and _is_dead(holder, lease_seconds) and _take_over(engine, key, token, holder)


def _told(holder: Row[Any] | None, key: LockName) -> str:
    who = f"process {holder.pid} on {holder.place.split()[0]}" if holder else "another process"
    return f"{who} holds the lock {key.name!r} of this project; wait for it to end, or end it"


def _take_free(engine: Engine, key: LockName, token: str) -> bool:
    try:
        with engine.begin() as connection:
            connection.execute(insert(LOCKS).values(**key._asdict(), **_ourselves(token)))
    except IntegrityError:
        return False
    return True


def _take_over(engine: Engine, key: LockName, token: str, dead: Row[Any]) -> bool:
    """Take the lock from a holder that is dead, unless another one was quicker."""
    with engine.begin() as connection:
        taken = update(LOCKS).where(*_is(key), LOCKS.c.token == dead.token).values(**_ourselves(token))
        return connection.execute(taken).rowcount == 1


def _release(engine: Engine, key: LockName, token: str) -> bool:
    with engine.begin() as connection:
        return connection.execute(delete(LOCKS).where(*_is(key), LOCKS.c.token == token)).rowcount == 1


def _renew(engine: Engine, key: LockName, token: str, done: threading.Event, pause_seconds: float) -> None:
    renewed = update(LOCKS).where(*_is(key), LOCKS.c.token == token).values(renewed_at=func.current_timestamp())
    while not done.wait(pause_seconds):
        try:
            with engine.begin() as connection:
                connection.execute(renewed)
        except OperationalError:  # the database is busy or away: the next beat may succeed, and the end tells if not
            continue


def _is(key: LockName) -> tuple[Any, Any]:
    return LOCKS.c.scope_id == key.scope_id, LOCKS.c.name == key.name


def _holder(engine: Engine, key: LockName) -> Row[Any] | None:
    """The lock's row, with the database's time as `now`; None when it is free."""
    with engine.connect() as connection:
        return connection.execute(select(LOCKS, func.current_timestamp().label("now")).where(*_is(key))).one_or_none()


def _is_dead(holder: Row[Any], lease_seconds: float) -> bool:
    if holder.place == _place():
        started = _start_of(holder.pid)
        return started is None or abs(started - holder.started) > _CLOCK_STEP_SECONDS
    return bool((holder.now - holder.renewed_at).total_seconds() > lease_seconds)


def _ourselves(token: str) -> dict[str, Any]:
    pid = os.getpid()
    told = {"token": token, "place": _place(), "pid": pid, "started": _start_of(pid)}
    return {**told, "renewed_at": func.current_timestamp()}


def _place() -> str:
    """Where process ids mean the same: the machine, and on Linux the container."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {namespace.readlink()}" if namespace.exists() else socket.gethostname()


def _start_of(pid: int) -> float | None:
    """When a process started; None when there is none that still runs."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
