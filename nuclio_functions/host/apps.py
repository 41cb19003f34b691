"""The host's HTTP: Nuclio's dashboard, as far as CVAT and `nuclio-jupyter` read it, and one port per function."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from nuclio_functions.host.pool import Pool
from nuclio_functions.host.protocol import Answer, Call

NAME_HEADER = "x-nuclio-function-name"


def make_dashboard(pools: Mapping[str, Pool], ports: Mapping[str, int]) -> FastAPI:
    """The dashboard over functions by name; `ports` are those that the functions listen on."""
    app = FastAPI(title="Carloop's function host", openapi_url=None)

    def pool_of(name: str) -> Pool:
        if name in pools:
            return pools[name]
        raise HTTPException(404, f"no function {name!r} here; there are {', '.join(pools)}")

    @app.get("/api/functions")
    def list_functions() -> dict[str, Any]:
        return {name: describe(pool, ports[name]) for name, pool in pools.items()}

    @app.get("/api/functions/{name}")
    def get_function(name: str) -> dict[str, Any]:
        return describe(pool_of(name), ports[name])

    @app.post("/api/function_invocations")
    async def invoke_function(request: Request) -> Response:
        return await forward(request, pool_of(request.headers.get(NAME_HEADER, "")), path="/")

    @app.get("/healthz")
    def health(response: Response) -> dict[str, str]:
        states = {name: _state(pool) for name, pool in pools.items()}
        response.status_code = 200 if set(states.values()) == {"ready"} else 503
        return states

    return app


def describe(pool: Pool, port: int) -> dict[str, Any]:
    """A function as Nuclio's dashboard shows it: its function.yaml and how it is."""
    config = pool.function.config
    metadata = {"namespace": "nuclio", **config["metadata"]}
    return {**config, "metadata": metadata, "status": {"state": _state(pool), "httpPort": port}}


def _state(pool: Pool) -> str:
    return "ready" if pool.is_ready else "unhealthy"


def make_function_app(pool: Pool) -> ASGIApp:
    """A function's own port: whatever comes in is an event."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await forward(request, pool, path=request.url.path)
        await response(scope, receive, send)

    return app


async def forward(request: Request, pool: Pool, *, path: str) -> Response:
    """Let a worker answer a request."""
    call = Call(
        body=await request.body(),
        method=request.method,
        path=path,
        content_type=request.headers.get("content-type", ""),
        headers=dict(request.headers),
        fields=dict(request.query_params),
    )
    return _to_response(await pool.invoke(call))


def _to_response(answer: Answer) -> Response:
    return Response(answer.body, answer.status_code, answer.headers, media_type=answer.content_type)


def by_port(apps: Mapping[int, ASGIApp]) -> ASGIApp:
    """One application for several listening ports."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):
            await apps[scope["server"][1]](scope, receive, send)

    return app
