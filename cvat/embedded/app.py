"""The HTTP application: all endpoints under /api, and errors in CVAT's form."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DatabaseError

from cvat.embedded.errors import DISK_FULL, ApiError
from cvat.embedded.http import Context, Reply, field_errors
from cvat.embedded.routes import (
    annotations,
    backups,
    docs,
    exports,
    frames,
    functions,
    imports,
    issues,
    projects,
    requests,
    share,
    tasks,
    uploads,
    users,
    webhooks,
)
from datasets.files import is_disk_full


def create_app(context: Context) -> FastAPI:
    """The application on the parts of one server."""
    app = FastAPI(
        title="Carloop's CVAT-compatible API",
        description="Log in at /api/auth/login, then send `Authorization: Token <key>`.",
        version=users.CVAT_VERSION,
        openapi_url=docs.SCHEMA_URL,
        docs_url=None,  # FastAPI's own pages load their scripts from the internet
        redoc_url=None,
    )
    app.state.context = context
    api = APIRouter(prefix="/api")
    # The frames come before the uploads, whose data/{upload_id} would take data/meta too.
    for routes in (
        users,
        projects,
        tasks,
        frames,
        uploads,
        annotations,
        exports,
        imports,
        requests,
        share,
        issues,
        functions,
        webhooks,
        backups,
        docs,
    ):
        api.include_router(routes.router)
    app.include_router(api)
    app.add_exception_handler(ApiError, _tell_api_error)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(OverflowError, _tell_overflow)
    for kind in (OSError, DatabaseError):
        app.add_exception_handler(kind, _tell_disk_full)
    return app


def _tell_api_error(_request: Request, error: Any) -> Reply:
    headers = {"WWW-Authenticate": "Token"} if error.status == 401 else None
    return Reply(error.body, status_code=error.status, headers=headers)


def _tell_invalid(_request: Request, error: Any) -> Reply:
    errors = error.errors()
    if any(item["loc"][0] == "path" for item in errors):
        return Reply({"detail": "Not found."}, status_code=404)
    if errors[0]["type"] == "json_invalid":
        return Reply({"detail": f"JSON parse error - {errors[0]['ctx']['error']}"}, status_code=400)
    return Reply(field_errors(errors), status_code=400)


def _tell_overflow(_request: Request, _error: Any) -> Reply:
    return Reply({"detail": "A number is too large to be stored."}, status_code=400)


def _tell_disk_full(_request: Request, error: Exception) -> Reply:
    if not is_disk_full(error):
        raise error
    return Reply({"detail": DISK_FULL}, status_code=507)
