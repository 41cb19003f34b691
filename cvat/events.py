"""Events that CVAT tells of by webhook: a receiver, and its registration in the project.

CVAT signs each body with the webhook's secret and may send one more than once, at any time and in any order
(https://docs.cvat.ai/docs/administration/advanced/webhooks/). So what a body tells is noted under its own time, and the
digest of a body is its key: a second delivery of it, or a replay, changes nothing.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from cvat_sdk import Client
from msgspec import Struct
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cvat.client import call, read_all, repeat
from cvat.errors import CvatConflict
from cvat.jobs import Accept, Job
from datasets.ledger import Ledger

PATH = "/cvat"
MOST_BYTES = 2**20
_BODY_SECONDS = 10
_ABOVE_IDS = 2**63  # what a database keeps as an integer
_EVENTS = ["update:job"]
_NOTED = {"state", "stage", "assignee"}


class _EventJob(Job, frozen=True):
    project_id: int | None = None

    def __post_init__(self) -> None:
        datetime.fromisoformat(self.updated_date)
        if not 0 <= self.id < _ABOVE_IDS:
            raise ValueError(f"{self.id} is no id")

    @property
    def worker(self) -> str | None:
        return self.assignee.username if self.assignee else None


class _Body(Struct):
    event: str
    job: _EventJob | None = None
    before_update: dict[str, Any] = {}


class Event(Struct, frozen=True, omit_defaults=True):
    """What was received. `is_new` is false of what was received before; a job is told where its work moved on."""

    event: str
    is_new: bool
    job_id: int | None = None
    stage: str = ""
    state: str = ""
    assignee: str | None = None
    at: str = ""


@dataclass
class Receiver:
    """Takes what CVAT sends of one project, and notes in the ledger how its jobs move on.

    `told` is called with each event. `on_accepted` is called each time that people are done with a job, with how many
    such jobs wait to be pulled: whoever starts to learn when they are enough hangs on here.
    """

    project_id: int
    ledger: Ledger
    secret: str
    told: Callable[[Event], object]
    accept: Accept = "acceptance"
    on_accepted: Callable[[int], object] = lambda waiting: None

    def receive(self, body: bytes) -> None:
        """Note what a signed body tells. Raises msgspec.DecodeError when it is no event."""
        found = msgspec.json.decode(body, type=_Body)
        job = self._moved_job(found)
        if job is not None:  # noted before the delivery is, so that one who is killed in between notes it again
            self.ledger.note_job_event(
                job.id, state=job.state, stage=job.stage, assignee=job.worker, at=job.updated_date
            )
        is_new = self.ledger.note_delivery(hashlib.sha256(body).hexdigest())
        self.told(_event_of(found.event, job, is_new=is_new))
        if job is not None and is_new and job.is_done(self.accept):
            self.on_accepted(len(waiting_jobs(self.ledger, self.accept)))

    def _moved_job(self, found: _Body) -> _EventJob | None:
        is_ours = found.job is not None and found.job.project_id == self.project_id
        return found.job if is_ours and found.event in _EVENTS and _NOTED & found.before_update.keys() else None

    def is_signed(self, body: bytes, signature: str) -> bool:
        """Whether who sent this has the secret; compared in constant time."""
        wanted = "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted.encode(), signature.encode())


def _event_of(event: str, job: _EventJob | None, *, is_new: bool) -> Event:
    if job is None:
        return Event(event, is_new)
    return Event(event, is_new, job.id, job.stage, job.state, job.worker, job.updated_date)


def waiting_jobs(ledger: Ledger, accept: Accept) -> set[int]:
    """The jobs that people are done with, by the events noted, and that were not pulled since."""
    pulls = ledger.read_pulls()
    last = {job_id: events[-1] for job_id, events in ledger.read_job_events().items()}
    return {
        job_id
        for job_id, event in last.items()
        if event.state == "completed" and accept in ("completed", event.stage)
        if job_id not in pulls or (pulls[job_id].accepted_at or "") < event.at
    }


def receiver_app(receiver: Receiver) -> Starlette:
    """The receiver as an ASGI application that answers at PATH."""

    async def receive(request: Request) -> Response:
        try:
            body = await asyncio.wait_for(_read(request), _BODY_SECONDS)
        except (TimeoutError, ClientDisconnect):
            return PlainTextResponse("the body did not come", 408)
        if body is None:
            return PlainTextResponse(f"more than {MOST_BYTES} bytes", 413)
        if not receiver.is_signed(body, request.headers.get("X-Signature-256", "")):
            return PlainTextResponse("not signed with the secret", 403)
        try:
            await run_in_threadpool(receiver.receive, body)
        except msgspec.DecodeError:
            return PlainTextResponse("no event", 400)
        return PlainTextResponse("received")

    endpoint: Callable[[Request], Awaitable[Response]] = receive
    return Starlette(routes=[Route(PATH, endpoint, methods=["POST"])])


async def _read(request: Request) -> bytes | None:
    """The body; None where it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


class _Webhook(Struct):
    id: int
    target_url: str


class _Delivery(Struct):
    status_code: int | None
    response: str = ""


def push_webhook(client: Client, project_id: int, target_url: str, secret: str) -> int:
    """The id of the one webhook of a project for this address, made or brought up to date. Raises CvatError."""
    return repeat(lambda: _push_once(client, project_id, target_url, secret))


def _push_once(client: Client, project_id: int, target_url: str, secret: str) -> int:
    wanted = {
        "target_url": target_url,
        "secret": secret,
        "content_type": "application/json",
        "events": _EVENTS,
        "is_active": True,
        "enable_ssl": target_url.startswith("https:"),
    }
    if not _find(client, project_id, target_url):
        made = {"type": "project", "project_id": project_id, "description": "carloop", **wanted}
        call(client, "POST", "/api/webhooks", body=msgspec.json.encode(made))
    kept, *others = _find(client, project_id, target_url)
    call(client, "PATCH", f"/api/webhooks/{kept}", body=msgspec.json.encode(wanted))
    for webhook_id in others:
        call(client, "DELETE", f"/api/webhooks/{webhook_id}")
    return kept


def _find(client: Client, project_id: int, target_url: str) -> list[int]:
    """The webhooks of a project for an address, the oldest first."""
    found = read_all(client, "/api/webhooks", _Webhook, {"project_id": project_id})
    return sorted(webhook.id for webhook in found if webhook.target_url == target_url)


def ping(client: Client, webhook_id: int) -> None:
    """Make CVAT send something now. Raises CvatConflict when it does not arrive."""
    delivery = msgspec.json.decode(call(client, "POST", f"/api/webhooks/{webhook_id}/ping"), type=_Delivery)
    if delivery.status_code != 200:
        raise CvatConflict(
            f"CVAT cannot deliver events: it got {delivery.status_code or 'no answer'} ({delivery.response[:200]}); "
            "name an address that its machine reaches with --address"
        )
