"""A loop that is quick to play over and over: a few rendered cars, a project that learns in seconds, its processes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from datasets.files import write_bytes
from datasets.rendering import write_rendered_cars
from pipelines.children import GUARD, free_port, listens, start_child

CARS_SEED, FRAME_SIZE = 3, 96
PROJECT = """\
name: small
split: {{test_fraction: {test_fraction}}}
loop: {{seed_images: 6}}
cvat: {{segment_size: 2, control_share: 0.2, probe_share: 0.6}}
training:
  detector: {{image_size: 64, epochs: 1, batch: 4}}
  classifier: {{model: test_resnet, image_size: 32, epochs: 1}}
"""

PARTS = {
    "cvat": "cvat.embedded",
    "functions": "nuclio_functions.host",
    "mongod": "--dbpath",
    "prefect": "prefect.server.api.server:create_app",
    "training": "training.worker",
}
"""What tells each part's processes from others in their command lines."""
FLOW = "flow"


@dataclass(frozen=True)
class SmallLoop:
    """The loop over so many cars, whose last round is number `rounds`; it makes no more than two photographs a car."""

    folder: Path
    cars: int
    rounds: int
    budget: int
    test_fraction: float

    def prepare(self) -> None:
        """Write the cars and the project file, unless they are there."""
        write_rendered_cars(self.folder / "cars", cars=self.cars, seed=CARS_SEED, size=FRAME_SIZE)
        write_bytes(self.folder / "carloop.yaml", PROJECT.format(test_fraction=self.test_fraction).encode())

    def command(self, home: Path) -> list[str]:
        """What plays it in a home, or goes on with it there."""
        options = ["--project", self.folder / "carloop.yaml", "--truth", self.folder / "cars", "--home", home]
        options += ["--rounds", self.rounds, "--budget", self.budget, "--json"]
        return [sys.executable, "-m", "pipelines.cli", "loop", "run", *map(str, options)]


def parts_of(command: psutil.Process) -> dict[str, list[psutil.Process]]:
    """The running processes of a `carloop loop run`, by part; those that only guard others are left out."""
    found: dict[str, list[psutil.Process]] = {FLOW: [command]}
    with suppress(psutil.NoSuchProcess):
        for process in command.children(recursive=True):
            if part := _part_of(process):
                found.setdefault(part, []).append(process)
    return found


def _part_of(process: psutil.Process) -> str | None:
    try:
        words = process.cmdline()
    except psutil.Error:
        return None
    if GUARD in words:
        return None
    return next((part for part, sign in PARTS.items() if any(word.startswith(sign) for word in words)), None)


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """A Prefect server of its own until the block ends; the address of its API."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    env = {"PREFECT_HOME": str(folder.absolute()), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    server = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with start_child("Prefect's server", [GUARD, *server], log=folder / "prefect.log", env=env) as child:
        child.wait(lambda: listens(port))
        yield f"http://127.0.0.1:{port}/api"
