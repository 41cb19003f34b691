"""What the host refuses by itself, what it tells Prometheus, and the environment that its workers see."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

LIMIT = 100_000
TRIGGER = {"kind": "http", "maxWorkers": 1, "attributes": {"maxRequestBodySize": LIMIT}}
SIZE_OR_ENVIRONMENT = """
import json, os
def handler(context, event):
    if event.path == "/environment":
        return json.dumps(dict(os.environ))
    if event.path == "/kind":
        return type(event.body).__name__
    return f"{event.method} {event.path} {len(event.body)}"
"""


@pytest.fixture(scope="module")
def host(serve: Callable[..., Any]) -> Any:
    env = [{"name": "CARLOOP_OURS", "value": "of the file"}, {"name": "THEIRS", "value": "of the file"}]
    environment = {"CARLOOP_OURS": "of the host"}
    return serve(SIZE_OR_ENVIRONMENT, environment=environment, triggers={"http": TRIGGER}, env=env)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Prometheus' samples by their name and the values of their labels."""
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, *sample.labels.values()): sample.value for sample in found}


def in_chunks(size: int) -> Iterator[bytes]:
    yield from (b"x" * 10_000 for _ in range(size // 10_000))


def test_a_body_of_the_limit_is_taken_and_a_larger_one_is_413(host: Any) -> None:
    fits, declared = requests.post(host.echo, b"x" * LIMIT), requests.post(host.echo, b"x" * (LIMIT + 1))
    streamed = requests.post(host.echo, in_chunks(2 * LIMIT))

    assert (fits.status_code, fits.text) == (200, f"POST / {LIMIT}")
    assert [response.status_code for response in (declared, streamed)] == [413, 413]
    assert declared.json() == {"error": "echo takes bodies of up to 100,000 bytes; send a smaller image"}
    assert declared.headers["connection"] == "close"


def test_a_refused_client_gets_its_answer_even_if_it_first_sends_all(host: Any) -> None:
    assert requests.post(host.echo, b"x" * 40_000_000).status_code == 413
    assert requests.post(host.echo, b"x").status_code == 200


def test_the_answer_to_a_body_that_is_too_large_comes_before_the_body(host: Any) -> None:
    address = urlsplit(host.echo)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1000000\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_client_that_goes_away_while_it_sends_harms_nobody(host: Any) -> None:
    address = urlsplit(host.echo)
    for _ in range(3):
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1000\r\n\r\nxxx")

    assert requests.post(host.echo, b"x").text == "POST / 1"


@pytest.mark.parametrize("body", [b"\xff\xfe{}", b"[" * 50_000, b'{"a": '])
def test_a_body_that_only_claims_to_be_json_stays_bytes(host: Any, body: bytes) -> None:
    response = requests.post(f"{host.echo}/kind", body, headers={"content-type": "application/json"})

    assert (response.status_code, response.text) == (200, "bytes")


def test_carloops_variables_of_the_host_win_over_those_of_the_file(host: Any) -> None:
    seen = requests.get(f"{host.echo}/environment").json()

    assert (seen["CARLOOP_OURS"], seen["THEIRS"]) == ("of the host", "of the file")
    assert seen["NUCLIO_FUNCTION_NAME"] == "echo"


def test_the_dashboard_passes_method_and_path_on(host: Any) -> None:
    headers = {"x-nuclio-function-name": "echo", "x-nuclio-path": "deep/path"}

    assert requests.get(f"{host.url}/api/function_invocations", headers=headers).text == "GET /deep/path 0"


def test_the_dashboard_has_a_project_and_deploys_nothing(host: Any) -> None:
    assert list(requests.get(f"{host.url}/api/projects").json()) == ["default"]
    for method, path in (
        ("POST", "projects"),
        ("POST", "functions"),
        ("PUT", "functions/echo"),
        ("DELETE", "functions"),
    ):
        answer = requests.request(method, f"{host.url}/api/{path}", json={})
        assert answer.status_code == 501
        assert "runs the folders" in answer.text


def told_by(host: Any) -> dict[tuple[str, ...], float]:
    return samples(requests.get(f"{host.url}/metrics").text)


def test_the_processors_own_health_needs_no_worker(host: Any) -> None:
    before = told_by(host)

    assert requests.get(f"{host.echo}/__internal/health").status_code == 200
    assert told_by(host) == before


def test_metrics_tell_requests_by_status_latencies_and_workers(host: Any) -> None:
    bodies = (b"x", b"xx", b"x" * (LIMIT + 1))
    requests.post(host.echo, bodies[0])
    requests.post(host.echo, bodies[2])
    before = told_by(host)
    for body in bodies:
        requests.post(host.echo, body)

    told = told_by(host)

    def more(*sample: str) -> float:
        return told[sample] - before[sample]

    assert more("carloop_host_requests_total", "echo", "200") == 2
    assert more("carloop_host_requests_total", "echo", "413") == 1
    assert more("carloop_host_request_seconds_bucket", "echo", "+Inf") == 3
    assert told["carloop_host_workers", "echo"] == told["carloop_host_free_workers", "echo"] == 1
    assert told["carloop_host_worker_restarts_total", "echo"] == 0


BUSY = """
import time
from pathlib import Path
def handler(context, event):
    Path(event.path).touch()
    time.sleep(60)
"""


def test_metrics_tell_a_busy_worker_and_then_that_it_was_restarted(
    run_host: Callable[..., Any], write_function: Callable[..., Path], wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    host = run_host("--functions", write_function(BUSY, eventTimeout="1s", triggers={"http": TRIGGER}))

    def told() -> dict[tuple[str, ...], float]:
        return told_by(host)

    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(requests.post, f"{host.echo}{tmp_path}/busy")
        wait_until((tmp_path / "busy").exists)
        assert told()["carloop_host_free_workers", "echo"] == 0
        assert hanging.result().status_code == 408
    wait_until(lambda: told()["carloop_host_worker_restarts_total", "echo"] == 1)
    wait_until(lambda: told()["carloop_host_free_workers", "echo"] == 1)
    assert told()["carloop_host_requests_total", "echo", "408"] == 1


def test_bundles_may_be_an_address(run_host: Callable[..., Any], write_function: Callable[..., Path]) -> None:
    host = run_host("--functions", write_function(SIZE_OR_ENVIRONMENT), "--bundles", "memory://models")

    assert requests.get(f"{host.echo}/environment").json()["CARLOOP_BUNDLES"] == "memory://models"
