"""A stand-in for Nuclio's dashboard, which needs a container engine: what nuclio-jupyter and CVAT ask of it.

What it answers, and when it refuses, was read in pkg/dashboard/resource/ (function.go, project.go, invocation.go) and
pkg/platform/abstract/platform.go of https://github.com/nuclio/nuclio at 9e837f6: 202 for what is being built, 404, 409,
412 while a function is being built; each line of a build's log is told once; deleting what is not there is no error.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from datasets.processes import listen

PROVISIONED = ("ready", "error", "unhealthy", "scaledToZero", "imported")
PROJECT_LABEL = "nuclio.io/project-name"


@dataclass
class Build:
    """How the next build goes: a state for each time it is asked for, the last one for good, and what it says."""

    states: Sequence[str] = ("building", "waitingForResourceConfiguration", "ready")
    message: str = ""
    log: Sequence[str] = ("Building processor image", "Pushing docker image")


@dataclass
class Function:
    config: dict[str, Any]
    states: list[str]
    build: Build
    log: list[dict[str, Any]]

    def show(self) -> dict[str, Any]:
        """As the dashboard shows it; that moves the build on by a state."""
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        log, self.log = self.log, []
        status: dict[str, Any] = {"state": state, **({"logs": log} if log else {})}
        if state == "ready":
            status["httpPort"] = 32768
        if state in ("error", "unhealthy"):
            status["message"] = self.build.message
        return {**self.config, "status": status}


@dataclass
class Nuclio:
    """The stand-in: what it holds, and how its next build and a function's own answers go."""

    url: str = ""
    build: Build = field(default_factory=Build)
    functions: dict[str, Function] = field(default_factory=dict)
    projects: set[str] = field(default_factory=lambda: {"default"})
    health: tuple[int, Any] = (200, {"model": "damage_detector@3", "bundle": "ab" * 32})
    builds: int = 0
    rivals: bool = False
    """Somebody else makes each project just before it is made here."""
    hangs: threading.Event = field(default_factory=threading.Event)

    def start(self, config: dict[str, Any]) -> JSONResponse:
        name = config["metadata"]["name"]
        log = [{"time": 1.0, "level": "info", "message": line} for line in self.build.log]
        states = list(self.build.states)
        self.functions[name] = Function(
            {"metadata": config["metadata"], "spec": config["spec"]}, states, self.build, log
        )
        self.builds += 1
        return JSONResponse({}, 202)


def refuse(status_code: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status_code)


def make_app(nuclio: Nuclio) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.middleware("http")
    async def hang(request: Request, call_next: Any) -> Any:
        if nuclio.hangs.is_set():
            while (await request.receive())["type"] != "http.disconnect":
                pass
        return await call_next(request)

    @app.get("/api/projects")
    def list_projects() -> Any:
        return {name: {"metadata": {"name": name, "namespace": "nuclio"}, "spec": {}} for name in nuclio.projects}

    @app.post("/api/projects", status_code=201)
    async def make_project(request: Request) -> Any:
        project = await request.json()
        name = project["metadata"]["name"]
        if name in nuclio.projects or nuclio.rivals:
            nuclio.projects.add(name)
            return refuse(409, f"Project {name} already exists")
        nuclio.projects.add(name)
        return project

    @app.get("/api/functions")
    def list_functions() -> Any:
        return {name: function.show() for name, function in nuclio.functions.items()}

    @app.get("/api/functions/{name}")
    def get_function(name: str) -> Any:
        function = nuclio.functions.get(name)
        return function.show() if function else refuse(404, "Function not found")

    @app.post("/api/functions")
    async def make_function(request: Request) -> Any:
        config = await request.json()
        if config["metadata"]["name"] in nuclio.functions:
            return refuse(409, "Cannot create two functions with the same name")
        if config["metadata"]["labels"].get(PROJECT_LABEL) not in nuclio.projects:
            return refuse(412, "Project does not exist")
        return nuclio.start(config)

    @app.put("/api/functions/{name}")
    async def replace_function(name: str, request: Request) -> Any:
        if nuclio.functions[name].states[0] not in PROVISIONED:
            return refuse(412, "Function cannot be updated when existing function is being provisioned")
        return nuclio.start(await request.json())

    @app.delete("/api/functions")
    async def remove_function(request: Request) -> Any:
        name = (await request.json())["metadata"]["name"]
        if name in nuclio.functions and nuclio.functions[name].states[0] not in PROVISIONED:
            return refuse(412, "Function is being provisioned and cannot be deleted")
        nuclio.functions.pop(name, None)
        return Response(status_code=204)

    @app.get("/api/function_invocations")
    def invoke(request: Request) -> Any:
        if not request.headers.get("x-nuclio-function-name"):
            return refuse(400, "Function name must be provided")
        assert request.headers["x-nuclio-path"] == "/healthz"
        status_code, content = nuclio.health
        return JSONResponse(content, status_code)

    return app


@contextmanager
def run_nuclio() -> Iterator[Nuclio]:
    """A stand-in that answers at its `url` until the block ends."""
    nuclio = Nuclio()
    listening = listen("127.0.0.1", 0)
    nuclio.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(make_app(nuclio), log_config=None, log_level="error", lifespan="off", ws="none")
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield nuclio
    finally:
        server.should_exit = True
        thread.join(10)
