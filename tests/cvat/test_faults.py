"""Carloop through a proxy that misbehaves: the end is the same as without, and each failure is told once."""

import logging
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from cvat_sdk import Client

from cvat.client import Credentials, Patience, call, connect, repeat
from cvat.errors import CvatConflict, CvatRefused, CvatUnavailable, told_in_a_sentence
from datasets.coco import Image
from datasets.store import ImageStore
from tests.cvat.played import directly, photograph, play
from tests.cvat.proxy import FAULTS, Decide, Fault, Proxy, Request, seeded

PATIENCE = Patience(pause=0.01)
LITTLE_PATIENCE = Patience(read=1, pause=0.01)
SLOWNESS = 1.1


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvat.client._PAUSES", (0.01, 0.02, 0.04))


@pytest.fixture
def images(tmp_path: Path) -> list[Image]:
    return [photograph(ImageStore(tmp_path / "store"), shade) for shade in (0, 60, 120)]


@contextmanager
def through_proxy(server, decide: Decide, patience: Patience = PATIENCE) -> Iterator[tuple[Client, Proxy]]:
    """A client that is logged in before anything goes wrong."""
    proxy = Proxy(server.url, slowness=SLOWNESS, retry_after=0)
    with proxy.running(), connect(proxy.url, Credentials(server.user, server.password), patience) as client:
        proxy.requests.clear()
        proxy.decide = decide
        yield client, proxy


def tasks_of(client: Client, project: str) -> list[tuple[str, int]]:
    (found,) = client.api_client.projects_api.list(name=project)[0].results
    return [(task.name, task.size) for task in client.projects.retrieve(found.id).get_tasks()]


def check_same_end(server, images: Sequence[Image], tmp_path: Path, decide: Decide, patience: Patience) -> Proxy:
    store, project = ImageStore(tmp_path / "store"), f"cars {uuid4().hex}"
    with directly(server) as client:
        expected = play(client, f"undisturbed {project}", images, store)
        with through_proxy(server, decide, patience) as (disturbed, proxy):
            found = play(disturbed, project, images, store)
        assert found == expected
        assert tasks_of(client, project) == tasks_of(client, f"undisturbed {project}")
    return proxy


@pytest.mark.parametrize("seed", [1, 2])
def test_push_and_pull_end_the_same_through_seeded_faults(shared_cvat_server, images, tmp_path, seed: int) -> None:
    proxy = check_same_end(shared_cvat_server, images, tmp_path, seeded(seed, share=0.2), PATIENCE)
    assert len(proxy.faults) > 3


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "slow"])
def test_push_and_pull_end_the_same_when_every_seventh_request_fails(
    shared_cvat_server, images, tmp_path, fault: Fault
) -> None:
    def every_seventh(request: Request) -> Fault | None:
        return fault if request.number % 7 == 3 else None

    proxy = check_same_end(shared_cvat_server, images, tmp_path, every_seventh, PATIENCE)
    assert len(proxy.faults) > 3


def test_push_and_pull_end_the_same_when_replies_come_too_late(shared_cvat_server, images, tmp_path) -> None:
    def now_and_then(request: Request) -> Fault | None:
        return "slow" if request.number % 13 == 5 else None

    proxy = check_same_end(shared_cvat_server, images, tmp_path, now_and_then, LITTLE_PATIENCE)
    assert len(proxy.faults) > 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_that_fails_once_is_repeated_and_told_in_one_line(shared_cvat_server, fault: Fault, caplog) -> None:
    def at_first(request: Request) -> Fault | None:
        return fault if request.number == 0 else None

    patience = LITTLE_PATIENCE if fault == "slow" else PATIENCE
    with through_proxy(shared_cvat_server, at_first, patience) as (client, proxy):
        call(client, "GET", "/api/projects")
    assert [request.path for request in proxy.requests] == ["/api/projects"] * 2
    (told,) = [record.getMessage() for record in caplog.records if record.name == "carloop.cvat"]
    assert told.startswith("CVAT ")
    assert "/api/projects" in told
    assert "again in" in told


def test_a_post_whose_reply_is_lost_is_not_repeated_blindly(shared_cvat_server) -> None:
    with (
        through_proxy(shared_cvat_server, lambda request: "drop reply") as (client, proxy),
        pytest.raises(CvatUnavailable, match="asked for POST /api/projects"),
    ):
        call(client, "POST", "/api/projects", body=b'{"name": "cars"}')
    assert len(proxy.requests) == 1


def test_a_post_that_a_busy_server_did_not_take_is_repeated_when_it_asks_for_it(shared_cvat_server) -> None:
    def at_first(request: Request) -> Fault | None:
        return "busy" if request.number == 0 else None

    with through_proxy(shared_cvat_server, at_first) as (client, proxy):
        proxy.retry_after = 1
        started = time.monotonic()
        call(client, "POST", "/api/projects", body=b'{"name": "cars"}')
    assert len(proxy.requests) == 2
    assert time.monotonic() - started >= 1


def test_requests_of_the_sdk_have_a_timeout_too(shared_cvat_server) -> None:
    with (
        through_proxy(shared_cvat_server, lambda request: "slow", Patience(read=1, times=1)) as (client, _),
        pytest.raises(CvatUnavailable, match="timed out"),
        told_in_a_sentence("looking", "there"),
    ):
        client.tasks.list()


def test_a_server_that_keeps_failing_is_told_in_the_end(shared_cvat_server) -> None:
    with (
        through_proxy(shared_cvat_server, lambda request: "failed") as (client, proxy),
        pytest.raises(CvatUnavailable, match="answered 500 while asked for GET /api/projects"),
    ):
        call(client, "GET", "/api/projects")
    assert len(proxy.requests) == PATIENCE.times


def test_a_login_whose_reply_is_lost_is_repeated(shared_cvat_server) -> None:
    lost: list[Request] = []

    def lose_first_login(request: Request) -> Fault | None:
        if request.path.endswith("/login") and not lost:
            lost.append(request)
            return "drop reply"
        return None

    proxy = Proxy(shared_cvat_server.url, lose_first_login)
    credentials = Credentials(shared_cvat_server.user, shared_cvat_server.password)
    with proxy.running(), connect(proxy.url, credentials) as client:
        call(client, "GET", "/api/projects")


def test_a_step_is_begun_anew_a_few_times_and_then_told(caplog) -> None:
    begun = []

    def step() -> None:
        begun.append(1)
        raise CvatUnavailable("the server fails")

    with pytest.raises(CvatUnavailable, match="the server fails"):
        repeat(step)
    assert len(begun) == 4
    assert [record.getMessage().split(";")[0] for record in caplog.records] == ["the server fails"] * 3


def test_a_step_that_is_refused_is_not_begun_anew() -> None:
    begun = []

    def step() -> None:
        begun.append(1)
        raise CvatConflict("other labels")

    with pytest.raises(CvatConflict):
        repeat(step)
    assert len(begun) == 1


def test_an_address_where_nobody_listens_is_told_at_once() -> None:
    started = time.monotonic()
    with (
        pytest.raises(CvatUnavailable, match="is it running, is the address right"),
        connect("http://127.0.0.1:9", Credentials("somebody", "something")),
    ):
        pass
    assert time.monotonic() - started < 10  # to ask as often as later would take 15 s


def test_an_address_that_has_no_cvat_is_told(shared_cvat_server) -> None:
    with (
        pytest.raises(CvatRefused, match="is no CVAT"),
        connect(f"{shared_cvat_server.url}/elsewhere", Credentials("somebody", "something")),
    ):
        pass


def test_a_listener_that_says_nothing_is_told_within_seconds(monkeypatch) -> None:
    monkeypatch.setattr("cvat.client._AT_FIRST", Patience(read=0.2, times=2))
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(CvatUnavailable, match="timed out"),
        connect(f"http://127.0.0.1:{mute.getsockname()[1]}", Credentials("somebody", "something")),
    ):
        pass


@pytest.mark.parametrize(("version", "is_told"), [("1.7.0", True), ("2.54.0", False), ("99.1.0", True)])
def test_a_server_of_another_version_is_told_and_works(shared_cvat_server, version: str, is_told: bool, caplog) -> None:
    proxy = Proxy(shared_cvat_server.url)
    ours = proxy.pass_on

    def other_version(method, path, headers, body):
        reply, content = ours(method, path, headers, body)
        if path == "/api/server/about":
            content = f'{{"version": "{version}"}}'.encode()
            reply.headers.replace_header("Content-Length", str(len(content)))
        return reply, content

    proxy.pass_on = other_version
    credentials = Credentials(shared_cvat_server.user, shared_cvat_server.password)
    with proxy.running(), caplog.at_level(logging.WARNING), connect(proxy.url, credentials) as client:
        call(client, "GET", "/api/projects")
    assert any(f"has version {version}" in record.getMessage() for record in caplog.records) == is_told
