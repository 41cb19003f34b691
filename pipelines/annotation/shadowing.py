"""Challengers beside the champions: which there are, and which frames they pre-annotate in the champions' place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.annotation.shown import ShownFrames
from training.bundle import Bundle, read_bundle
from training.predictors import Classifier, Detector
from training.registry import RegisteredVersion, Registry
from training.shadow import ShownFrame, assign


@dataclass(frozen=True)
class Shadow:
    """What looks at a share of the families in place of the champions, and where it is noted who looked at what.

    `families` are by SHA-256; a frame of which none is known is one of its own. `run` is what the share is drawn for.
    """

    predictors: Sequence[Detector | Classifier]
    families: Mapping[str, str]
    share: float
    run: str
    shown: ShownFrames

    def takes(self, sha256: str) -> bool:
        """Whether this image is the challengers' to pre-annotate."""
        return bool(assign([self._family(sha256)], self.share, run=self.run))

    def frame(self, job_id: int, sha256: str, models: Iterable[str]) -> ShownFrame:
        return ShownFrame(job_id, sha256, self._family(sha256), frozenset(models))

    def _family(self, sha256: str) -> str:
        return self.families.get(sha256, sha256)


def find_challengers(
    registry: Registry, bundles: Path, versions: Iterable[RegisteredVersion | None], champions: Sequence[Bundle]
) -> list[Bundle]:
    """Those of the registered versions that can stand in for one of the champions.

    One that is or was champion itself is no challenger: it was rolled back, or is served already.
    """
    served = {bundle.spec.model for bundle in champions}
    known = [version for version in versions if version is not None and version.model in served]
    return [
        read_bundle(bundles, version.bundle)
        for version in known
        if version.bundle and version.version not in {turn.version for turn in registry.history(version.model)}
    ]


def in_their_place(champions: Sequence[Bundle], challengers: Sequence[Bundle]) -> list[Bundle]:
    """The champions, but for those that a challenger stands in for."""
    by_model = {bundle.spec.model: bundle for bundle in challengers}
    return [by_model.get(bundle.spec.model, bundle) for bundle in champions]
