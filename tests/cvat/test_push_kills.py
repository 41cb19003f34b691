"""A push whose client or server dies at any request: pushed again, it ends as if nothing had happened."""

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cvat_sdk import Client

from cvat.client import Credentials, connect
from tests.cvat.played import directly
from tests.cvat.proxy import Proxy, Request
from tests.cvat.pushed import DOOR, GUESS, PushDesk, make_desk

PLACES = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 6


class Killed(BaseException):
    """The process is gone: nothing that handles errors sees it."""


@contextmanager
def killed_at(client: Client, number: int, *, is_answered: bool) -> Iterator[list[str]]:
    """End the client at its request of that number, before the server hears of it or after."""
    pool = client.api_client.rest_client.pool_manager
    asked: list[str] = []
    ask = pool.request

    def request(method: str, url: str, **options):
        asked.append(url)
        if len(asked) == number and not is_answered:
            raise Killed
        answer = ask(method, url, **options)
        if len(asked) == number:
            raise Killed
        return answer

    pool.request = request
    try:
        yield asked
    finally:
        pool.request = ask


@pytest.fixture(scope="module")
def client(shared_cvat_server) -> Iterator[Client]:
    with directly(shared_cvat_server) as client:
        yield client


def push_everything(desk: PushDesk) -> None:
    content = desk.everywhere(DOOR, GUESS, control_share=0.4, seed=4)
    with desk.ledger.lock("push"):
        desk.push(content=content, assignees=[])


@pytest.fixture(scope="module")
def undisturbed(client: Client, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[object]]:
    """How many requests a push takes, and how it ends."""
    desk = make_desk(client, tmp_path_factory.mktemp("undisturbed"))
    with killed_at(client, 0, is_answered=True) as asked:
        push_everything(desk)
    end = desk.end_state()
    desk.ledger.close()
    return len(asked), end


@pytest.mark.parametrize("seed", range(PLACES))
def test_a_client_that_is_killed_anywhere_leaves_a_push_that_can_be_completed(
    client: Client, tmp_path: Path, undisturbed: tuple[int, list[object]], seed: int
) -> None:
    requests, expected = undisturbed
    draw = random.Random(seed)
    number, is_answered = draw.randint(1, requests), draw.random() < 0.5
    desk = make_desk(client, tmp_path)
    with killed_at(client, number, is_answered=is_answered), pytest.raises(Killed):
        push_everything(desk)
    push_everything(desk)
    assert desk.end_state() == expected, f"killed at request {number} of {requests}, answered: {is_answered}"
    desk.ledger.close()


def test_a_server_that_is_killed_twice_during_a_push_does_not_show(
    cvat_server, tmp_path: Path, undisturbed: tuple[int, list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvat.client._PAUSES", (0.1, 0.2, 0.4))
    requests, expected = undisturbed
    credentials = Credentials(cvat_server.user, cvat_server.password)
    deaths = {requests // 3, requests // 2}
    waiting = threading.Lock()

    def restart(request: Request) -> None:
        with waiting:
            if request.number in deaths:
                cvat_server.restart()

    with directly(cvat_server) as direct:
        proxy = Proxy(cvat_server.url)
        with proxy.running(), connect(proxy.url, credentials) as disturbed:
            proxy.requests.clear()
            proxy.decide = restart
            desk = make_desk(disturbed, tmp_path)
            push_everything(desk)
        assert desk.with_client(direct).end_state() == expected
    desk.ledger.close()
