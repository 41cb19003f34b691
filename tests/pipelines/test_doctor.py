"""The doctor asks the servers that the environment names; where one cannot run in a test, a stand-in answers for it."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipelines.children import free_port
from pipelines.cli import main
from pipelines.doctor_servers import SERVERS

BUCKETS = """<?xml version="1.0" encoding="UTF-8"?><ListAllMyBucketsResult><Buckets>
<Bucket><Name>bundles</Name></Bucket><Bucket><Name>mlflow</Name></Bucket></Buckets></ListAllMyBucketsResult>"""
TARGETS = [{"labels": {"job": "prefect"}, "health": "up"}, {"labels": {"job": "carloop-echo"}, "health": "down"}]
ANSWERS: Mapping[str, Any] = {
    "/api/ready": {"message": "OK"},
    "/api/admin/version": "3.8.8",
    "/health": "OK",
    "/version": "3.17.2",
    "/": BUCKETS,
    "/page/": "<title>FiftyOne</title>",
    "/api/functions": {"echo": {"status": {"state": "ready"}}},
    "/broken/api/functions": {"echo": {"status": {"state": "ready"}}, "clicks": {"status": {"state": "error"}}},
    "/-/ready": "Ready.",
    "/api/v1/targets": {"data": {"activeTargets": TARGETS}},
    "/api/health": {"database": "ok", "version": "12.1.1"},
    "/sick/api/health": {"database": "failing", "version": "12.1.1"},
}


class Answering(BaseHTTPRequestHandler):
    """Every server at once: they differ in their paths."""

    def do_GET(self) -> None:
        answer = ANSWERS.get(self.path.partition("?")[0])
        self.send_response(200 if answer is not None else 503)
        self.end_headers()
        self.wfile.write(
            (answer if isinstance(answer, str) and "api" not in self.path else json.dumps(answer)).encode()
        )

    def log_message(self, *_: object) -> None:
        """Nothing is told."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for server in SERVERS:
        monkeypatch.delenv(server.variable, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "carloop")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "8-letters")


def doctor(home: Path, name: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "--json", "--only", name, "--home", str(home)])


def checked(home: Path, name: str) -> Any:
    return json.loads(doctor(home, name).stdout)


@pytest.mark.parametrize(
    ("name", "path", "found"),
    [
        ("Prefect", "/api", "3.8.8 at {url}, with its database"),
        ("MLflow server", "", "3.17.2 at {url}"),
        ("FiftyOne App", "/page", "its page is at {url}"),
        ("Nuclio", "", "1 functions at {url}"),
        ("object storage", "", "buckets bundles, mlflow at {url}"),
        ("Prometheus", "", "at {url}, reaches 1 of 2 targets, but not carloop-echo"),
        ("Grafana", "", "12.1.1 at {url}"),
    ],
)
def test_a_server_that_works_is_told_with_its_address(
    name: str, path: str, found: str, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable_of(name), url + path)
    done = doctor(tmp_path, name)
    assert json.loads(done.stdout) == [
        {"name": name, "works": True, "found": found.format(url=url + path), "remedy": ""}
    ]
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("name", "path", "found"),
    [
        ("Prefect", "/away", "does not reach its database"),
        ("FiftyOne App", "", "is a page of something else"),
        ("Nuclio", "/broken", "clicks at {url} cannot answer: error"),
        ("Grafana", "/sick", "its database is failing"),
    ],
)
def test_a_server_that_answers_and_does_not_work_is_told_with_why(
    name: str, path: str, found: str, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable_of(name), url + path)
    done = doctor(tmp_path, name)
    (check,) = json.loads(done.stdout)
    assert not check["works"]
    assert found.format(url=url + path) in check["found"]
    assert done.exit_code == 1


@pytest.mark.parametrize("name", [server.name for server in SERVERS if server.name != "MongoDB"])
def test_a_server_that_is_away_is_told_with_the_variable_to_check(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scheme = "postgresql" if name == "Postgres" else "http"
    monkeypatch.setenv(variable_of(name), f"{scheme}://user:hush-hush@127.0.0.1:{free_port()}")
    done = doctor(tmp_path, name)
    (check,) = json.loads(done.stdout)
    assert not check["works"]
    assert variable_of(name) in check["remedy"]
    assert check["found"]
    assert "hush-hush" not in done.stdout
    assert done.exit_code == 1


def test_a_named_server_that_keeps_the_others_from_starting_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CARLOOP_CVAT_URL", address := f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("CARLOOP_CVAT_USER", "somebody")
    monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", "hush-hush")
    (check,) = checked(tmp_path, "servers")
    assert address in check["found"]
    assert "CARLOOP_CVAT_URL" in check["remedy"]
    assert "log" not in check["remedy"]


def test_a_home_that_is_a_file_is_told_as_one_that_cannot_be_written_into(tmp_path: Path) -> None:
    place = tmp_path / "home"
    place.touch()
    (check,) = checked(place / "below", "disk")
    assert not check["works"]
    assert f"nothing can be written into {place}" in check["found"]
    assert "CARLOOP_HOME" in check["remedy"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_home_that_may_not_be_written_into_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    (check,) = checked(tmp_path, "disk")
    assert "Permission denied" in check["found"]
    assert not check["works"]


def test_trying_the_disk_leaves_nothing(tmp_path: Path) -> None:
    assert checked(tmp_path / "home", "disk")
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_named_cannot_be_asked_for(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["doctor", "--only", "Postgres", "--home", str(tmp_path)])
    assert done.exit_code == 1
    assert "set CARLOOP_POSTGRES_URL to have it tried" in done.stderr


def test_a_registry_in_a_file_is_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(variable_of("MLflow server"), "sqlite:///mlflow.sqlite")
    assert doctor(tmp_path, "MLflow server").exit_code == 1


def variable_of(name: str) -> str:
    return next(server.variable for server in SERVERS if server.name == name)
