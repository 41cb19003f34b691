"""A training, and its run in a process of its own.

A fresh process per training keeps random state and Ultralytics' patches from leaking, and gives memory back. It
reads its job from a file, writes one JSON line per epoch to stdout and everything else to a log, and ends itself
when its stdin closes, so that a killed parent leaves nothing running.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter

from datasets.files import is_complete
from datasets.taxonomy import Settings, Taxonomy
from training.errors import TrainingFailed
from training.settings import AUTO_BATCH, ClassifierSettings, DetectorSettings, SegmenterSettings

WEIGHTS_FILE = "weights.safetensors"
HISTORY_FILE = "history.json"
JOB_FILE = "job.json"

OnEpoch = Callable[[int, int, dict[str, float]], None]
"""Called with the epoch just ended (from 1), the number of epochs, and the losses by name."""
OnNote = Callable[[str], None]
"""Called with a sentence on what was not taken as it is: images left out, a batch halved."""


class _Job(Settings):
    """One training. `out` is made whole: weights, ONNX graph (no segmenter's), history, this job; last the manifest."""

    dataset: Path = Field(description="annotations.json of a dataset version; its train split is learnt from")
    taxonomy: Taxonomy
    store: Path = Field(description="the folder that image file names start from")
    out: Path
    seed: int = Field(0, ge=0)
    initial_weights: Path | None = Field(None, description="weights.safetensors of an earlier training to go on from")
    checkpoints: Path | None = Field(
        None, description="a folder to keep each epoch's state in, from which the same job goes on when it was killed"
    )
    halvings: int = Field(0, ge=0, description="how often the batch was halved because memory ran out")


class DetectorJob(_Job):
    smallest_batch: ClassVar[int] = 1
    kind: Literal["detector"] = "detector"
    settings: DetectorSettings = DetectorSettings()


class ClassifierJob(_Job):
    smallest_batch: ClassVar[int] = 2  # batch normalisation cannot learn from one
    kind: Literal["classifier"] = "classifier"
    settings: ClassifierSettings = ClassifierSettings()


class SegmenterJob(_Job):
    smallest_batch: ClassVar[int] = 1
    kind: Literal["segmenter"] = "segmenter"
    settings: SegmenterSettings = SegmenterSettings()


AnyJob = DetectorJob | ClassifierJob | SegmenterJob
JOB = TypeAdapter[AnyJob](Annotated[AnyJob, Field(discriminator="kind")])


def run_training(job: AnyJob, *, log: Path, on_epoch: OnEpoch, on_note: OnNote | None = None) -> None:
    """Train in a fresh process until `job.out` is complete; nothing happens when it already is.

    Out of memory, it is done again with half the batch, from the last epoch where there are checkpoints, and a note
    tells. Raises TrainingFailed, with the last line of `log`, when the process ends without a complete result.
    """
    while not is_complete(job.out):
        kills, start = _memory_kills(), log.stat().st_size if log.exists() else 0
        code, why = _run_worker(job, log, on_epoch, on_note or (lambda _: None))
        if code == 0 and is_complete(job.out):
            break
        halved = job.model_copy(update={"halvings": job.halvings + 1})
        short = _is_out_of_memory(why or _last_line(log, start)) or (
            code == -signal.SIGKILL and _memory_kills() > kills
        )
        if not short or images_at_once(halved) == images_at_once(job):
            raise TrainingFailed(_reason(code, why, log))
        if on_note:
            on_note(
                f"memory ran out with {images_at_once(job)} images at once; it goes on with {images_at_once(halved)}"
            )
        job = halved
    if job.checkpoints:
        shutil.rmtree(job.checkpoints, ignore_errors=True)


def images_at_once(job: AnyJob) -> int:
    """The batch, halved as often as memory ran out."""
    batch = AUTO_BATCH if job.settings.batch == "auto" else job.settings.batch
    return max(batch >> job.halvings, min(batch, job.smallest_batch))


def _run_worker(job: AnyJob, log: Path, on_epoch: OnEpoch, on_note: OnNote) -> tuple[int, str]:
    """The exit code of a process that did the job, and the error that it told of, if any."""
    why, devices = "", job.settings.devices
    log.parent.mkdir(parents=True, exist_ok=True)
    job.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="training-", dir=job.out.parent) as folder, log.open("ab") as log_handle:
        job_path = Path(folder) / JOB_FILE
        job_path.write_text(job.model_dump_json())
        with subprocess.Popen(
            worker_command(job_path, processes=max(len(devices), 1)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_handle,
            env=worker_environment(Path(folder)) | _only(devices),
            text=True,
        ) as process:
            for line in process.stdout or ():
                event = json.loads(line)
                if "error" in event:
                    why = why or event["error"]
                elif "note" in event:
                    on_note(event["note"])
                else:
                    on_epoch(event["epoch"], event["epochs"], event["losses"])
            process.wait()  # before stdin closes, which would end it
    return process.returncode, why


def worker_command(job_path: Path, *, processes: int = 1) -> list[str]:
    """What does the job in a file, as a process, or as several that torchrun starts."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [sys.executable, *(torchrun if processes > 1 else []), "-m", "training.worker", str(job_path)]


def _only(devices: Sequence[int]) -> dict[str, str]:
    """What lets a process see these GPUs alone, which it counts from 0."""
    return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, devices))} if devices else {}


def worker_environment(folder: Path) -> dict[str, str]:
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


def _reason(code: int, why: str, log: Path) -> str:
    if code == -signal.SIGKILL:
        return f"the training was killed, most often for want of memory; lower batch or image_size (log: {log})"
    if code < 0:
        return f"the training was ended by {signal.Signals(-code).name}; run it again (log: {log})"
    last = why or _last_line(log)
    if _is_out_of_memory(last):
        return f"the training ran out of memory; lower batch or image_size (log: {log})"
    return f"the training failed: {last} (log: {log})"


def _is_out_of_memory(line: str) -> bool:
    return any(sign in line for sign in ("MemoryError", "out of memory", "can't allocate memory"))


def _memory_kills() -> int:
    """How many processes the system has killed for want of memory; 0 where it does not tell."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _last_line(log: Path, start: int = 0) -> str:
    """The last line that says something, of what was written to the log from byte `start` on."""
    written = log.read_bytes()[start:].decode(errors="replace")
    lines = [line.strip() for line in written.splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing"
