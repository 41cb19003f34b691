"""A training, and its run in a process of its own.

A fresh process per training keeps random state and Ultralytics' patches from leaking, and gives memory back. It
reads its job from a file, writes one JSON line per epoch to stdout and everything else to a log, and ends itself
when its stdin closes, so that a killed parent leaves nothing running.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from datasets.files import is_complete
from datasets.taxonomy import Settings, Taxonomy
from training.errors import TrainingFailed
from training.settings import ClassifierSettings, DetectorSettings

WEIGHTS_FILE = "weights.safetensors"
HISTORY_FILE = "history.json"
JOB_FILE = "job.json"

OnEpoch = Callable[[int, int, dict[str, float]], None]
"""Called with the epoch just ended (from 1), the number of epochs, and the losses by name."""


class _Job(Settings):
    """One training. `out` is made whole: weights, ONNX graph, history, this job; the manifest comes last."""

    dataset: Path = Field(description="annotations.json of a dataset version; its train split is learnt from")
    taxonomy: Taxonomy
    store: Path = Field(description="the folder that image file names start from")
    out: Path
    seed: int = Field(0, ge=0)
    initial_weights: Path | None = Field(None, description="weights.safetensors of an earlier training to go on from")


class DetectorJob(_Job):
    kind: Literal["detector"] = "detector"
    settings: DetectorSettings = DetectorSettings()


class ClassifierJob(_Job):
    kind: Literal["classifier"] = "classifier"
    settings: ClassifierSettings = ClassifierSettings()


Job = Annotated[DetectorJob | ClassifierJob, Field(discriminator="kind")]
JOB = TypeAdapter[DetectorJob | ClassifierJob](Job)


def run_training(job: DetectorJob | ClassifierJob, *, log: Path, on_epoch: OnEpoch) -> None:
    """Train in a fresh process until `job.out` is complete; nothing happens when it already is.

    Raises TrainingFailed, with the last line of `log`, when the process ends without a complete result.
    """
    if is_complete(job.out):
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="training-", dir=job.out.parent) as folder, log.open("ab") as log_handle:
        job_path = Path(folder) / JOB_FILE
        job_path.write_text(job.model_dump_json())
        command = [sys.executable, "-m", "training.worker", str(job_path)]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_handle,
            env=_environment(Path(folder)),
            text=True,
        ) as process:
            for line in process.stdout or ():
                event = json.loads(line)
                on_epoch(event["epoch"], event["epochs"], event["losses"])
            process.wait()  # before stdin closes, which would end it
    if process.returncode != 0 or not is_complete(job.out):
        raise TrainingFailed(_reason(process.returncode, log))


def _environment(folder: Path) -> dict[str, str]:
    """Quiet and offline: no downloads, no installs, no settings of the user's, no reports."""
    root = str(Path(__file__).resolve().parent.parent)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_VERBOSE": "false",
        "YOLO_CONFIG_DIR": str(folder),
        "MPLCONFIGDIR": str(folder),
        "TMPDIR": str(folder),
        "DO_NOT_TRACK": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic matrix products on a GPU
    }


def _reason(code: int, log: Path) -> str:
    if code == -signal.SIGKILL:
        return f"the training was killed, most often for want of memory; lower batch or image_size (log: {log})"
    if code < 0:
        return f"the training was ended by {signal.Signals(-code).name}; run it again (log: {log})"
    last = _last_line(log)
    if any(sign in last for sign in ("MemoryError", "out of memory", "can't allocate memory")):
        return f"the training ran out of memory; lower batch or image_size (log: {log})"
    return f"the training failed: {last} (log: {log})"


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing"
