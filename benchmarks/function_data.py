"""What benchmarks of the functions share: detectors with random weights, a photograph, a host of one function."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import psutil
from PIL import Image

import nuclio_functions
from datasets.files import read_json
from training.bundle import BundleSpec, write_bundle

MODEL = "damage_detector"
FUNCTION = "carloop-damage-detector"
CLASSES = ("damaged door", "dent")
_START_SECONDS = 120


@dataclass(frozen=True)
class Host:
    """A running host of one function: its dashboard, the function's address, and its process."""

    url: str
    function: str
    process: psutil.Process

    def workers(self) -> list[psutil.Process]:
        """The function's worker processes, oldest first."""
        return sorted(self.process.children(), key=lambda child: (child.create_time(), child.pid))

    def resident_bytes(self) -> list[int]:
        """The memory (RSS) of the host and of each worker."""
        return [process.memory_info().rss for process in (self.process, *self.workers())]


def quiet_ultralytics() -> None:
    """Before it is imported: nothing is asked online, installed, or kept in the user's home."""
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    os.environ.setdefault("YOLO_CONFIG_DIR", str(Path(tempfile.gettempdir()) / "carloop-ultralytics"))


def make_detector(*, seed: int, image_size: int = 640) -> Any:
    """A YOLOv8n of random weights, in torch, whose scores on photographs of `make_photo` are spread."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(seed)
    model = DetectionModel("yolov8n.yaml", nc=len(CLASSES), verbose=False)
    for branch in model.model[-1].cv3:
        torch.nn.init.normal_(branch[-1].weight, std=0.0004)
        torch.nn.init.constant_(branch[-1].bias, -3)
    photos = [make_photo(seed=number, width=image_size, height=image_size) for number in (0, 1)]
    pixels = np.stack([np.asarray(Image.open(BytesIO(photo))) for photo in photos])
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    _normalise(model, images)
    with torch.no_grad():
        spread = torch.logit(model(images)[0][:, 4:], eps=1e-6).std()
        for branch in model.model[-1].cv3:
            branch[-1].weight /= spread
    return model


def write_detector(
    bundles: Path, *, version: str, seed: int, image_size: int = 640, threshold: float | None = None
) -> str:
    """The same as a bundle; its digest. Made in a process of its own, for Ultralytics patches Pillow in this one."""
    told = [str(bundles), version, str(seed), str(image_size), "" if threshold is None else str(threshold)]
    command = [sys.executable, "-m", "benchmarks.function_data", *told]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]


def _write_detector(bundles: Path, version: str, seed: int, image_size: int, threshold: float | None) -> str:
    from training.detector import exportable
    from training.outputs import write_onnx

    spec = BundleSpec(task="detector", model=MODEL, version=version, class_names=CLASSES, image_size=image_size)
    if threshold is not None:
        spec = spec.model_copy(update={"threshold": threshold})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(exportable(make_detector(seed=seed, image_size=image_size)), path, image_size=image_size)
        return write_bundle(bundles, spec, path)


def _normalise(model: Any, images: Any) -> None:
    """Let the batch normalisations see pictures once, or random weights would leave nothing of them."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(images)
    model.eval()


def make_photo(*, seed: int = 0, width: int = 640, height: int = 480) -> bytes:
    """A JPEG of soft blobs."""
    blobs = np.random.default_rng(seed).integers(0, 256, (height // 40, width // 40, 3), np.uint8)
    content = BytesIO()
    Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
    return content.getvalue()


@contextmanager
def open_host(bundles: Path, *, environment: Mapping[str, str] = MappingProxyType({})) -> Iterator[Host]:
    """Carloop's own damage detector, as its folder stands, in a host of its own while the block runs."""
    with tempfile.TemporaryDirectory(prefix="carloop-host-") as name:
        folder = Path(name)
        shutil.copytree(Path(nuclio_functions.__file__).parent / MODEL, folder / "functions" / MODEL)
        ready, log = folder / "ready.json", folder / "log"
        options = ["--functions", folder / "functions", "--bundles", bundles, "--ready-file", ready]
        command = [sys.executable, "-m", "nuclio_functions.host", *map(str, options), "--exit-with-stdin"]
        with log.open("wb") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=stderr, env={**os.environ, **environment})
        with process:
            _wait_for(ready, process, log)
            told = read_json(ready)
            yield Host(told["url"], told["functions"][FUNCTION], psutil.Process(process.pid))
            process.terminate()


def _wait_for(ready: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the host did not start:\n{log.read_text()}")
        time.sleep(0.02)


def main(bundles: str, version: str, seed: str, image_size: str, threshold: str) -> None:
    quiet_ultralytics()
    print(_write_detector(Path(bundles), version, int(seed), int(image_size), float(threshold) if threshold else None))


if __name__ == "__main__":
    main(*sys.argv[1:])
