"""The servers of one run: CVAT, the functions, Prefect, MongoDB; embedded ones unless others are named."""

import importlib.util
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from cvat.client import Credentials, connect
from cvat.embedded.settings import PASSWORD_VARIABLE, USER_VARIABLE
from cvat.settings import CVAT_VARIABLE
from datasets.files import read_json
from pipelines.children import GUARD, Child, free_port, listens, start_child
from pipelines.errors import BadProject, ServiceFailed
from pipelines.runs import Run

PREFECT_VARIABLE = "PREFECT_API_URL"
MONGODB_VARIABLE = "FIFTYONE_DATABASE_URI"
FUNCTION = "car_condition"

_TIMEOUT_SECONDS = 10

Start = Callable[..., Child]
"""`start_child`, whose process ends when the services' block does."""


@dataclass(frozen=True)
class Services:
    """Where the servers are; `function_url` is that of the function with both models."""

    cvat_url: str
    credentials: Credentials
    function_url: str
    prefect_api_url: str
    mongodb_uri: str
    children: tuple[Child, ...]


@contextmanager
def start_services(run: Run) -> Iterator[Services]:
    """Start every server that is not named, all at once, and wait until each of them answers, named ones too.

    Raises:
        ServiceFailed: one did not come up or does not answer; the message has its last words and a remedy.
        BadProject: the project names a CVAT server, but the environment has no user for it.
        CvatError: that server does not answer, or does not let the user in.
    """
    _bypass_proxies()
    with ExitStack() as stack:
        children: list[Child] = []

        def start(name: str, module: Sequence[str], **more: Any) -> Child:
            children.append(stack.enter_context(start_child(name, module, **more)))
            return children[-1]

        named_cvat, named_prefect, named_mongodb = _named_cvat(run), _named_prefect(), _named_mongodb()
        cvat = named_cvat or _start_cvat(start, run)
        function = _start_function(start, run)
        prefect = named_prefect or _start_prefect(start, run)
        mongodb = named_mongodb or _start_mongodb(start, run)
        cvat_url, credentials = cvat()
        yield Services(cvat_url, credentials, function(), prefect(), mongodb(), tuple(children))


def _bypass_proxies() -> None:
    """Servers of this machine are not reached through a proxy."""
    names = [*filter(None, os.environ.get("NO_PROXY", "").split(",")), "127.0.0.1", "localhost"]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(dict.fromkeys(names))


@contextmanager
def start_mongodb(run: Run) -> Iterator[str]:
    """FiftyOne's MongoDB alone; its URI. Raises ServiceFailed."""
    with ExitStack() as stack:

        def start(name: str, module: Sequence[str], **more: Any) -> Child:
            return stack.enter_context(start_child(name, module, **more))

        yield (_named_mongodb() or _start_mongodb(start, run))()


def _named_cvat(run: Run) -> Callable[[], tuple[str, Credentials]] | None:
    url = os.environ.get(CVAT_VARIABLE) or run.project.cvat.url
    if not url:
        return None
    user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
    if not user or not password:
        raise BadProject(f"CVAT is named to be at {url}; set {USER_VARIABLE} and {PASSWORD_VARIABLE} to log in there")
    credentials = Credentials(user, password)
    with connect(url, credentials):
        return lambda: (url, credentials)


def _start_cvat(start: Start, run: Run) -> Callable[[], tuple[str, Credentials]]:
    credentials = Credentials("carloop", secrets.token_urlsafe())
    ready = _ready_file(run, "cvat")
    module = ["cvat.embedded", "--data", str(run.cvat_data), "--ready-file", str(ready), "--exit-with-stdin"]
    env = {USER_VARIABLE: credentials.user, PASSWORD_VARIABLE: credentials.password}
    child = start("the embedded CVAT", module, env=env, log=run.logs / "cvat.log")

    def wait() -> tuple[str, Credentials]:
        child.wait(ready.exists)
        return ready.read_text().strip(), credentials

    return wait


def _start_function(start: Start, run: Run) -> Callable[[], str]:
    """The function that has both models."""
    ready = _ready_file(run, "functions")
    options = ["--only", FUNCTION, "--bundles", str(run.bundles), "--ready-file", str(ready), "--exit-with-stdin"]
    module = ["nuclio_functions.host", *options]
    child = start("the functions' host", module, log=run.logs / "functions.log")

    def wait() -> str:
        child.wait(ready.exists)
        (address,) = read_json(ready)["functions"].values()
        return str(address)

    return wait


def _named_prefect() -> Callable[[], str] | None:
    url = os.environ.get(PREFECT_VARIABLE)
    if not url:
        return None
    try:
        requests.get(f"{url}/health", timeout=_TIMEOUT_SECONDS)
    except requests.RequestException:
        raise ServiceFailed(
            f"no Prefect server answers at {url}; start it, or unset {PREFECT_VARIABLE} to use an embedded one"
        ) from None
    return lambda: url


def _start_prefect(start: Start, run: Run) -> Callable[[], str]:
    """Prefect's API alone, on SQLite: its own temporary server would outlive a killed process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    made = run.prefect / "made"
    if not made.exists():  # one that was killed while it made its tables cannot use them again
        shutil.rmtree(run.prefect, ignore_errors=True)
    server = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app", "--lifespan", "on"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    env = {
        "PREFECT_HOME": str(run.prefect.absolute()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "DO_NOT_TRACK": "1",
    }
    module = [GUARD, *server, *options]
    child = start("Prefect's server", module, env=env, log=run.logs / "prefect.log")

    def wait() -> str:
        child.wait(lambda: _is_healthy(url))
        made.touch()
        return url

    return wait


def _is_healthy(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=_TIMEOUT_SECONDS).ok
    except requests.RequestException:
        return False


def _named_mongodb() -> Callable[[], str] | None:
    uri = os.environ.get(MONGODB_VARIABLE)
    if not uri:
        return None
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=1000 * _TIMEOUT_SECONDS) as client:
            client.admin.command("ping")
    except PyMongoError:
        raise ServiceFailed(
            f"no MongoDB answers at {without_login(uri)}; start it, or unset {MONGODB_VARIABLE} to use an embedded one"
        ) from None
    return lambda: uri


def _start_mongodb(start: Start, run: Run) -> Callable[[], str]:
    """The mongod that FiftyOne's packages carry. FiftyOne's own service would share one among all that run here."""
    port = free_port()
    run.review.mkdir(parents=True, exist_ok=True)
    options = ["--dbpath", str(run.review), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"]
    module = [GUARD, str(_mongod()), *options, "--wiredTigerCacheSizeGB", "0.25"]
    remedy = f"free some memory or disk, or name a running MongoDB in {MONGODB_VARIABLE}"
    log = run.logs / "mongodb.log"
    child = start("FiftyOne's MongoDB", module, log=log, remedy=remedy)

    def wait() -> str:
        child.wait(lambda: listens(port))
        return f"mongodb://127.0.0.1:{port}"

    return wait


def _mongod() -> Path:
    """The mongod that FiftyOne was installed with; FiftyOne itself need not be imported to find it."""
    spec = importlib.util.find_spec("fiftyone")
    places = [Path(folder) / "db" / "bin" / "mongod" for folder in (spec and spec.submodule_search_locations) or ()]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise ServiceFailed(f"FiftyOne brought no mongod; name a running MongoDB in {MONGODB_VARIABLE}")
    return found


def without_login(uri: str) -> str:
    """An address without the user and password that it may carry."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _ready_file(run: Run, name: str) -> Path:
    path = run.folder / f"{name}.ready"
    path.unlink(missing_ok=True)
    return path
