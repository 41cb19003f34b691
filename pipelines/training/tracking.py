"""A run folder in the home's MLflow, beside what the loop trained: settings, metrics by epoch, files, its data.

Looked up by key before anything is made, so that what was killed half-way is completed. `mlflow.json` in the folder
says that all is there.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.files import read_json, write_json
from datasets.versions import ANNOTATIONS
from training.registered import DATASET, KEY
from training.registry import EXPERIMENT, Registry
from training.run_folder import RUN_FILE, RunFolder

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

LOGGED_FILE = "mlflow.json"
TASK = "carloop.task"
_AT_ONCE = 100, 1000
"""Parameters and metrics that MLflow takes in one call."""


def is_logged(run: RunFolder) -> bool:
    """Whether all of it is in MLflow."""
    return (run.path / LOGGED_FILE).exists()


def log_run(run: RunFolder, registry: Registry, config: Mapping[str, Any]) -> str | None:
    """Log a finished run to the registry's MLflow; why it could not be, which costs nothing but the log."""
    try:
        run_id = _log(run, registry, config)
    except Exception as error:  # MLflow, its database or its store, each with errors of its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"MLflow at {registry.uri} has no log of this run: {reason}; mend that and run the same command again"
    write_json(run.path / LOGGED_FILE, {"uri": registry.uri, "run_id": run_id})
    return None


def _log(run: RunFolder, registry: Registry, config: Mapping[str, Any]) -> str:
    registry.models()  # makes the database in one step where there is none
    from mlflow.entities import Param
    from mlflow.tracking import MlflowClient

    client = MlflowClient(registry.uri, registry.uri)
    report = run.read_report()
    found = _find_or_create(client, registry, run, report)
    run_id, at = found.info.run_id, found.info.start_time  # a time of its own would log a metric twice
    params = [Param(name, value) for name, value in _flat(config)]
    metrics = [*_by_epoch(run.read_history(), at), *_of_test(report, at)]
    for start in range(0, len(params), _AT_ONCE[0]):
        client.log_batch(run_id, params=params[start : start + _AT_ONCE[0]])
    for start in range(0, len(metrics), _AT_ONCE[1]):
        client.log_batch(run_id, metrics=metrics[start : start + _AT_ONCE[1]])
    client.log_artifacts(run_id, str(run.path))
    client.set_terminated(run_id)
    return str(run_id)


def _find_or_create(client: "MlflowClient", registry: Registry, run: RunFolder, report: Mapping[str, Any]) -> Any:
    """MLflow's run of this folder."""
    asked = read_json(run.path / RUN_FILE)
    key = f"{asked['task']}/{asked['key']}/{run.path.name}"
    experiment = client.get_experiment_by_name(EXPERIMENT)
    known = experiment.experiment_id if experiment else _create(client, registry)
    if found := client.search_runs([known], f"tags.`{KEY}` = '{key}'", max_results=1):
        return found[0]
    tags = {KEY: key, TASK: asked["task"], DATASET: _data_of(str(report["data"]))}
    return client.create_run(known, tags=tags, run_name=f"{asked['task']} {run.path.name}")


def _create(client: "MlflowClient", registry: Registry) -> str:
    return str(client.create_experiment(EXPERIMENT, artifact_location=str(registry.artifacts)))


def _data_of(told: str) -> str:
    """A dataset version's digest, where the report has its file; else what it has."""
    path = Path(told)
    return path.parent.name if path.name == ANNOTATIONS else told


def _flat(config: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def _by_epoch(history: list[dict[str, float]], at: int) -> Iterator["Metric"]:
    from mlflow.entities import Metric

    for number, row in enumerate(history, start=1):
        step = int(row.get("epoch", number))
        yield from (Metric(name, float(value), at, step) for name, value in row.items() if name != "epoch")


def _of_test(report: Mapping[str, Any], at: int) -> Iterator["Metric"]:
    """The overall figures of the test split, as far as they are numbers."""
    from mlflow.entities import Metric

    test = report["test"] or {}
    for name, found in test.get("overall", test).items():
        value = found.get("value") if isinstance(found, dict) else found
        if isinstance(value, int | float):
            yield Metric(f"test_{name}", float(value), at, 0)
