"""What a function tells Prometheus of itself, in one process and from several that answer for each other."""

import base64
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import requests
from nuclio_sdk import Context, Event
from prometheus_client.parser import text_string_to_metric_families

from nuclio_functions.handler import handle, init_model
from nuclio_functions.metrics import FunctionMetrics

COUNTING = """
import os
import prometheus_client  # before it is told where the workers share their numbers
from nuclio_functions.metrics import start_metrics

def init_context(context):
    context.user_data.metrics = start_metrics(os.environ["NUCLIO_FUNCTION_NAME"])
    context.user_data.metrics.serves(("damage_detector@3", "ab" * 32))

def handler(context, event):
    metrics = context.user_data.metrics
    if event.path == "/metrics":
        return context.Response(body=metrics.render().decode(), content_type="text/plain")
    if event.path == "/swap":
        metrics.serves(("damage_detector@4", "cd" * 32))
    with metrics.request() as request, metrics.part("forward"):
        request.outcome = "ok"
    return str(os.getpid())
"""


def samples(text: str) -> dict[tuple[str, ...], float]:
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, *map(sample.labels.get, sorted(sample.labels))): sample.value for sample in found}


@pytest.fixture(scope="module")
def url(serve: Callable[..., Any]) -> str:
    return str(serve(COUNTING, triggers={"http": {"kind": "http", "maxWorkers": 2}}).echo)


def told_by(url: str) -> dict[tuple[str, ...], float]:
    response = requests.get(f"{url}/metrics")
    response.raise_for_status()
    return samples(response.text)


def test_any_worker_tells_the_numbers_of_all(url: str) -> None:
    before = told_by(url).get(("carloop_function_requests_total", "ok"), 0)
    answered_by = {requests.post(url).text for _ in range(6)}

    told = [told_by(url) for _ in range(2)]

    assert len(answered_by) == 2
    assert [each["carloop_function_requests_total", "ok"] - before for each in told] == [6, 6]
    assert told[0]["carloop_function_part_seconds_count", "forward"] == before + 6
    assert told[0]["carloop_function_request_seconds_bucket", "+Inf"] == before + 6


def test_the_model_is_told_with_how_many_workers_serve_it_and_dead_ones_do_not(
    url: str, wait_until: Callable[..., Any]
) -> None:
    def workers_by_model() -> dict[str, float]:
        return {key[2]: value for key, value in told_by(url).items() if key[0] == "carloop_function_model_info"}

    def workers_after_a_death() -> dict[str, float]:
        try:
            return workers_by_model()
        except requests.HTTPError as error:
            if error.response.status_code != 503:  # which it is when the dying worker was to answer
                raise
            return {}

    assert workers_by_model() == {"damage_detector@3": 2}
    swapped = int(requests.post(f"{url}/swap").text)
    assert workers_by_model() == {"damage_detector@3": 1, "damage_detector@4": 1}

    psutil.Process(swapped).kill()

    wait_until(lambda: workers_after_a_death() == {"damage_detector@3": 2})


def test_a_function_tells_its_outcomes_its_parts_and_its_model(
    bundles: Path, publish_detector: Callable[..., Path], photo: bytes
) -> None:
    digest = publish_detector().name
    context = Context(logging.getLogger("test"))
    init_model(context, str(bundles), "damage_detector")
    for content in (photo, photo, b"no picture"):
        handle(context, Event(body={"image": base64.b64encode(content).decode()}, method="POST"))
    handle(context, Event(body={}, method="POST"))

    response = handle(context, Event(method="GET", path="/metrics"))

    told = samples(response.body)
    assert response.content_type.startswith("text/plain; version=")
    outcomes = {name: told["carloop_function_requests_total", name] for name in ("ok", "undecodable", "bad_request")}
    assert outcomes == {"ok": 2, "undecodable": 1, "bad_request": 1}
    assert told["carloop_function_part_seconds_count", "decode"] == 3
    assert told["carloop_function_part_seconds_count", "forward"] == 2
    assert told["carloop_function_batch_images_sum",] == 2
    assert told["carloop_function_model_info", digest[:12], "damage_detector@3"] == 1


def test_one_process_without_a_folder_tells_its_own() -> None:
    metrics = FunctionMetrics(None)
    metrics.predicted(3)
    with pytest.raises(ZeroDivisionError), metrics.request():
        1 / 0  # noqa: B018

    told = samples(metrics.render().decode())

    assert told["carloop_function_requests_total", "error"] == 1
    assert (told["carloop_function_batch_images_sum",], told["carloop_function_batch_images_bucket", "2.0"]) == (3, 0)


def test_the_memory_of_gpus_is_told_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=5, total=80),
    )
    monkeypatch.setitem(sys.modules, "pynvml", driver)

    told = samples(FunctionMetrics(None).render().decode())

    assert told["carloop_function_gpu_memory_bytes", "0", "used"] == 5
    assert told["carloop_function_gpu_memory_bytes", "0", "total"] == 80


def test_without_a_gpu_nothing_is_told_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)

    assert b"gpu" not in FunctionMetrics(None).render()


START = "import sys; from nuclio_functions.metrics import start_metrics; print(start_metrics('some')._folder)"


def test_folders_of_parents_that_ended_are_removed_and_a_named_one_is_used(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    environment["TMPDIR"] = str(tmp_path)
    left = tmp_path / f"carloop-metrics-{os.getuid()}" / "some-4194305"  # above every process's number
    left.mkdir(parents=True)

    def start(**more: str) -> str:
        command = [sys.executable, "-c", START]
        done = subprocess.run(command, env={**environment, **more}, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert start() == str(left.parent / f"some-{os.getpid()}")
    assert not left.exists()
    assert start(PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "named")) == str(tmp_path / "named")
    assert start(TMPDIR="/proc/none", PROMETHEUS_MULTIPROC_DIR="/proc/none") == "None"
