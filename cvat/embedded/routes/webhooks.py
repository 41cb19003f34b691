"""Webhooks of projects, and the log of what was sent to them."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from cvat.embedded.database import timestamp
from cvat.embedded.errors import BadRequest, NotFound
from cvat.embedded.http import Call, Caller, Id, Reply
from cvat.embedded.listing import Listing, username
from cvat.embedded.tables import Delivery, Project, Webhook
from cvat.embedded.views import Views
from cvat.embedded.webhooks.events import PROJECT_EVENTS, message_for

router = APIRouter(prefix="/webhooks")

_WEBHOOKS = Listing(
    Webhook,
    fields={
        "id": Webhook.id,
        "target_url": Webhook.target_url,
        "owner": username(Webhook.owner_id),
        "type": literal("project"),
        "description": Webhook.description,
        "project_id": Webhook.project_id,
        "updated_date": Webhook.updated_date,
    },
    search=("target_url", "owner", "description"),
)


def _http_url(text: str) -> str:
    parts = urlsplit(text)  # raises ValueError for what it cannot take apart
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("Enter a valid URL.")
    return text


def _known_events(events: list[str]) -> list[str]:
    for event in events:
        if event not in PROJECT_EVENTS:
            raise ValueError(f'"{event}" is not a valid choice.')
    return sorted(set(events))


Url = Annotated[str, Field(max_length=8192), AfterValidator(_http_url)]
Events = Annotated[list[str], Field(min_length=1), AfterValidator(_known_events)]
ContentType = Literal["application/json"]


class WebhookBody(BaseModel):
    """A new webhook. There are no organizations here, so it is always of a project."""

    target_url: Url
    description: Annotated[str, Field(max_length=128)] = ""
    type: Literal["project"]
    content_type: ContentType = "application/json"
    secret: Annotated[str, Field(max_length=64)] = ""
    is_active: bool = True
    enable_ssl: bool = True
    project_id: int
    events: Events


class WebhookPatch(BaseModel):
    """Changes of a webhook; what it is of cannot change."""

    target_url: Url | None = None
    description: Annotated[str, Field(max_length=128)] | None = None
    content_type: ContentType | None = None
    secret: Annotated[str, Field(max_length=64)] | None = None
    is_active: bool | None = None
    enable_ssl: bool | None = None
    events: Events | None = None


@router.get("")
def list_webhooks(request: Request, call: Caller) -> Reply:
    """All webhooks, newest first."""
    with call.database.reading() as session:
        rows, page = _WEBHOOKS.page(session, request.query_params, request.url)
        return Reply({**page, "results": [_show(session, call, row) for row in rows]})


@router.post("")
def create_webhook(body: WebhookBody, call: Caller) -> Reply:
    """A new webhook of a project."""
    now = timestamp()
    with call.database.writing() as session:
        if session.get(Project, body.project_id) is None:
            raise BadRequest({"project_id": [f'Invalid pk "{body.project_id}" - object does not exist.']})
        fields = body.model_dump(exclude={"type", "content_type"})
        webhook = Webhook(**fields, owner_id=call.user_id, created_date=now, updated_date=now)
        session.add(webhook)
        session.flush()
        told = _show(session, call, webhook)
    return Reply(told, status_code=201, headers={"Location": told["url"]})


@router.get("/events")
def list_events(call: Caller, type: Literal["all", "project", "organization"] = "all") -> Reply:
    """The events that a webhook can ask for; one of an organization cannot be had, so it can ask for none."""
    return Reply({"webhook_type": type, "events": PROJECT_EVENTS if type != "organization" else []})


@router.get("/{webhook_id}")
def retrieve_webhook(webhook_id: Id, call: Caller) -> Reply:
    """One webhook."""
    with call.database.reading() as session:
        return Reply(_show(session, call, _find(session, webhook_id)))


@router.put("/{webhook_id}")
@router.patch("/{webhook_id}")
def update_webhook(webhook_id: Id, body: WebhookPatch, call: Caller) -> Reply:
    """Change a webhook; only what is sent changes."""
    with call.database.writing() as session:
        webhook = _find(session, webhook_id)
        for name, value in body.model_dump(exclude_none=True, exclude={"content_type"}).items():
            setattr(webhook, name, value)
        webhook.updated_date = timestamp()
        session.flush()
        told = _show(session, call, webhook)
    return Reply(told)


@router.delete("/{webhook_id}")
def delete_webhook(webhook_id: Id, call: Caller) -> Response:
    """Delete a webhook and its log."""
    with call.database.writing() as session:
        session.delete(_find(session, webhook_id))
    return Response(status_code=204)


@router.post("/{webhook_id}/ping")
def ping(webhook_id: Id, call: Caller) -> Reply:
    """Send a message now, and tell what came back."""
    with call.database.reading() as session:
        webhook = _find(session, webhook_id)
        sender = Views(session, call.base).person(call.user_id)
        payload = {"event": "ping", "webhook": _show(session, call, webhook), "sender": sender}
    return Reply(_show_delivery(call.context.sender.send_now(webhook, payload)))


@router.get("/{webhook_id}/deliveries")
def list_deliveries(webhook_id: Id, request: Request, call: Caller) -> Reply:
    """What was sent, newest first."""
    with call.database.reading() as session:
        _find(session, webhook_id)
        listing = Listing(Delivery, fields={"id": Delivery.id}, search=(), only=[Delivery.webhook_id == webhook_id])
        rows, page = listing.page(session, request.query_params, request.url)
        return Reply({**page, "results": [_show_delivery(row) for row in rows]})


@router.get("/{webhook_id}/deliveries/{delivery_id}")
def retrieve_delivery(webhook_id: Id, delivery_id: Id, call: Caller) -> Reply:
    """One message that was sent."""
    with call.database.reading() as session:
        return Reply(_show_delivery(_find_delivery(session, webhook_id, delivery_id)))


@router.post("/{webhook_id}/deliveries/{delivery_id}/redelivery")
def redeliver(webhook_id: Id, delivery_id: Id, call: Caller) -> Reply:
    """Have a message sent again."""
    with call.database.writing() as session:
        delivery = _find_delivery(session, webhook_id, delivery_id)
        message = message_for(_find(session, webhook_id), delivery.request, redelivery=True)
        session.add(message)
    call.context.sender.put([message])
    return Reply({})


def _find(session: Session, webhook_id: int) -> Webhook:
    webhook = session.get(Webhook, webhook_id)
    if webhook is None:
        raise NotFound("Webhook")
    return webhook


def _find_delivery(session: Session, webhook_id: int, delivery_id: int) -> Delivery:
    delivery = session.get(Delivery, delivery_id)
    if delivery is None or delivery.webhook_id != webhook_id:
        raise NotFound("WebhookDelivery")
    return delivery


def _show(session: Session, call: Call, row: Webhook) -> dict[str, Any]:
    """A webhook without its secret."""
    last_id = select(func.max(Delivery.id)).where(Delivery.webhook_id == row.id).scalar_subquery()
    last = session.scalar(select(Delivery).where(Delivery.id == last_id))
    return {
        "id": row.id,
        "url": f"{call.base}api/webhooks/{row.id}",
        "target_url": row.target_url,
        "description": row.description,
        "type": "project",
        "content_type": "application/json",
        "is_active": row.is_active,
        "enable_ssl": row.enable_ssl,
        "created_date": row.created_date,
        "updated_date": row.updated_date,
        "owner": Views(session, call.base).person(row.owner_id),
        "project_id": row.project_id,
        "organization": None,
        "events": row.events,
        **({"last_status": last.status_code, "last_delivery_date": last.created_date} if last else {}),
    }


def _show_delivery(row: Delivery) -> dict[str, Any]:
    return {
        "id": row.id,
        "webhook_id": row.webhook_id,
        "event": row.event,
        "status_code": row.status_code,
        "redelivery": row.redelivery,
        "created_date": row.created_date,
        "updated_date": row.created_date,
        "changed_fields": row.changed_fields,
        "request": row.request,
        "response": row.response,
    }
