"""Models whose answers are known, and function hosts that run them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

from nuclio_functions.driver import make_session
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
    with make_session() as session:
        yield session


@pytest.fixture
def write_function(tmp_path: Path) -> Callable[..., Path]:
    """Write a function folder with this handler file; the folder that holds all of them."""

    def write(code: str, *, name: str = "echo", **spec: Any) -> Path:
        folder = tmp_path / "functions" / name
        folder.mkdir(parents=True)
        config = {"description": "of a test", "handler": "main:handler", **spec}
        (folder / "function.yaml").write_text(yaml.safe_dump({"metadata": {"name": name}, "spec": config}))
        (folder / "main.py").write_text(code)
        return folder.parent

    return write


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


@pytest.fixture
def host_command(bundles: Path, tmp_path: Path) -> Callable[..., list[str]]:
    def command(*options: str | Path) -> list[str]:
        every = ["--bundles", bundles, "--ready-file", tmp_path / "ready.json", *options]
        return [sys.executable, "-m", "nuclio_functions.host", *map(str, every)]

    return command


@pytest.fixture
def run_host(host_command: Callable[..., list[str]], tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Start a host as a process of its own, and wait until it is ready."""
    running: list[subprocess.Popen[bytes]] = []

    def run(*options: str | Path) -> Host:
        log = tmp_path / "host.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                host_command("--exit-with-stdin", *options), stdin=subprocess.PIPE, stderr=stderr, cwd=ROOT
            )
        running.append(process)
        ready = tmp_path / "ready.json"
        wait_until(lambda: ready.exists() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        return Host(process, **json.loads(ready.read_text()), log=log)

    yield run
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
