"""One at a time by a lock in the ledger's database, however its holder ends."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Row, update

from datasets.ledger import Ledger, Locked, locks
from datasets.ledger.locks import LockName, hold
from datasets.ledger.tables import LOCKS, open_tables

HOLDER = """
import sys
from datasets.ledger import Ledger
with Ledger(sys.argv[1]).lock("push"):
    print("held", flush=True)
    sys.stdin.read()
"""
KEY = LockName(1, "push")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.sqlite"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = Ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def engine(url: str, ledger: Ledger) -> Iterator[Engine]:
    opened = open_tables(url)
    yield opened
    opened.dispose()


@contextmanager
def holder(url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_whoever_comes_second_is_told_who_holds_it(url: str, ledger: Ledger) -> None:
    with holder(url) as process:
        told = rf"process {process.pid} on \S+ holds the lock 'push' of this project; wait for it to end, or end it"
        with pytest.raises(Locked, match=told), ledger.lock("push", wait_seconds=0.2):
            pass


def test_a_killed_holder_is_seen_at_once(url: str, ledger: Ledger) -> None:
    with holder(url) as process:
        process.kill()  # not waited for: a zombie holds nothing either
        with ledger.lock("push", wait_seconds=5):
            pass


def test_locks_of_other_names_and_scopes_are_free(url: str, ledger: Ledger) -> None:
    other = Ledger(url, scope="http://cvat boats")
    with ledger.lock("push"), ledger.lock("pull", wait_seconds=0), other.lock("push", wait_seconds=0):
        pass
    other.close()


def test_a_lock_is_free_again_after_a_failure(ledger: Ledger) -> None:
    with pytest.raises(ConnectionError), ledger.lock("push"):
        raise ConnectionError
    with ledger.lock("push", wait_seconds=0):
        pass


def test_one_at_a_time_and_everyone_in_turn(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.01)
    inside: list[int] = []

    def work(number: int) -> None:
        ledger = Ledger(url)
        with ledger.lock("push"):
            inside.append(number)
            assert inside == [number]
            inside.remove(number)
        ledger.close()

    with ThreadPoolExecutor(6) as pool:
        assert len(list(pool.map(work, range(12)))) == 12


def set_holder(engine: Engine, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(update(LOCKS).values(**values))


def read_holder(engine: Engine) -> Row[Any]:
    with engine.connect() as connection:
        return connection.execute(LOCKS.select()).one()


def take(engine: Engine, *, lease_seconds: float) -> None:
    with hold(engine, KEY, wait_seconds=0, lease_seconds=lease_seconds):
        pass


def test_a_holder_elsewhere_lives_until_its_lease_ends(engine: Engine) -> None:
    with hold(engine, KEY, wait_seconds=0):
        set_holder(engine, place="elsewhere", pid=1)
        with pytest.raises(Locked, match="process 1 on elsewhere holds the lock"):
            take(engine, lease_seconds=30)


def test_whoever_lost_the_lock_is_told_at_the_end(engine: Engine) -> None:
    lost = hold(engine, KEY, wait_seconds=0)
    lost.__enter__()
    set_holder(engine, place="elsewhere", pid=1)
    take(engine, lease_seconds=-1)
    with pytest.raises(Locked, match="'push' was taken over by another process while this one was held up"):
        lost.__exit__(None, None, None)


def test_a_lease_is_renewed_while_the_lock_is_held(engine: Engine) -> None:
    with hold(engine, KEY, wait_seconds=0, lease_seconds=0.06):
        set_holder(engine, renewed_at=datetime(2000, 1, 1, tzinfo=UTC))
        while read_holder(engine).renewed_at.year == 2000:
            pass  # the test's own limit ends this where nobody renews
