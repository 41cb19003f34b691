"""Small rendered cars, a project that trains in seconds, and one finished run of the loop."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from datasets.rendering import write_rendered_cars
from tests.cvat.conftest import CvatServer

PROJECT = """
name: tiny
split: {test_fraction: 0.3}
loop: {seed_images: 6}
cvat: {segment_size: 2, control_share: 0.2, probe_share: 0.6}
training:
  detector: {image_size: 64, epochs: 1, batch: 4}
  classifier: {image_size: 32, epochs: 1}
"""


@dataclass(frozen=True)
class Finished:
    """A run of the loop that went to its end: its home and what it printed with --json."""

    home: Path
    printed: dict[str, Any]

    @property
    def folder(self) -> Path:
        (folder,) = (path for path in (self.home / "runs").iterdir() if path.is_dir())
        return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CvatServer]:
    """An embedded CVAT of this module's own."""
    server = CvatServer(tmp_path_factory.mktemp("cvat"))
    yield server
    server.kill()


@pytest.fixture(scope="session")
def cars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("truth") / "cars"
    write_rendered_cars(folder, cars=12, seed=3, size=96)
    return folder


@pytest.fixture(scope="session")
def project_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("project") / "carloop.yaml"
    path.write_text(PROJECT)
    return path


@pytest.fixture(scope="session")
def loop_command(cars: Path, project_path: Path) -> Callable[..., list[str]]:
    """The command that plays one round on the small cars in a home."""

    def command(home: Path, *more: str) -> list[str]:
        options = ["--project", project_path, "--truth", cars, "--rounds", "1", "--budget", "6", "--home", home]
        return [sys.executable, "-m", "pipelines.cli", "loop", "run", *map(str, options), *more]

    return command


@pytest.fixture(scope="session")
def carloop() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line in a process of its own."""

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        command: Sequence[str] = [sys.executable, "-m", "pipelines.cli", *map(str, arguments)]
        env = {**os.environ, **environment}
        return subprocess.run(command, capture_output=True, text=True, timeout=600, env=env, check=False)

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, loop_command: Callable[..., list[str]]) -> Finished:
    home = tmp_path_factory.mktemp("finished")
    done = subprocess.run(loop_command(home, "--json"), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return Finished(home, json.loads(done.stdout))
