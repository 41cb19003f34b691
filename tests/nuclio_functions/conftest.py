"""Models whose answers are known, and function hosts that run them."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import requests
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from prometheus_client import values
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from nuclio_functions.contract import REPLIES, Reply
from training.bundle import BundleSpec, publish, write_bundle

ROOT = Path(__file__).parents[2]
SIZE = 64


def write_constant_graph(path: Path, output: np.ndarray) -> Path:
    """A graph that answers `output`, whatever picture it is shown."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "constant"], ["output"]),
    ]
    constants = [
        numpy_helper.from_array(np.float32(0), "zero"),
        numpy_helper.from_array(output.astype(np.float32), "constant"),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])
    answer = helper.make_tensor_value_info("output", TensorProto.FLOAT, output.shape)
    graph = helper.make_graph(nodes, "constant", [images], [answer], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture(autouse=True)
def _own_metrics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Functions that a test runs in this process keep their numbers apart from those of other tests."""
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "metrics"))


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    return tmp_path / "bundles"


@pytest.fixture
def publish_detector(bundles: Path, tmp_path: Path) -> Callable[..., Path]:
    """Publish a detector that sees one dent in the middle; the folder of its bundle."""

    def publish_one(*, version: str = "3", score: float = 0.87) -> Path:
        anchors = np.array([[[32.0], [32.0], [20.0], [10.0], [0.01], [score]]])
        graph = write_constant_graph(tmp_path / "detector.onnx", anchors)
        classes = ("damaged door", "dent")
        spec = BundleSpec(
            task="detector", model="damage_detector", version=version, class_names=classes, image_size=SIZE
        )
        digest = write_bundle(bundles, spec, graph)
        publish(bundles, "damage_detector", digest)
        return bundles / digest

    return publish_one


@pytest.fixture
def publish_classifier(bundles: Path, tmp_path: Path) -> Callable[[], Path]:
    """Publish a classifier to which every car is dirty, with 0.9; the folder of its bundle."""

    def publish_one() -> Path:
        graph = write_constant_graph(tmp_path / "classifier.onnx", np.array([[0.1, 0.9]]))
        classes = ("clean", "dirty")
        spec = BundleSpec(
            task="classifier", model="cleanliness_classifier", version="1", class_names=classes, image_size=SIZE
        )
        digest = write_bundle(bundles, spec, graph)
        publish(bundles, "cleanliness_classifier", digest)
        return bundles / digest

    return publish_one


@pytest.fixture
def photo() -> bytes:
    """A JPEG of 128 x 96 pixels: at half its size it lies on the graph's square, 8 pixels from the top."""
    content = BytesIO()
    Image.new("RGB", (128, 96), "navy").save(content, "JPEG")
    return content.getvalue()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session that calls again while a function has no free worker."""
    retry = Retry(total=5, read=1, status_forcelist=[503], allowed_methods=None, backoff_factor=0.2)
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        yield session


def annotate_frame(
    url: str, content: bytes, *, threshold: float | None = None, session: requests.Session
) -> list[Reply]:
    """What the function at `url` answers for an image file's bytes."""
    wanted = {} if threshold is None else {"threshold": threshold}
    response = session.post(url, json={"image": base64.b64encode(content).decode(), **wanted}, timeout=120)
    assert response.status_code == 200, response.text
    return REPLIES.validate_json(response.content)


def write_function_to(functions: Path, code: str, *, name: str = "echo", **spec: Any) -> Path:
    folder = functions / name
    folder.mkdir(parents=True)
    labels = json.dumps([{"name": "dent", "type": "rectangle", "attributes": []}])
    metadata = {"name": name, "annotations": {"type": "detector", "spec": labels}}
    config = {"description": "of a test", "handler": "main:handler", **spec}
    (folder / "function.yaml").write_text(yaml.safe_dump({"metadata": metadata, "spec": config}))
    (folder / "main.py").write_text(code)
    return functions


@pytest.fixture
def write_function(tmp_path: Path) -> Callable[..., Path]:
    """Write a function folder with this handler file; the folder that holds all of them."""
    return partial(write_function_to, tmp_path / "functions")


@dataclass
class Host:
    """A host that runs; `functions` are URLs by name."""

    process: subprocess.Popen[bytes]
    url: str
    functions: dict[str, str]
    log: Path

    @property
    def echo(self) -> str:
        return self.functions["echo"]


def make_host_command(folder: Path, bundles: Path, *options: str | Path) -> list[str]:
    every = ["--bundles", bundles, "--ready-file", folder / "ready.json", *options]
    return [sys.executable, "-m", "nuclio_functions.host", *map(str, every)]


@pytest.fixture
def host_command(bundles: Path, tmp_path: Path) -> Callable[..., list[str]]:
    return partial(make_host_command, tmp_path, bundles)


@pytest.fixture
def run_host(bundles: Path, tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Start a host as a process of its own, and wait until it is ready."""
    with hosts(tmp_path, bundles) as run:
        yield run


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Host]]:
    """Write one function and run it in a host that lasts for all tests of a module."""
    folder = tmp_path_factory.mktemp("shared")
    with hosts(folder, folder / "bundles") as run:

        def serve_one(code: str, *, environment: Mapping[str, str] | None = None, **spec: Any) -> Host:
            functions = write_function_to(folder / "functions", code, **spec)
            return run("--functions", functions, environment=environment)

        yield serve_one


@contextmanager
def hosts(folder: Path, bundles: Path) -> Iterator[Callable[..., Host]]:
    running: list[subprocess.Popen[bytes]] = []

    def run(*options: str | Path, environment: Mapping[str, str] | None = None) -> Host:
        log = folder / "host.log"
        command = make_host_command(folder, bundles, "--exit-with-stdin", *options)
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stderr=stderr, cwd=ROOT, env={**os.environ, **(environment or {})}
            )
        running.append(process)
        ready = folder / "ready.json"
        wait_until(lambda: ready.exists() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        return Host(process, **json.loads(ready.read_text()), log=log)

    try:
        yield run
    finally:
        end(running)


def end(running: list[subprocess.Popen[bytes]]) -> None:
    for process in running:
        if process.stdin:
            process.stdin.close()
        process.wait(10)


def wait_until(condition: Callable[[], Any], *, seconds: float = 20) -> Any:
    """The condition's first true value; a failure when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
    return value


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., Any]:
    return wait_until
