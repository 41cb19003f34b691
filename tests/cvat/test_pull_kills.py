"""A pull that dies at any request, and two at once: the end is that of one undisturbed pull."""

import multiprocessing
import os
import random
import signal
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from cvat_sdk import Client

from cvat.client import Credentials, connect
from cvat.held import identify
from cvat.pull import Puller
from datasets.store import ImageStore
from tests.cvat.conftest import PASSWORD, USER
from tests.cvat.played import directly
from tests.cvat.proxy import Fault, Proxy, Request
from tests.cvat.pulled import DENT, EVERY_KIND, PullDesk, make_desk, open_ledger

PLACES = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 6


def pull_elsewhere(url: str, folder: Path, project_id: int) -> None:
    """What the other process does."""
    ledger, store = open_ledger(folder), ImageStore(folder / "store")
    with connect(url, Credentials(USER, PASSWORD)) as client, ledger.lock("pull"):
        puller = Puller(client, project_id, ledger, lambda _, names: identify(names, (), store))
        puller.pull()
    (folder / f"read {os.getpid()}").write_text(str(puller.read))


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@pytest.fixture(scope="module")
def client(shared_cvat_server) -> Iterator[Client]:
    with directly(shared_cvat_server) as client:
        yield client


@pytest.fixture
def desk(client: Client, tmp_path: Path) -> Iterator[PullDesk]:
    desk = make_accepted_desk(client, tmp_path)
    yield desk
    desk.ledger.close()


def make_accepted_desk(client: Client, folder: Path) -> PullDesk:
    desk = make_desk(client, folder)
    first, second = desk.jobs()
    desk.draw(first, 0, *EVERY_KIND)
    desk.draw(second, 3, DENT)
    desk.accept()
    return desk


@pytest.fixture(scope="module")
def requests(
    shared_cvat_server, client: Client, processes: ForkServerContext, tmp_path_factory: pytest.TempPathFactory
) -> int:
    """How many requests a whole pull takes, logging in included."""
    desk = make_accepted_desk(client, tmp_path_factory.mktemp("undisturbed"))
    with Proxy(shared_cvat_server.url).running() as proxy:
        start(processes, proxy.url, desk).join()
    desk.ledger.close()
    return len(proxy.requests)


def end_of(desk: PullDesk) -> tuple[object, ...]:
    pulls = desk.ledger.read_pulls()
    return desk.tasks(), desk.read, pulls, desk.ledger.read_fates(), desk.ledger.read_job_events()


def start(processes: ForkServerContext, url: str, desk: PullDesk) -> BaseProcess:
    process = processes.Process(target=pull_elsewhere, args=(url, desk.store.root.parent, desk.project_id))
    process.start()
    return process


@pytest.mark.parametrize("seed", range(PLACES))
def test_a_pull_that_is_killed_at_any_request_is_completed_by_the_next(
    shared_cvat_server, processes: ForkServerContext, desk: PullDesk, requests: int, seed: int
) -> None:
    draw = random.Random(seed)
    number, is_heard = draw.randrange(1, requests), draw.random() < 0.5
    victim: list[BaseProcess] = []

    def kill(request: Request) -> Fault | None:
        if request.number != number:
            return None
        os.kill(victim[0].pid or 0, signal.SIGKILL)
        return None if is_heard else "drop"

    with Proxy(shared_cvat_server.url, kill).running() as proxy:
        victim.append(start(processes, proxy.url, desk))
        victim[0].join()
    assert victim[0].exitcode == -signal.SIGKILL
    with desk.ledger.lock("pull", wait_seconds=5):
        desk.pull()
    killed = end_of(desk)
    desk.ledger.forget_pulls(desk.jobs())
    desk.pull()
    assert killed == end_of(desk)


def test_two_pulls_at_once_end_as_one(shared_cvat_server, processes: ForkServerContext, desk: PullDesk) -> None:
    both = [start(processes, shared_cvat_server.url, desk) for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    read = sorted(path.read_text() for path in desk.store.root.parent.glob("read *"))
    assert read == ["0", "2"]
    together = end_of(desk)
    desk.ledger.forget_pulls(desk.jobs())
    desk.pull()
    assert together == end_of(desk)
