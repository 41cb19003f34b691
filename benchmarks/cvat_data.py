"""Photographs to push, and a CVAT to push them to: one that runs already, or an embedded one for the block."""

import io
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import click
import numpy as np
import psutil
from PIL import Image as PillowImage

from cvat.client import Credentials
from cvat.embedded.settings import PASSWORD_VARIABLE, USER_VARIABLE
from datasets.coco import Image
from datasets.store import ImageStore

WIDTH, HEIGHT = 1280, 960
_PATTERNS = 8
_GRAIN = 12  # of noise, which makes a file of 330 kB
_START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A CVAT; `process` is None where it was not started here."""

    url: str
    credentials: Credentials
    process: psutil.Process | None = None

    @property
    def cpu_seconds(self) -> float:
        """Processor seconds that the server has used until now; NaN where it was not started here."""
        if self.process is None:
            return float("nan")
        used = self.process.cpu_times()
        return used.user + used.system

    @property
    def peak_mib(self) -> float:
        """The most memory that it held (RSS); NaN where it was not started here, or the system does not tell."""
        status = Path(f"/proc/{self.process.pid}/status") if self.process else None
        if status is None or not status.exists():
            return float("nan")
        kib = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(kib) / 2**10


@contextmanager
def open_server(url: str | None, **environment: str) -> Iterator[Server]:
    """The server at `url`, or an embedded one on an empty folder, with these variables, while the block runs."""
    if url:
        user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
        if not user or not password:
            raise click.UsageError(f"set {USER_VARIABLE} and {PASSWORD_VARIABLE} to log in at {url}")
        yield Server(url, Credentials(user, password))
        return
    credentials = Credentials("benchmark", secrets.token_hex(8))
    with tempfile.TemporaryDirectory(prefix="carloop-cvat-") as folder:
        ready = Path(folder) / "ready"
        options = ["--port", "0", "--data", f"{folder}/data", "--ready-file", str(ready), "--exit-with-stdin"]
        log = Path(folder) / "log"
        process = subprocess.Popen(
            [sys.executable, "-m", "cvat.embedded", *options],
            env={
                **os.environ,
                **environment,
                USER_VARIABLE: credentials.user,
                PASSWORD_VARIABLE: credentials.password,
            },
            stdin=subprocess.PIPE,
            stderr=log.open("wb"),
        )
        with process:
            _wait_for(ready, process, log)
            yield Server(ready.read_text(), credentials, psutil.Process(process.pid))
            process.terminate()


def _wait_for(ready: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the embedded server did not start:\n{log.read_text()}")
        time.sleep(0.02)


def write_images(store: ImageStore, number: int, *, seed: int) -> list[Image]:
    """That many JPEG files of 330 kB, no two alike; every eighth shows the same and says another number."""
    patterns = [_pattern(seed * _PATTERNS + place) for place in range(_PATTERNS)]
    return [_write(store, _numbered(patterns[n % _PATTERNS], f"{seed}-{n}"), n) for n in range(number)]


def _pattern(seed: int) -> bytes:
    chooser = np.random.default_rng(seed)
    blobs = PillowImage.fromarray(chooser.integers(0, 256, (12, 16, 3), np.uint8)).resize((WIDTH, HEIGHT))
    pixels = np.asarray(blobs, np.int16) + chooser.normal(0, _GRAIN, (HEIGHT, WIDTH, 1)).astype(np.int16)
    content = io.BytesIO()
    PillowImage.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(content, "JPEG", quality=80)
    return content.getvalue()


def _numbered(jpeg: bytes, comment: str) -> bytes:
    """The file with a comment segment after its first marker."""
    text = comment.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def _write(store: ImageStore, content: bytes, number: int) -> Image:
    name = sha256(content).hexdigest()
    image = Image(name, f"images/{name[:2]}/{name}.jpg", WIDTH, HEIGHT, family=f"car-{number:06}")
    path = store.path(image.file_name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return image
