"""What all endpoints share: who calls, how an answer is written, how a mistake of the client is told."""

import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Path, Request, Response
from sqlalchemy.orm import Session

from cvat.embedded.accounts import KEY, SESSION, read_user_of_token
from cvat.embedded.background import Runner
from cvat.embedded.database import Database
from cvat.embedded.errors import Forbidden, NotAuthenticated
from cvat.embedded.functions.nuclio import Nuclio
from cvat.embedded.settings import Limits
from cvat.embedded.share import Share
from cvat.embedded.store import Store
from cvat.embedded.webhooks.events import Author, telling
from cvat.embedded.webhooks.sending import Sender

#: An id in a path; what cannot be one is simply not found.
Id = Annotated[int, Path(ge=1, lt=2**63)]


class Reply(Response):
    """JSON as CVAT sends it. Content is written as it is, so that large answers stay fast."""

    media_type = "application/vnd.cvat+json"

    def render(self, content: Any) -> bytes:
        """The body; bytes are JSON already."""
        return content if isinstance(content, bytes) else orjson.dumps(content)


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a running server."""

    database: Database
    store: Store
    share: Share
    runner: Runner
    limits: Limits
    nuclio: Nuclio
    sender: Sender


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request. `base` is the server's address as the caller wrote it, with a slash at the end."""

    context: Context
    user_id: int
    base: str

    @property
    def database(self) -> Database:
        """The server's database."""
        return self.context.database

    @contextmanager
    def changing(
        self, *, project_id: int | None = None, task_id: int | None = None, job_id: int | None = None
    ) -> Iterator[Session]:
        """A session that commits at the end of the block, and tells the webhooks of the project, task or job named."""
        author = Author(self.user_id, self.base)
        with (
            self.database.writing() as session,
            telling(session, self.context.sender, author, project_id=project_id, task_id=task_id, job_id=job_id),
        ):
            yield session


def context_of(request: Request) -> Context:
    """The server the request came to."""
    context: Context = request.app.state.context
    return context


def authenticate(request: Request) -> Call:
    """The caller, by the `Authorization` header or the session cookie.

    Raises:
        NotAuthenticated: there are no credentials, or they are unknown or expired.
        Forbidden: a session cookie came with a change, but not the proof that our own client sent it.
    """
    context = context_of(request)
    with context.database.reading() as session:
        user = read_user_of_token(session, *_credentials(request))
    return Call(context=context, user_id=user.id, base=str(request.base_url))


Caller = Annotated[Call, Depends(authenticate)]


def _credentials(request: Request) -> tuple[str, str]:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("token", "bearer"):
        return key.strip(), KEY
    cookie = request.cookies.get("sessionid")
    if not cookie:
        raise NotAuthenticated
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        _check_csrf(request)
    return cookie, SESSION


def _check_csrf(request: Request) -> None:
    """A page of another site can make a browser send our cookies, but cannot repeat one in a header."""
    sent, known = request.headers.get("x-csrftoken", ""), request.cookies.get("csrftoken", "")
    if not known or not hmac.compare_digest(sent.encode(), known.encode()):
        raise Forbidden("CSRF Failed: CSRF token missing or incorrect.")


_SENTENCES = {
    "missing": "This field is required.",
    "greater_than_equal": "Ensure this value is greater than or equal to {ge}.",
    "less_than_equal": "Ensure this value is less than or equal to {le}.",
    "literal_error": '"{input}" is not a valid choice.',
    "string_too_short": "This field may not be blank.",
}


def field_errors(errors: Sequence[Any]) -> dict[str, Any]:
    """Pydantic's list of errors in the nested form of CVAT: `{"shapes": [{}, {"points": ["..."]}]}`."""
    told: dict[str, Any] = {}
    for error in errors:
        place = [step for step in error["loc"] if step not in ("body", "query")] or ["non_field_errors"]
        _put(told, place, _sentence(error))
    return told


def _sentence(error: Any) -> str:
    values = {**error.get("ctx", {}), "input": error.get("input")}
    if error["type"] == "value_error":
        return str(values["error"])
    return _SENTENCES[error["type"]].format(**values) if error["type"] in _SENTENCES else str(error["msg"])


def _put(told: dict[str, Any], place: Sequence[str | int], sentence: str) -> None:
    name, *rest = place
    if rest and isinstance(rest[0], int) and len(rest) > 1:
        items = told.setdefault(str(name), [])
        items.extend({} for _ in range(rest[0] + 1 - len(items)))
        if isinstance(items[rest[0]], dict):  # else the item as a whole is wrong, which says enough
            _put(items[rest[0]], rest[1:], sentence)
    elif rest and isinstance(rest[0], str):
        _put(told.setdefault(str(name), {}), rest, sentence)
    else:
        told.setdefault(str(name), []).append(sentence)
