"""The host's HTTP: Nuclio's dashboard, as far as CVAT and `nuclio-jupyter` read it, and one port per function."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from nuclio_functions.host.bodies import BodyTooLarge, TooLarge, fetch_body
from nuclio_functions.host.metrics import HostMetrics
from nuclio_functions.host.pool import Pool
from nuclio_functions.host.protocol import Answer, Call

NAME_HEADER = "x-nuclio-function-name"
PATH_HEADER = "x-nuclio-path"
INTERNAL_HEALTH = "/__internal/health"
"""Answered by Nuclio's processor itself, without a worker."""
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


def make_dashboard(pools: Mapping[str, Pool], ports: Mapping[str, int], metrics: HostMetrics) -> FastAPI:
    """The dashboard over functions by name; `ports` are those that the functions listen on."""
    app = FastAPI(title="Carloop's function host", openapi_url=None)

    def pool_of(name: str) -> Pool:
        if name in pools:
            return pools[name]
        raise HTTPException(404, f"no function {name!r} here; there are {', '.join(pools)}")

    @app.get("/api/projects")
    def list_projects() -> dict[str, Any]:
        return {"default": {"metadata": {"name": "default", "namespace": "nuclio"}, "spec": {}, "status": {}}}

    @app.get("/api/functions")
    def list_functions() -> dict[str, Any]:
        return {name: describe(pool, ports[name]) for name, pool in pools.items()}

    @app.get("/api/functions/{name}")
    def get_function(name: str) -> dict[str, Any]:
        return describe(pool_of(name), ports[name])

    @app.post("/api/projects")
    @app.api_route("/api/functions", methods=["POST", "DELETE"])
    @app.put("/api/functions/{name}")
    def refuse_change(name: str = "") -> None:
        raise HTTPException(501, "functions are not deployed to this host; it runs the folders that --functions names")

    @app.api_route("/api/function_invocations", methods=[*METHODS])
    async def invoke_function(request: Request) -> Response:
        path = "/" + request.headers.get(PATH_HEADER, "").lstrip("/")
        return await forward(request, pool_of(request.headers.get(NAME_HEADER, "")), metrics, path=path)

    @app.get("/healthz")
    def health(response: Response) -> dict[str, str]:
        states = {name: _state(pool) for name, pool in pools.items()}
        response.status_code = 200 if set(states.values()) == {"ready"} else 503
        return states

    @app.get("/metrics")
    def tell_metrics() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return app


def describe(pool: Pool, port: int) -> dict[str, Any]:
    """A function as Nuclio's dashboard shows it: its function.yaml and how it is."""
    config = pool.function.config
    metadata = {"namespace": "nuclio", **config["metadata"]}
    return {**config, "metadata": metadata, "status": {"state": _state(pool), "httpPort": port}}


def _state(pool: Pool) -> str:
    return "ready" if pool.is_ready else "unhealthy"


def make_function_app(pool: Pool, metrics: HostMetrics) -> ASGIApp:
    """A function's own port: whatever comes in is an event, except when the processor itself is asked how it is."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = request.url.path
        response = Response() if path == INTERNAL_HEALTH else await forward(request, pool, metrics, path=path)
        await response(scope, receive, send)

    return app


async def forward(request: Request, pool: Pool, metrics: HostMetrics, *, path: str) -> Response:
    """Let a worker answer a request."""
    function = pool.function
    try:
        body = await fetch_body(request, limit=function.max_body)
    except BodyTooLarge:
        metrics.observe(function.name, status_code=413, seconds=0)
        return TooLarge(function.name, limit=function.max_body)
    call = Call(
        body=body,
        method=request.method,
        path=path,
        content_type=request.headers.get("content-type", ""),
        headers=dict(request.headers),
        fields=dict(request.query_params),
    )
    began = time.perf_counter()
    answer = await pool.invoke(call)
    metrics.observe(function.name, status_code=answer.status_code, seconds=time.perf_counter() - began)
    return _to_response(answer)


def _to_response(answer: Answer) -> Response:
    return Response(answer.body, answer.status_code, answer.headers, media_type=answer.content_type)


def by_port(apps: Mapping[int, ASGIApp]) -> ASGIApp:
    """One application for several listening ports."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):
            await apps[scope["server"][1]](scope, receive, send)

    return app
