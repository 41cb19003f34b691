"""The process that trains: `python -m training.worker JOB.json`, started by `training.jobs.run_training`."""

import json
import os
import sys
from pathlib import Path

from datasets.errors import CarloopError
from datasets.processes import end_with_stdin
from training.jobs import JOB, DetectorJob, OnEpoch


def main(job_path: Path) -> None:
    report = _take_stdout()
    end_with_stdin()
    job = JOB.validate_json(job_path.read_bytes())
    if isinstance(job, DetectorJob):
        from training.detector import train_detector

        train_detector(job, on_epoch=report)
    else:
        from training.classifier import train_classifier

        train_classifier(job, on_epoch=report)


def _take_stdout() -> OnEpoch:
    """Keep stdout for the epochs' lines; whatever libraries print goes to the log, which is stderr."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def report(epoch: int, epochs: int, losses: dict[str, float]) -> None:
        line = json.dumps({"epoch": epoch, "epochs": epochs, "losses": losses})
        lines.write(line + "\n")
        print(line)

    return report


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except CarloopError as error:
        sys.exit(str(error))
