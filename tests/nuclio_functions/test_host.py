"""The host with small functions of its own; what it does is what Nuclio does."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

ROOT = Path(__file__).parents[2]
FORBIDDEN = {"torch", "mlflow", "ultralytics", "fiftyone", "timm", "prefect"}

REPR = """
print("a print is not an answer")
def init_context(context):
    context.user_data.started = [context.worker_id]
def handler(context, event):
    context.user_data.started.append("called")
    return context.Response(body=repr(event.body), status_code=210 + len(context.user_data.started))
"""
PID_OR_HANG = """
import os, subprocess, time
from pathlib import Path
def init_context(context):
    context.user_data.child = subprocess.Popen(["sleep", "60"]).pid
def handler(context, event):
    if event.path != "/":
        Path(event.path).touch()
        time.sleep(60)
    return f"{os.getpid()} {context.user_data.child}"
"""


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def host(serve: Callable[..., Any]) -> Any:
    return serve(REPR)


def test_the_body_is_a_dict_only_for_exactly_application_json(host: Any) -> None:
    url = host.echo

    def sent(content_type: str, body: str = '{"a": 1}') -> str:
        return requests.post(url, body, headers={"content-type": content_type}).text

    assert sent("application/json") == "{'a': 1}"
    assert sent("application/json; charset=utf-8") == "b'{\"a\": 1}'"
    assert sent("application/json", "{broken") == "b'{broken'"


def test_a_worker_is_initialised_once_and_then_called(host: Any) -> None:
    first = requests.post(host.echo).status_code

    assert first >= 212
    assert [requests.post(host.echo).status_code for _ in range(2)] == [first + 1, first + 2]


def test_the_dashboard_lists_functions_and_invokes_them_by_name(host: Any) -> None:
    listed = requests.get(f"{host.url}/api/functions").json()
    invoked = requests.post(f"{host.url}/api/function_invocations", json={}, headers={"x-nuclio-function-name": "echo"})

    assert listed["echo"]["status"]["state"] == "ready"
    assert host.echo.endswith(f":{listed['echo']['status']['httpPort']}")
    assert requests.get(f"{host.url}/api/functions/echo").json() == listed["echo"]
    assert (invoked.status_code >= 212, invoked.text) == (True, "{}")
    assert requests.get(f"{host.url}/healthz").json() == {"echo": "ready"}


@pytest.mark.parametrize("path", ["/api/functions/other", "/api/function_invocations"])
def test_an_unknown_function_is_404(host: Any, path: str) -> None:
    method = "GET" if path.endswith("other") else "POST"

    response = requests.request(method, host.url + path, headers={"x-nuclio-function-name": "other"})

    assert response.status_code == 404
    assert "there are echo" in response.text


def test_a_handler_that_raises_or_returns_a_bare_list_is_500(
    run_host: Callable[..., Any], write_function: Callable[..., Path]
) -> None:
    write_function("def handler(context, event): return [1]", name="listing")
    host = run_host("--functions", write_function("def handler(context, event): 1 / 0"))

    raised, listed = requests.post(host.echo), requests.post(host.functions["listing"])

    assert (raised.status_code, listed.status_code) == (500, 500)
    assert "ZeroDivisionError" in raised.text
    assert "bare list" in listed.text


def test_a_killed_worker_is_started_again(
    run_host: Callable[..., Any], write_function: Callable[..., Path], wait_until: Callable[..., Any]
) -> None:
    host = run_host("--functions", write_function(PID_OR_HANG))
    first = requests.post(host.echo).text
    worker, child = map(int, first.split())
    psutil.Process(worker).kill()

    second = wait_until(lambda: (response := requests.post(host.echo)).status_code == 200 and response.text)

    assert second != first
    assert gone(child)
    assert "worker 0 ended with -9 and is started again" in host.log.read_text()


def test_without_a_free_worker_the_answer_is_503_and_a_hung_one_is_ended_with_408(
    run_host: Callable[..., Any], write_function: Callable[..., Path], wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    trigger = {"kind": "http", "maxWorkers": 1, "workerAvailabilityTimeoutMilliseconds": 50}
    functions = write_function(PID_OR_HANG, eventTimeout="1s", triggers={"http": trigger})
    url = run_host("--functions", functions).echo

    with ThreadPoolExecutor() as pool:
        hung = [pool.submit(requests.post, f"{url}{tmp_path}/busy") for _ in range(2)]
        assert sorted(future.result().status_code for future in hung) == [408, 503]
    assert wait_until(lambda: requests.post(url).status_code == 200)


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_host_that_ends_takes_even_a_busy_worker_and_its_children_with_it(
    run_host: Callable[..., Any],
    write_function: Callable[..., Path],
    wait_until: Callable[..., Any],
    tmp_path: Path,
    kill: int,
) -> None:
    host = run_host("--functions", write_function(PID_OR_HANG))
    pids = [int(pid) for pid in requests.post(host.echo).text.split()]
    with ThreadPoolExecutor() as pool:
        busy = tmp_path / "busy"
        hanging = pool.submit(requests.post, host.echo + str(busy))
        wait_until(busy.exists)
        host.process.send_signal(kill)
        host.process.wait(20)
        wait_until(lambda: all(map(gone, pids)))
        hanging.exception()


def test_a_host_whose_parent_is_killed_leaves_no_orphan(
    host_command: Callable[..., list[str]],
    write_function: Callable[..., Path],
    wait_until: Callable[..., Any],
    tmp_path: Path,
) -> None:
    command = host_command("--functions", write_function(REPR), "--exit-with-stdin")
    code = f"import subprocess; subprocess.Popen({command!r}, stdin=subprocess.PIPE).wait()"
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until((tmp_path / "ready.json").exists)
    family = psutil.Process(parent.pid).children(recursive=True)

    parent.kill()
    parent.wait()

    assert len(family) == 2
    for process in family:
        wait_until(lambda pid=process.pid: gone(pid))


def fails(command: list[str]) -> str:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)
    assert ended.returncode == 1
    return ended.stderr


def test_a_port_in_use_ends_the_host_with_one_sentence(
    host_command: Callable[..., list[str]], write_function: Callable[..., Path]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = fails(host_command("--functions", write_function(REPR), "--port", str(port)))

    assert message == f"cannot listen on 127.0.0.1:{port} (Address already in use); choose another --port, or 0\n"


def test_a_folder_without_functions_ends_the_host_with_one_sentence(
    host_command: Callable[..., list[str]], tmp_path: Path
) -> None:
    message = fails(host_command("--functions", tmp_path))

    assert message == f"{tmp_path} holds no folder with a function.yaml that can run; check --functions\n"


def test_a_function_that_cvat_could_not_list_ends_the_host_with_a_sentence(
    host_command: Callable[..., list[str]], write_function: Callable[..., Path]
) -> None:
    functions = write_function(REPR, description="")

    message = fails(host_command("--functions", functions))

    assert message.startswith(f"{functions / 'echo' / 'function.yaml'}: spec.description is missing")


def test_a_function_without_its_weights_is_told_and_not_listed(
    run_host: Callable[..., Any], write_function: Callable[..., Path]
) -> None:
    functions = write_function(REPR)
    path = write_function(REPR, name="clicks") / "clicks" / "function.yaml"
    config = yaml.safe_load(path.read_text())
    config["metadata"]["annotations"]["requires_weights"] = "CARLOOP_TESTED_WEIGHTS"
    path.write_text(yaml.safe_dump(config))

    host = run_host("--functions", functions)

    assert list(requests.get(f"{host.url}/api/functions").json()) == ["echo"]
    assert "clicks is left out: CARLOOP_TESTED_WEIGHTS is not set" in host.log.read_text()


def test_a_function_that_cannot_start_ends_the_host_after_its_own_message(
    host_command: Callable[..., list[str]], write_function: Callable[..., Path]
) -> None:
    functions = write_function("import no_such_module")

    *_, own, last = fails(host_command("--functions", functions)).splitlines()

    assert own == "ModuleNotFoundError: No module named 'no_such_module'"
    assert last == f"{functions / 'echo'}: main:handler did not start; its own message stands above"


def test_nothing_that_serves_imports_the_training_stack() -> None:
    code = (
        "import sys, nuclio_functions.handler, nuclio_functions.batched, nuclio_functions.spec, "
        "nuclio_functions.host.__main__, nuclio_functions.host.worker; "
        f"print(*({FORBIDDEN!r} & set(sys.modules)))"
    )

    imported = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert imported.stdout.split() == []
