"""What needs torch, NNCF or TensorRT is done in a process of its own: they patch libraries, and report their usage.

A child writes its files, and its result as one line of JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from training.errors import CannotExport
from training.jobs import worker_environment

MODULE = "training.exporting.child"
PASSES, TIMED = 3, 32
"""How often speed is measured, here and there, and on how many squares at most."""


def run_child(action: str, *arguments: str | Path | None) -> Any:
    """What `python -m training.exporting.child ACTION …` tells. Raises CannotExport with its last words."""
    with tempfile.TemporaryDirectory(prefix="carloop-export-") as folder:
        environment = {**worker_environment(Path(folder)), "NNCF_CI": "1", "OMP_NUM_THREADS": _threads()}
        done = subprocess.run(
            [sys.executable, "-m", MODULE, action, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise CannotExport(f"{action} failed: {_last_line(done.stderr)}; choose another format, or mend that")
    return json.loads(done.stdout.splitlines()[-1])


def _threads() -> str:
    return os.environ.get("OMP_NUM_THREADS", str(os.cpu_count() or 1))


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
