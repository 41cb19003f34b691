"""A training that is asked for by hand: found or done, and logged, whatever the task."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipelines.modelling.place import find_place
from pipelines.progress import Progress
from pipelines.training.options import Asked
from pipelines.training.tracking import is_logged, log_run
from training.run_folder import RunFolder, open_run


def train_once(
    asked: Asked,
    train: Callable[[RunFolder], object],
    *,
    task: str,
    key: str,
    config: Mapping[str, Any],
    progress: Progress,
) -> RunFolder:
    """The finished run of this key: an earlier one unless anew is asked for, else one that `train` fills now."""
    runs, now = asked.runs or asked.home / "runs", datetime.now(UTC)
    with open_run(runs, task=task, key=key, config=config, now=now, fresh=asked.is_fresh) as run:
        if not run.is_finished:
            train(run)
        if asked.is_logged and not is_logged(run):
            with progress.step("log to MLflow"):
                problem = log_run(run, find_place(asked.home, None).registry, config)
            if problem:
                progress.say(f"    {problem}")
    return run
