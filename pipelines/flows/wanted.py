"""Which bundles of models, and which dataset versions, are still of use."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pipelines.modelling.lineage import ancestors
from training.bundle import read_pointer
from training.registered import RegisteredVersion, Turn

_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_TELLING = (".json", ".yaml", ".yml")
_SILENT = ("datasets/store", "datasets/versions", "mongodb", "prefect")


class Versions(Protocol):
    """What is asked of the registry; versions come oldest first."""

    def models(self) -> Sequence[str]: ...
    def history(self, model: str) -> Sequence[Turn]: ...
    def aliases(self, model: str) -> Mapping[str, str]: ...
    def versions(self, model: str) -> Sequence[RegisteredVersion]: ...


def wanted_bundles(registry: Versions, bundles: Path) -> Iterator[str]:
    """The bundles that are served, are an alias's or its parent's, the newest's, or that a rollback leads to."""
    for model in registry.models():
        turns = {turn.version for turn in registry.history(model)}
        wanted = turns | set(registry.aliases(model).values())
        versions = {one.version: one for one in registry.versions(model)}
        wanted |= set([number for number, one in versions.items() if one.bundle][-1:])
        wanted |= {one.parent for one in versions.values() if one.version in wanted and one.parent}
        yield from (one.bundle for one in versions.values() if one.version in wanted and one.bundle)
        if pointed := read_pointer(bundles, model):
            yield pointed


def wanted_versions(registry: Versions | None, home: Path) -> set[str]:
    """Dataset versions that a file of the home or a registered model names, and all that those were made from.

    Files are JSON and YAML: the names that people gave, what was pushed, pulled, selected, learnt, trained, evaluated.
    """
    found = {version for model in registry.models() for version in _trained_on(registry, model)} if registry else set()
    for path in _telling(home):
        found.update(match.decode() for match in _DIGEST.findall(path.read_bytes()))
    versions = home / "datasets" / "versions"
    return found.union(*(ancestors(versions, version) for version in found if (versions / version).is_dir()))


def _trained_on(registry: Versions, model: str) -> Iterator[str]:
    for one in registry.versions(model):
        yield from filter(None, (one.dataset, one.test_set))


def _telling(home: Path) -> Iterator[Path]:
    silent = {str(home / name) for name in _SILENT}
    for folder, folders, files in os.walk(home):
        folders[:] = [name for name in folders if f"{folder}/{name}" not in silent]
        yield from (Path(folder) / name for name in files if name.endswith(_TELLING))
