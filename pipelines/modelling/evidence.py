"""What bears on a promotion besides the scores: what models drew on, how fast one is, how its formats agree."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.coco import Dataset
from datasets.ledger import Ledger, Outcomes, read_scopes
from datasets.ledger.records import OUTCOME_COLUMNS
from datasets.versions import read_version
from training.bundle import Bundle
from training.evaluate import measure_milliseconds
from training.promotion import Evidence, FormatParity
from training.refusals import overlap, prelabelled
from training.registry import RegisteredVersion
from training.settings import PromotionSettings
from training.shadow import judge_shadow, shown_models


@dataclass(frozen=True)
class Corrected:
    """What became of pre-labels, and every frame, by SHA-256, that models drew on before people did."""

    outcomes: Outcomes
    shown: frozenset[str]


def gather(
    champion: str | None,
    challenger: RegisteredVersion,
    bundle: Bundle,
    truth: Dataset,
    *,
    versions: Path,
    store: Path,
    corrected: Corrected,
    settings: PromotionSettings,
) -> Evidence:
    """The evidence on a challenger; `champion` is its name@version."""
    refusals = [prelabelled(truth, corrected.shown), overlap(truth, read_version(versions, challenger.dataset))]
    found, shadow = corrected.outcomes, None
    if settings.shadow_required and champion:
        frames = shown_models(found, champion, challenger.name)
        shadow = judge_shadow(found, champion, challenger.name, frames=frames, confidence=settings.confidence)
    return Evidence(
        refusals=[refusal for refusal in refusals if refusal],
        milliseconds=measure_milliseconds(bundle, truth, store) if settings.max_milliseconds else None,
        parity=[FormatParity(format, agrees, told) for format, (agrees, told) in challenger.parity.items()],
        shadow=shadow,
    )


def read_corrected(ledgers: Iterable[Ledger]) -> Corrected:
    """What ledgers tell; frames on which models found nothing were shown too."""
    found, shown = [], set()
    for ledger in ledgers:
        outcomes, pulls = ledger.read_outcomes(), ledger.read_pulls()
        found.append(outcomes)
        shown |= {str(sha256) for sha256 in outcomes.sha256[outcomes.model != ""]}
        shown |= {sha256 for job in ledger.prelabelled_jobs() & pulls.keys() for sha256 in pulls[job].sha256s}
    columns = (
        np.concatenate([np.zeros(0, dtype), *(getattr(one, name) for one in found)])
        for name, dtype in OUTCOME_COLUMNS.items()
    )
    return Corrected(Outcomes(*columns), frozenset(shown))


def open_ledgers(ledger: Path) -> Iterator[Ledger]:
    """Those of all projects in a file, each open until the next is asked for; none where there is no file."""
    if not ledger.is_file():
        return
    url = f"sqlite:///{ledger.absolute()}"
    for scope in read_scopes(url):
        opened = Ledger(url, scope)
        try:
            yield opened
        finally:
            opened.close()
