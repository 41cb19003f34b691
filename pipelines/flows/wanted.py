"""Which bundles of models are still of use."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from training.bundle import read_pointer
from training.registered import RegisteredVersion, Turn


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
