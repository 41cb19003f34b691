"""The registry of model versions, in MLflow: aliases `champion` and `challenger`, one run and version per key.

Every call looks up by key before it creates, so that a process killed between any two calls runs again to the same
end. A version's number is in its bundle, so it is registered first, then bundled, then described. Who was champion
when is kept with the model, and written before the alias moves: what was killed in between can be completed.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import msgspec

from training.errors import NoSuchModel
from training.registered import (
    BUNDLE,
    DATASET,
    DECISION,
    INTERVAL,
    JUDGED,
    KEY,
    METRIC,
    PARENT,
    PARITY,
    TEST_SET,
    Event,
    RegisteredVersion,
    Turn,
    parity_text,
    registered_of,
    turns_before,
)
from training.registry_file import make_database, sqlite_file

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["Alias", "Event", "RegisteredVersion", "Registry", "Turn", "open_registry"]

Alias = Literal["champion", "challenger"]

EXPERIMENT = "carloop"
HISTORY = "carloop.history"
_TURNS, _LONGEST = 20, 90
"""How many turns, and how much of each reason, fit into the 5,000 characters of a registered model's tag."""


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
        return registered_of(created)

    def describe(
        self,
        registered: RegisteredVersion,
        *,
        bundle: str,
        metrics: Mapping[str, float],
        intervals: Mapping[str, tuple[float, float]] = MappingProxyType({}),
        test_set: str | None = None,
        as_challenger: bool = True,
    ) -> RegisteredVersion:
        """Say which bundle serves a version and how it scored, and make it the challenger unless another stays it."""
        tags = {
            BUNDLE: bundle,
            **{METRIC + name: repr(value) for name, value in metrics.items()},
            **{INTERVAL + name: f"{low!r} {high!r}" for name, (low, high) in intervals.items()},
            **({TEST_SET: test_set} if test_set else {}),
        }
        self._tag(registered, tags)
        if as_challenger:
            self.set_alias("challenger", registered)
        return self.version(registered.model, registered.version)

    def note_parity(self, registered: RegisteredVersion, format: str, *, agrees: bool, told: str) -> None:
        """Say of an exported format whether it agrees with the trained model, and how far."""
        self._tag(registered, {PARITY + format: parity_text(agrees, told)})

    def note_decision(self, registered: RegisteredVersion, reason: str) -> None:
        """Say why a version was promoted, or why not."""
        self._tag(registered, {DECISION: reason})

    def note_judged(self, registered: RegisteredVersion, *, by: str) -> None:
        """Say that the round of the key `by` has judged it as a shadow, to the end; no other round does again."""
        self._tag(registered, {JUDGED: by})

    def note_turn(
        self, registered: RegisteredVersion, event: Event, *, now: datetime, reason: str = "", by: str = ""
    ) -> None:
        """Say that a version is about to become champion; noting the last turn again changes nothing."""
        turns = self.history(registered.model)
        if turns and turns[-1].version == registered.version:
            return
        turn = Turn(now.isoformat(timespec="seconds"), event, registered.version, reason[:_LONGEST], by)
        told = msgspec.json.encode([asdict(one) for one in (*turns, turn)][-_TURNS:]).decode()
        self._client.set_registered_model_tag(registered.model, HISTORY, told)

    def history(self, model: str) -> list[Turn]:
        """Who became champion when, oldest first; of a model that is not there, nothing."""
        if model not in self.models():
            return []
        told = self._client.get_registered_model(model).tags.get(HISTORY)
        return msgspec.json.decode(told, type=list[Turn]) if told else []

    def models(self) -> list[str]:
        """The names of all models."""
        return [] if self._is_new else sorted(model.name for model in self._client.search_registered_models())

    def versions(self, model: str) -> list[RegisteredVersion]:
        """All versions of a model, oldest first."""
        if self._is_new:
            return []
        found = map(registered_of, self._client.search_model_versions(f"name = '{model}'"))
        return sorted(found, key=lambda one: int(one.version))

    def aliases(self, model: str) -> dict[str, str]:
        """The version's number that each alias of a model stands for."""
        return {alias: str(number) for alias, number in self._client.get_registered_model(model).aliases.items()}

    def find(self, reference: str) -> RegisteredVersion:
        """A version by `name@version` or `name@alias`. Raises NoSuchModel, which says what there is."""
        model, _, wanted = reference.partition("@")
        if model not in (models := self.models()):
            raise NoSuchModel(f"{reference}: there is no model {model!r}; there are {', '.join(models) or 'none yet'}")
        aliases, versions = self.aliases(model), {one.version: one for one in self.versions(model)}
        number = aliases.get(wanted, wanted)
        if number not in versions:
            known = ", ".join(f"{model}@{name}" for name in (*aliases, *versions))
            raise NoSuchModel(f"{reference}: there is no such version or alias; there are {known}")
        return versions[number]

    def trained_on(self, dataset: str) -> list[str]:
        """The versions of any model that were trained on a dataset version, as name@version."""
        if self._is_new:
            return []
        found = self._client.search_model_versions(f"tags.`{DATASET}` = '{dataset}'")
        return sorted(f"{version.name}@{version.version}" for version in found)

    def set_alias(self, alias: Alias, registered: RegisteredVersion) -> None:
        self._client.set_registered_model_alias(registered.model, alias, registered.version)

    def champion(self, model: str) -> RegisteredVersion | None:
        """The version in use; None before the first promotion."""
        return self._aliased(model, "champion")

    def champion_before(self, model: str, key: str) -> RegisteredVersion | None:
        """The champion that the round of `key` found, which its version has to beat.

        Where that is champion itself, the one it went on from; where the round promoted others, the one before these.
        """
        champion, turns = self.champion(model), self.history(model)
        before = turns_before(turns, key)
        if before and len(before) < len(turns):
            return self.version(model, before[-1].version)
        if champion is None or champion.key != key:
            return champion
        return self.version(model, champion.parent) if champion.parent else None

    def challenger(self, model: str) -> RegisteredVersion | None:
        """The version described last, or before it one that people have not seen enough of; None before the first."""
        return self._aliased(model, "challenger")

    def challenger_before(self, model: str, key: str) -> RegisteredVersion | None:
        """The challenger that the round of `key` found: the one it judged, else one that no round has judged yet."""
        if judged := [version for version in self.versions(model) if version.judged_by == key]:
            return judged[-1]
        found = self.challenger(model)
        return found if found and found.key != key and not found.judged_by else None

    def version(self, model: str, version: str) -> RegisteredVersion:
        return registered_of(self._client.get_model_version(model, version))

    def _tag(self, registered: RegisteredVersion, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            self._client.set_model_version_tag(registered.model, registered.version, name, value)

    def _aliased(self, model: str, alias: Alias) -> RegisteredVersion | None:
        if self._is_new or not self._client.search_registered_models(f"name = '{model}'"):
            return None
        version = self._client.get_registered_model(model).aliases.get(alias)
        return self.version(model, str(version)) if version else None

    def _find(self, model: str, key: str) -> RegisteredVersion | None:
        if not self._client.search_registered_models(f"name = '{model}'"):
            self._client.create_registered_model(model)
        found = self._client.search_model_versions(f"name = '{model}' and tags.`{KEY}` = '{key}'")
        return registered_of(found[0]) if found else None

    def _run_id(self, key: str) -> str:
        experiment_id = self._experiment_id()
        found = self._client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
        run = found[0] if found else self._client.create_run(experiment_id, tags={KEY: key}, run_name=key)
        return str(run.info.run_id)

    def _experiment_id(self) -> str:
        if found := self._client.get_experiment_by_name(EXPERIMENT):
            return str(found.experiment_id)
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=str(self.artifacts)))

    @property
    def _is_new(self) -> bool:
        """Whether nothing was ever registered here; then whoever only reads makes no database either."""
        path = sqlite_file(self.uri)
        return path is not None and not path.exists()

    @cached_property
    def _client(self) -> "MlflowClient":
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("DO_NOT_TRACK", "1")
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        make_database(self.uri)
        return MlflowClient(self.uri, self.uri)


def open_registry(root: Path) -> Registry:
    """The registry of a home, or of one run of the loop: SQLite and files in its folder `mlflow`."""
    folder = (root / "mlflow").absolute()
    return Registry(f"sqlite:///{folder}/mlflow.sqlite", folder / "artifacts")
