"""The process that trains: `python -m training.worker JOB.json`, started by `training.jobs.run_training`."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets.errors import CarloopError
from datasets.processes import end_with_stdin
from training.jobs import JOB, AnyJob, ClassifierJob, DetectorJob
from training.processes import joined, process_rank, require_devices

Write = Callable[[dict[str, Any]], None]


def main(job_path: Path) -> None:
    write = _take_stdout()
    end_with_stdin()
    job = JOB.validate_json(job_path.read_bytes())
    try:
        require_devices(job.settings.devices)
        with joined():
            _train(job, write if process_rank() == 0 else lambda _: None)
    except Exception as error:
        write({"error": str(error) if isinstance(error, CarloopError) else f"{type(error).__name__}: {error}"})
        if isinstance(error, CarloopError):
            sys.exit(str(error))
        raise


def _train(job: AnyJob, write: Write) -> None:
    def report(epoch: int, epochs: int, losses: dict[str, float]) -> None:
        write({"epoch": epoch, "epochs": epochs, "losses": losses})

    def note(text: str) -> None:
        write({"note": text})

    if isinstance(job, DetectorJob):
        from training.detector import train_detector

        train_detector(job, on_epoch=report, on_note=note)
    elif isinstance(job, ClassifierJob):
        from training.classifier import train_classifier

        train_classifier(job, on_epoch=report, on_note=note)
    else:
        from training.segmenter import train_segmenter

        train_segmenter(job, on_epoch=report, on_note=note)


def _take_stdout() -> Write:
    """Keep stdout for lines of JSON; whatever libraries print goes to the log, which is stderr."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def write(event: dict[str, Any]) -> None:
        line = json.dumps(event)
        lines.write(line + "\n")
        print(line)

    return write


if __name__ == "__main__":
    main(Path(sys.argv[1]))
