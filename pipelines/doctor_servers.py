"""How `carloop doctor` asks the servers that the environment names, each from where the command runs.

A server is asked for what it is there for: a login, a database's answer, the targets that Prometheus reaches. What is
not named is not asked.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests

from cvat.embedded.settings import NUCLIO_VARIABLE, PASSWORD_VARIABLE, USER_VARIABLE
from cvat.settings import CVAT_VARIABLE
from pipelines.services import MONGODB_VARIABLE, PREFECT_VARIABLE, without_login

FIFTYONE_VARIABLE = "CARLOOP_FIFTYONE_URL"
POSTGRES_VARIABLE = "CARLOOP_POSTGRES_URL"
PROMETHEUS_VARIABLE = "CARLOOP_PROMETHEUS_URL"
GRAFANA_VARIABLE = "CARLOOP_GRAFANA_URL"
MLFLOW_VARIABLE = "MLFLOW_TRACKING_URI"
OBJECTS_VARIABLE = "AWS_ENDPOINT_URL_S3"

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Server:
    """A server's name, the variable that tells its address, how it is asked, and what to do if it does not answer."""

    name: str
    variable: str
    ask: Callable[[str], str]
    remedy: str


def named_servers() -> Iterator[tuple[Server, str]]:
    """The servers whose address is in the environment, with it. MLflow's may be a database: that is none."""
    for server in SERVERS:
        address = os.environ.get(server.variable, "")
        if address and (server.variable != MLFLOW_VARIABLE or address.startswith("http")):
            yield server, address


def _get(url: str, path: str) -> requests.Response:
    response = requests.get(f"{url.rstrip('/')}{path}", timeout=_TIMEOUT_SECONDS)
    response.raise_for_status()
    return response


def _ask_prefect(url: str) -> str:
    ready = requests.get(f"{url.rstrip('/')}/ready", timeout=_TIMEOUT_SECONDS)
    if not ready.ok:
        raise RuntimeError(f"{url} answers, but does not reach its database")
    return f"{_get(url, '/admin/version').json()} at {url}, with its database"


def _ask_mlflow(url: str) -> str:
    _get(url, "/health")
    return f"{_get(url, '/version').text} at {url}"


def _ask_mongodb(uri: str) -> str:
    from pymongo import MongoClient

    with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=1000 * _TIMEOUT_SECONDS) as client:
        names = client.list_database_names()
        return f"{client.server_info()['version']} at {without_login(uri)}, {len(names)} databases"


def _ask_fiftyone(url: str) -> str:
    if "FiftyOne" not in _get(url, "/").text:
        raise RuntimeError(f"{url} is a page of something else")
    return f"its page is at {url}"


def _ask_cvat(url: str) -> str:
    from cvat.client import Credentials, connect

    user, password = os.environ.get(USER_VARIABLE, ""), os.environ.get(PASSWORD_VARIABLE, "")
    with connect(url, Credentials(user, password)) as client:
        return f"{client.get_server_version()} at {url}, logged in as {user}"


def _ask_nuclio(url: str) -> str:
    functions: dict[str, Any] = _get(url, "/api/functions").json()
    states = {name: one.get("status", {}).get("state") for name, one in functions.items()}
    if broken := sorted(name for name, state in states.items() if state in ("error", "unhealthy")):
        raise RuntimeError(f"{', '.join(broken)} at {url} cannot answer: {states[broken[0]]}")
    return f"{len(functions)} functions at {url}"


def _ask_objects(url: str) -> str:
    import boto3  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]

    patience = Config(connect_timeout=_TIMEOUT_SECONDS, read_timeout=_TIMEOUT_SECONDS, retries={"max_attempts": 0})
    found = boto3.client("s3", endpoint_url=url, config=patience).list_buckets()["Buckets"]
    return f"buckets {', '.join(bucket['Name'] for bucket in found) or 'none'} at {url}"


def _ask_postgres(url: str) -> str:
    return asyncio.run(_ask_postgres_version(url))


async def _ask_postgres_version(url: str) -> str:
    import asyncpg  # type: ignore[import-untyped]

    connection = await asyncpg.connect(url, timeout=_TIMEOUT_SECONDS)
    try:
        version = await connection.fetchval("show server_version")
    finally:
        await connection.close()
    return f"{version} at {without_login(url)}"


def _ask_prometheus(url: str) -> str:
    _get(url, "/-/ready")
    targets = _get(url, "/api/v1/targets?state=active").json()["data"]["activeTargets"]
    down = sorted(target["labels"]["job"] for target in targets if target["health"] == "down")
    told = f", but not {', '.join(down)}" if down else ""
    return f"at {url}, reaches {len(targets) - len(down)} of {len(targets)} targets{told}"


def _ask_grafana(url: str) -> str:
    health = _get(url, "/api/health").json()
    if health.get("database") != "ok":
        raise RuntimeError(f"{url} answers, but its database is {health.get('database')}")
    return f"{health['version']} at {url}"


def _check(variable: str, more: str) -> str:
    return f"check {variable}; {more}"


SERVERS = (
    Server("Prefect", PREFECT_VARIABLE, _ask_prefect, _check(PREFECT_VARIABLE, "does its server run?")),
    Server("MLflow server", MLFLOW_VARIABLE, _ask_mlflow, _check(MLFLOW_VARIABLE, "does its server run?")),
    Server("MongoDB", MONGODB_VARIABLE, _ask_mongodb, _check(MONGODB_VARIABLE, "its user and password are part of it")),
    Server(
        "FiftyOne App", FIFTYONE_VARIABLE, _ask_fiftyone, _check(FIFTYONE_VARIABLE, "does carloop curate open run?")
    ),
    Server("CVAT", CVAT_VARIABLE, _ask_cvat, f"check {CVAT_VARIABLE}, {USER_VARIABLE} and {PASSWORD_VARIABLE}"),
    Server("Nuclio", NUCLIO_VARIABLE, _ask_nuclio, _check(NUCLIO_VARIABLE, "is Nuclio's dashboard running?")),
    Server("object storage", OBJECTS_VARIABLE, _ask_objects, _check(OBJECTS_VARIABLE, "and its AWS_… key and secret")),
    Server("Postgres", POSTGRES_VARIABLE, _ask_postgres, _check(POSTGRES_VARIABLE, "its password is part of it")),
    Server("Prometheus", PROMETHEUS_VARIABLE, _ask_prometheus, _check(PROMETHEUS_VARIABLE, "does it run?")),
    Server("Grafana", GRAFANA_VARIABLE, _ask_grafana, _check(GRAFANA_VARIABLE, "does it run?")),
)
