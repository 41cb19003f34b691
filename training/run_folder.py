"""The folder that a training by hand leaves, `runs/<time>/`, whatever the task.

best/               the model: weights.safetensors, model.onnx, history.json, job.json, and a manifest of their digests
config.yaml         every setting as it was used
run.json            what was asked for: the task, and the key by which the same command finds this folder again
history.json        one row an epoch: losses, and metrics of the validation part
test_report.json    what the test split says of `best`
*.png               losses and metrics by epoch, precision against recall, confusions, worst errors
log.txt             what the libraries said
manifest.json       the SHA-256 of each file; written last, so that a folder with it is complete
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from datasets.errors import BadDataset
from datasets.files import MANIFEST, alone, is_complete, read_json, write_bytes, write_json
from training.bundle import file_sha256

CONFIG_FILE, RUN_FILE, REPORT_FILE, LOG_FILE = "config.yaml", "run.json", "test_report.json", "log.txt"
HISTORY_FILE = "history.json"
BEST = "best"
_TIME = "%Y-%m-%dT%H-%M-%SZ"

Row = Mapping[str, float]


@dataclass(frozen=True)
class RunFolder:
    """One training's folder. `is_finished` once its report is there."""

    path: Path

    @property
    def best(self) -> Path:
        """A training job's `out`."""
        return self.path / BEST

    @property
    def checkpoints(self) -> Path:
        """What a killed training goes on from; gone when it has ended."""
        return self.path / "checkpoints"

    @property
    def log(self) -> Path:
        return self.path / LOG_FILE

    @property
    def is_finished(self) -> bool:
        return is_complete(self.path)

    def read_history(self) -> list[dict[str, float]]:
        """A row an epoch, as the training wrote it."""
        rows: list[dict[str, float]] = read_json(self.path / HISTORY_FILE)
        return rows

    def read_report(self) -> dict[str, Any]:
        report: dict[str, Any] = read_json(self.path / REPORT_FILE)
        return report


@contextmanager
def open_run(
    runs: Path, *, task: str, key: str, config: Mapping[str, Any], now: datetime, fresh: bool = False
) -> Iterator[RunFolder]:
    """The newest folder under `runs` with this task and key, or a new one named by `now` (UTC).

    It is this process's alone while the block runs; others with the same key wait. `fresh` always makes a new one.
    """
    with alone(runs / f"{task}-{key[:12]}"):
        found = None if fresh else _find(runs, task, key)
        folder = found or _name(runs, now)
        if found is None:
            folder.mkdir(parents=True)
            write_bytes(
                folder / CONFIG_FILE, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True).encode()
            )
            write_json(folder / RUN_FILE, {"task": task, "key": key})
        yield RunFolder(folder)


def _find(runs: Path, task: str, key: str) -> Path | None:
    wanted = {"task": task, "key": key}
    found = [path.parent for path in runs.glob(f"*/{RUN_FILE}") if _read_run(path) == wanted]
    return max(found, key=lambda path: path.name, default=None)


def _read_run(path: Path) -> Any:
    try:
        return read_json(path)
    except BadDataset:  # a broken one is nobody's; its command begins anew
        return None


def _name(runs: Path, now: datetime) -> Path:
    name = now.astimezone(UTC).strftime(_TIME)
    taken = {path.name for path in runs.glob(f"{name}*")}
    return runs / (name if name not in taken else f"{name}-{len(taken) + 1}")


def write_results(
    run: RunFolder, *, history: Sequence[Row], report: Mapping[str, Any], pictures: Mapping[str, bytes]
) -> None:
    """Fill the folder around `best`: history, test report, and PNG pictures by file name; the manifest comes last."""
    write_json(run.path / HISTORY_FILE, list(history))
    write_json(run.path / REPORT_FILE, report)
    for name, content in pictures.items():
        write_bytes(run.path / name, content)
    files = sorted(path for path in run.path.rglob("*") if path.is_file() and not path.name.startswith("."))
    digests = {str(path.relative_to(run.path)): file_sha256(path) for path in files if path.name != LOG_FILE}
    write_json(run.path / MANIFEST, {"files": digests})
