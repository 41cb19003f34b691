"""The HTTP application: all endpoints under /api, and errors in CVAT's form."""

import logging
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError

from cvat.embedded.errors import ApiError
from cvat.embedded.http import Context, Reply, field_errors
from cvat.embedded.routes import annotations, frames, projects, requests, tasks, uploads, users

_log = logging.getLogger(__name__)


def create_app(context: Context) -> FastAPI:
    """The application on the parts of one server."""
    app = FastAPI(openapi_url=None)
    app.state.context = context
    api = APIRouter(prefix="/api")
    # The frames come before the uploads, whose data/{upload_id} would take data/meta too.
    for routes in (users, projects, tasks, frames, uploads, annotations, requests):
        api.include_router(routes.router)
    app.include_router(api)
    app.add_exception_handler(ApiError, _tell_api_error)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(OverflowError, _tell_overflow)
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
