"""The shell of the functions that a person waits for, the interactor and the tracker: events in, responses out."""

import traceback
from typing import Any, Protocol

import orjson
from pydantic import BaseModel

from datasets.errors import CarloopError, Unavailable
from nuclio_functions.errors import BadRequest
from nuclio_functions.logger import Logger
from nuclio_functions.metrics import METRICS_PATH, FunctionMetrics, Outcome, Request
from training.errors import UndecodableImage

HEALTH_PATHS = ("", "/", "/healthz")

Content = BaseModel | dict[str, str]


class Service(Protocol):
    """What answers."""

    def describe(self) -> dict[str, str]:
        """What is served. Raises Unavailable."""

    def answer(self, body: object, logger: Logger) -> BaseModel:
        """The reply to a request's body. Raises BadRequest and other CarloopErrors."""


def start(context: Any, service: Service, metrics: FunctionMetrics) -> None:
    """The end of Nuclio's `init_context`: from now on `handle` answers by this service."""
    context.user_data.service, context.user_data.metrics = service, metrics


def handle(context: Any, event: Any) -> Any:
    """Nuclio's `handler`."""
    service, metrics = context.user_data.service, context.user_data.metrics
    if event.method == "GET" and event.path == METRICS_PATH:
        return context.Response(body=metrics.render().decode(), content_type="text/plain", status_code=200)
    if event.method == "GET":
        status_code, content = check_health(service, event.path)
    else:
        with metrics.request() as request:
            status_code, content = answer(service, event.body, context.logger, request)
    return context.Response(body=_to_json(content), content_type="application/json", status_code=status_code)


def check_health(service: Service, path: str) -> tuple[int, Content]:
    """200 with what is served, 503 when nothing can be, 404 for another path than / and /healthz."""
    if path not in HEALTH_PATHS:
        return 404, {"error": "GET / and GET /healthz say what is served"}
    try:
        return 200, service.describe()
    except Unavailable as error:
        return 503, {"error": str(error)}


def answer(service: Service, body: object, logger: Logger, request: Request) -> tuple[int, Content]:
    """HTTP status and content for a request's body, whose outcome is told to `request`.

    400 for what is no request, or has no picture where the service needs one; 500 for anything else that fails. All
    but what is no request is logged.
    """
    try:
        reply = service.answer(body, logger)
        return _told(request, "ok", 200, reply)
    except BadRequest as error:
        return _told(request, "bad_request", 400, {"error": str(error)})
    except UndecodableImage as error:
        logger.error(str(error))
        return _told(request, "undecodable", 400, {"error": str(error)})
    except CarloopError as error:
        logger.error(str(error))
        return 500, {"error": str(error)}
    except Exception as error:
        logger.error(traceback.format_exc())
        return 500, {"error": f"{type(error).__name__}, which the function's log tells in full"}


def _told(request: Request, outcome: Outcome, status_code: int, content: Content) -> tuple[int, Content]:
    request.outcome = outcome
    return status_code, content


def _to_json(content: Content) -> str:
    plain = content.model_dump() if isinstance(content, BaseModel) else content
    return orjson.dumps(plain, option=orjson.OPT_SERIALIZE_NUMPY).decode()
