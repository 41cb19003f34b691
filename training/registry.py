"""The registry of model versions, in MLflow: aliases `champion` and `challenger`, one run and version per key.

Every call looks up by key before it creates, so that a process killed between any two calls runs again to the same
end. A version's number is in its bundle, so it is registered first, then bundled, then described.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import make_url

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

Alias = Literal["champion", "challenger"]

KEY = "carloop.key"
DATASET = "carloop.dataset"
PARENT = "carloop.parent"
BUNDLE = "carloop.bundle"
METRIC = "carloop.metric."
EXPERIMENT = "carloop"


@dataclass(frozen=True)
class RegisteredVersion:
    """One trained model. `bundle` and `metrics` are there once it is described; `parent` is a version's number."""

    model: str
    version: str
    key: str
    dataset: str
    parent: str | None
    weights: Path
    bundle: str | None
    metrics: Mapping[str, float]

    @property
    def name(self) -> str:
        return f"{self.model}@{self.version}"


class Registry:
    """Model versions behind an MLflow tracking URI; weights are kept under `artifacts`."""

    def __init__(self, uri: str, artifacts: Path) -> None:
        self.uri = uri
        self.artifacts = artifacts.absolute()

    def register(self, model: str, *, key: str, dataset: str, parent: str | None, training: Path) -> RegisteredVersion:
        """A version for a finished training's folder; the one that is there when `key` was registered before."""
        if found := self._find(model, key):
            return found
        run_id = self._run_id(key)
        self._client.log_artifacts(run_id, str(training), "training")
        tags = {KEY: key, DATASET: dataset, **({PARENT: parent} if parent else {})}
        source = f"{self._client.get_run(run_id).info.artifact_uri}/training"
        created = self._client.create_model_version(model, source, run_id, tags=tags)
        self._client.set_terminated(run_id)
        return _registered(created)

    def describe(
        self, registered: RegisteredVersion, *, bundle: str, metrics: Mapping[str, float]
    ) -> RegisteredVersion:
        """Say which bundle serves a version and how it scored, and make it the challenger."""
        tags = {BUNDLE: bundle, **{METRIC + name: repr(value) for name, value in metrics.items()}}
        for name, value in tags.items():
            self._client.set_model_version_tag(registered.model, registered.version, name, value)
        self.set_alias("challenger", registered)
        return self.version(registered.model, registered.version)

    def trained_on(self, dataset: str) -> list[str]:
        """The versions of any model that were trained on a dataset version, as name@version."""
        found = self._client.search_model_versions(f"tags.`{DATASET}` = '{dataset}'")
        return sorted(f"{version.name}@{version.version}" for version in found)

    def set_alias(self, alias: Alias, registered: RegisteredVersion) -> None:
        self._client.set_registered_model_alias(registered.model, alias, registered.version)

    def champion(self, model: str) -> RegisteredVersion | None:
        """The version in use; None before the first promotion."""
        return self._aliased(model, "champion")

    def challenger(self, model: str) -> RegisteredVersion | None:
        """The version described last; None before the first."""
        return self._aliased(model, "challenger")

    def version(self, model: str, version: str) -> RegisteredVersion:
        return _registered(self._client.get_model_version(model, version))

    def _aliased(self, model: str, alias: Alias) -> RegisteredVersion | None:
        if not self._client.search_registered_models(f"name = '{model}'"):
            return None
        version = self._client.get_registered_model(model).aliases.get(alias)
        return self.version(model, str(version)) if version else None

    def _find(self, model: str, key: str) -> RegisteredVersion | None:
        if not self._client.search_registered_models(f"name = '{model}'"):
            self._client.create_registered_model(model)
        found = self._client.search_model_versions(f"name = '{model}' and tags.`{KEY}` = '{key}'")
        return _registered(found[0]) if found else None

    def _run_id(self, key: str) -> str:
        experiment_id = self._experiment_id()
        found = self._client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
        run = found[0] if found else self._client.create_run(experiment_id, tags={KEY: key}, run_name=key)
        return str(run.info.run_id)

    def _experiment_id(self) -> str:
        if found := self._client.get_experiment_by_name(EXPERIMENT):
            return str(found.experiment_id)
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=str(self.artifacts)))

    @cached_property
    def _client(self) -> "MlflowClient":
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("DO_NOT_TRACK", "1")
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        _make_database(self.uri)
        return MlflowClient(self.uri, self.uri)


def _make_database(uri: str) -> None:
    """Let MLflow fill a new SQLite file aside: one that is killed while it makes its tables cannot use them again."""
    path = make_url(uri).database
    if not uri.startswith("sqlite:") or path is None or Path(path).exists():
        return
    from mlflow.tracking import MlflowClient

    part = Path(f"{path}.part")
    part.unlink(missing_ok=True)
    MlflowClient(f"sqlite:///{part}", f"sqlite:///{part}").search_registered_models(max_results=1)
    part.replace(path)


def _registered(found: "ModelVersion") -> RegisteredVersion:
    tags = found.tags
    return RegisteredVersion(
        model=found.name,
        version=str(found.version),
        key=tags[KEY],
        dataset=tags[DATASET],
        parent=tags.get(PARENT),
        weights=Path(found.source) / "weights.safetensors",
        bundle=tags.get(BUNDLE),
        metrics={name[len(METRIC) :]: float(tags[name]) for name in sorted(tags) if name.startswith(METRIC)},
    )
