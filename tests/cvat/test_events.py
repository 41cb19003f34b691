"""The webhook receiver: signed events are noted once, whatever else is sent; one webhook is registered."""

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import requests
import uvicorn
from cvat_sdk import Client, models

from cvat.client import call
from cvat.events import MOST_BYTES, PATH, Event, Receiver, push_webhook, receiver_app, waiting_jobs
from cvat.jobs import list_jobs
from datasets.ledger import Ledger, Pull
from datasets.processes import listen
from datasets.store import ImageStore
from tests.cvat.played import directly, photograph, push
from tests.cvat.proxy import Fault, Proxy, Request

SECRET = "a secret for tests"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield ledger
    ledger.close()


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def waiting() -> list[int]:
    return []


@pytest.fixture
def receiver(ledger: Ledger, told: list[Event], waiting: list[int]) -> Receiver:
    return Receiver(3, ledger, SECRET, told.append, on_accepted=waiting.append)


@pytest.fixture
def post(receiver: Receiver) -> Iterator[Callable[..., int]]:
    """Posts to a real server and gives the status of its answer."""
    server = uvicorn.Server(uvicorn.Config(receiver_app(receiver), log_config=None, access_log=False))
    with listen("127.0.0.1", 0) as listener, requests.Session() as session:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"

        def send(body: bytes, signature: str | None = None) -> int:
            signed = {"X-Signature-256": (sign(body) if signature is None else signature).encode()}
            return session.post(url, data=body, headers=signed, timeout=20).status_code

        yield send
        session.close()
        server.should_exit = True
        thread.join()


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def moved(state: str = "completed", *, project: int = 3, at: str = "2026-01-02T03:04:05Z", **changes: object) -> bytes:
    """What CVAT sends when a job at stage acceptance moves on."""
    job = {
        "id": 7,
        "task_id": 5,
        "project_id": project,
        "stage": "acceptance",
        "state": state,
        "start_frame": 0,
        "stop_frame": 1,
        "updated_date": at,
        "assignee": {"id": 1, "username": "anna"},
    }
    before = changes or {"state": "new"}
    return json.dumps({"event": "update:job", "job": job, "before_update": before, "webhook_id": 1}).encode()


def test_a_job_that_moves_on_is_noted_with_its_time_and_who_has_it(post, ledger: Ledger, told: list[Event]) -> None:
    assert post(moved()) == 200
    ((event,),) = ledger.read_job_events().values()
    assert (event.at, event.stage, event.state, event.assignee) == (
        "2026-01-02T03:04:05Z",
        "acceptance",
        "completed",
        "anna",
    )
    assert told == [Event("update:job", True, 7, "acceptance", "completed", "anna", "2026-01-02T03:04:05Z")]


def test_a_second_delivery_changes_nothing(post, ledger: Ledger, told: list[Event], waiting: list[int]) -> None:
    for _ in range(3):
        assert post(moved()) == 200
    assert len(ledger.read_job_events()[7]) == 1
    assert [event.is_new for event in told] == [True, False, False]
    assert waiting == [1]


def test_an_old_event_that_is_replayed_does_not_undo_a_newer_one(post, ledger: Ledger) -> None:
    for body in (
        moved("in progress", at="2026-01-01T00:00:00Z"),
        moved(),
        moved("in progress", at="2026-01-01T00:00:00Z"),
    ):
        post(body)
    assert ledger.read_job_events()[7][-1].state == "completed"


@pytest.mark.parametrize("signature", ["", "sha256=", sign(moved(), "another secret"), "sha256=é", sign(moved())[7:]])
def test_what_is_not_signed_with_the_secret_is_refused(post, ledger: Ledger, signature: str) -> None:
    assert post(moved(), signature) == 403
    assert ledger.read_job_events() == {}


def test_a_body_that_is_changed_after_it_was_signed_is_refused(post, ledger: Ledger) -> None:
    assert post(moved("completed"), sign(moved("new"))) == 403
    assert ledger.read_job_events() == {}


def test_a_body_that_is_too_long_is_refused(post, ledger: Ledger) -> None:
    assert post(moved() + b" " * MOST_BYTES) == 413
    assert ledger.read_job_events() == {}


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b'{"event": "update:job", "job": {"id": 1}}'])
def test_a_signed_body_that_is_no_event_is_refused(post, body: bytes) -> None:
    assert post(body) == 400


@pytest.mark.parametrize("wrong", [(b"2026-01-02T03:04:05Z", b"yesterday"), (b'"id": 7', b'"id": 9223372036854775808')])
def test_a_time_or_an_id_that_cannot_be_one_is_refused_and_not_kept(
    post, ledger: Ledger, wrong: tuple[bytes, bytes]
) -> None:
    assert post(moved().replace(*wrong)) == 400
    assert ledger.read_job_events() == {}


@pytest.mark.parametrize(
    "body",
    [moved(project=4), moved(updated_date="2026-01-01T00:00:00Z"), b'{"event": "ping"}'],
    ids=["of another project", "without news of its state", "of another kind"],
)
def test_other_events_are_received_and_not_noted(post, ledger: Ledger, told: list[Event], body: bytes) -> None:
    assert post(body) == 200
    assert ledger.read_job_events() == {}
    assert [event.job_id for event in told] == [None]


def test_jobs_wait_until_they_are_pulled(post, ledger: Ledger, waiting: list[int]) -> None:
    post(moved())
    ledger.write_pull(Pull(7, 5, "", "train", "anna", None, "2026-01-02T03:04:05Z", 2), [])
    assert waiting_jobs(ledger, "acceptance") == set()
    post(moved("in progress", at="2026-01-03T00:00:00Z"))
    post(moved(at="2026-01-04T00:00:00Z"))
    assert waiting_jobs(ledger, "acceptance") == {7}
    assert waiting == [1, 1]


def webhooks(client: Client, project_id: int) -> list[dict[str, object]]:
    found = json.loads(call(client, "GET", f"/api/webhooks?project_id={project_id}&sort=id"))["results"]
    return [{name: one[name] for name in ("id", "target_url", "is_active", "events")} for one in found]


def test_registering_again_keeps_one_webhook_for_an_address(shared_cvat_server, tmp_path: Path) -> None:
    with directly(shared_cvat_server) as client:
        store = ImageStore(tmp_path / "store")
        project_id, _ = push(client, f"cars {uuid4().hex}", [photograph(store, 0)], store)
        body = {"type": "project", "project_id": project_id, "events": ["create:task"], "is_active": False}
        for url in ("http://127.0.0.1:1/cvat", "http://127.0.0.1:1/cvat", "http://127.0.0.1:1/other"):
            call(client, "POST", "/api/webhooks", body=json.dumps({**body, "target_url": url}).encode())
        before = webhooks(client, project_id)
        registered = [push_webhook(client, project_id, "http://127.0.0.1:1/cvat", SECRET) for _ in range(2)]
        after = webhooks(client, project_id)
    assert set(registered) == {before[0]["id"]}
    assert after == [{**before[0], "is_active": True, "events": ["update:job"]}, before[2]]


def lose_the_first_list(request: Request) -> Fault | None:
    return "drop" if request.number == 2 else None


def test_the_command_hears_of_a_job_that_is_accepted_tells_what_failed_and_ends_in_order(
    shared_cvat_server, tmp_path: Path
) -> None:
    name = f"cars {uuid4().hex}"
    project, home, ready = tmp_path / "carloop.yaml", tmp_path / "home", tmp_path / "ready"
    with directly(shared_cvat_server) as client, Proxy(shared_cvat_server.url, lose_the_first_list).running() as proxy:
        project.write_text(f"cvat:\n  project: {name!r}\n  url: {proxy.url}\n")
        store = ImageStore(tmp_path / "store")
        project_id, _ = push(client, name, [photograph(store, 0)], store)
        (job,) = list_jobs(client, project_id=project_id)
        options = ["--project", project, "--home", home, "--port", "0", "--ready-file", ready, "--json"]
        with start_webhook(shared_cvat_server, options) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            wait_for(ready, process)
            client.jobs.retrieve(job.id).update(models.PatchedJobWriteRequest(stage="acceptance", state="completed"))
            lines = (json.loads(line) for line in process.stdout)
            event = next(line for line in lines if line["event"] == "update:job")
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            told = [line for line in process.stderr if b"again in" in line]
    assert (event["job_id"], event["stage"], event["state"]) == (job.id, "acceptance", "completed")
    assert [line.split(b" at ")[1].split(b";")[0] for line in told] == [b"GET /api/projects"]
    ledger = Ledger(f"sqlite:///{home / 'ledger.sqlite'}", scope=f"{proxy.url} {name}")
    assert waiting_jobs(ledger, "acceptance") == {job.id}
    ledger.close()


def start_webhook(server, options: list[object]) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "CARLOOP_CVAT_USER": server.user,
        "CARLOOP_CVAT_PASSWORD": server.password,
        "CARLOOP_WEBHOOK_SECRET": SECRET,
    }
    command = [sys.executable, "-m", "pipelines.cli", "cvat", "webhook", *map(str, options)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(ready: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(process.communicate()[1].decode())
        time.sleep(0.02)
