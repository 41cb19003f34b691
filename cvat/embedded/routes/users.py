"""Logging in, users, and what the server says about itself."""

import secrets
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import literal

from cvat.embedded.accounts import KEY, LIFETIME, SESSION, find_user, forget_token, issue_token
from cvat.embedded.bodies import Credentials
from cvat.embedded.database import timestamp
from cvat.embedded.errors import NotFound
from cvat.embedded.http import Caller, Id, Reply, context_of
from cvat.embedded.listing import Listing
from cvat.embedded.tables import User
from cvat.embedded.views import Views

#: The CVAT version whose behaviour this server is held to.
CVAT_VERSION = "2.54.1"

router = APIRouter()

_USERS = Listing(
    User,
    fields={"id": User.id, "username": User.username, "is_active": literal("true")},
    search=("username",),
)


@router.get("/server/about")
def about(request: Request) -> Reply:
    """The one page that needs no login."""
    return Reply(
        {
            "name": "Carloop's embedded CVAT-compatible server",
            "description": "Annotation API for one machine; it has no pages of its own.",
            "version": CVAT_VERSION,
            "logo_url": f"{request.base_url}static/logo.svg",
            "subtitle": "",
        }
    )


@router.post("/auth/login")
def log_in(request: Request, credentials: Credentials) -> Response:
    """Check a password; give a key for the Authorization header, and cookies."""
    database = context_of(request).database
    with database.reading() as session:
        user_id = find_user(session, credentials.username, credentials.password).id
    with database.writing() as session:
        user = session.get_one(User, user_id)
        user.last_login = timestamp()
        key, cookie = issue_token(session, user, KEY), issue_token(session, user, SESSION)
    reply = Reply({"key": key})
    seconds = int(LIFETIME.total_seconds())
    reply.set_cookie("sessionid", cookie, max_age=seconds, httponly=True, samesite="lax")
    reply.set_cookie("csrftoken", secrets.token_hex(16), max_age=seconds, samesite="lax")
    return reply


@router.post("/auth/logout")
def log_out(request: Request, call: Caller) -> Reply:
    """End the login that this request came with."""
    key = request.headers.get("authorization", "").partition(" ")[2].strip()
    with call.database.writing() as session:
        forget_token(session, key or request.cookies.get("sessionid", ""))
    reply = Reply({"detail": "Successfully logged out."})
    reply.delete_cookie("sessionid")
    return reply


@router.get("/users")
def list_users(request: Request, call: Caller) -> Reply:
    """All users."""
    with call.database.reading() as session:
        rows, page = _USERS.page(session, request.query_params, request.url)
        return Reply({**page, "results": Views(session, call.base).users(rows)})


@router.get("/users/self")
def retrieve_self(call: Caller) -> Reply:
    """The caller."""
    return _retrieve(call, call.user_id)


@router.get("/users/{user_id}")
def retrieve_user(user_id: Id, call: Caller) -> Reply:
    """One user."""
    return _retrieve(call, user_id)


def _retrieve(call: Any, user_id: int) -> Reply:
    with call.database.reading() as session:
        user = session.get(User, user_id)
        if user is None:
            raise NotFound("User")
        return Reply(Views(session, call.base).users([user])[0])
