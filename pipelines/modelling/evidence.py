"""What bears on a promotion besides the scores: what models drew on, how fast one is, how its formats agree."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from datasets.coco import Dataset
from datasets.ledger import Ledger, read_scopes
from datasets.versions import read_version
from pipelines.modelling.shadow import read_verdict
from training.bundle import Bundle
from training.evaluate import measure_milliseconds
from training.promotion import Evidence, FormatParity
from training.refusals import overlap, prelabelled
from training.registry import RegisteredVersion
from training.settings import PromotionSettings


def gather(
    champion: str | None,
    challenger: RegisteredVersion,
    bundle: Bundle,
    truth: Dataset,
    *,
    versions: Path,
    store: Path,
    drawn_on: frozenset[str],
    ledger_url: str | None,
    settings: PromotionSettings,
) -> Evidence:
    """The evidence on a challenger; `champion` is its name@version, `drawn_on` the frames that models were shown on."""
    refusals = [prelabelled(truth, drawn_on), overlap(truth, read_version(versions, challenger.dataset))]
    shadow = None
    if settings.shadow_required and champion and ledger_url:
        shadow = read_verdict(
            ledger_url, champion, challenger.name, confidence=settings.confidence, resamples=settings.resamples
        )
    return Evidence(
        refusals=[refusal for refusal in refusals if refusal],
        milliseconds=measure_milliseconds(bundle, truth, store) if settings.max_milliseconds else None,
        parity=[FormatParity(format, agrees, told) for format, (agrees, told) in challenger.parity.items()],
        shadow=shadow,
    )


def read_prelabelled(ledgers: Iterable[Ledger]) -> frozenset[str]:
    """Every frame, by SHA-256, that models drew on before people did; also those on which they found nothing."""
    shown = set()
    for ledger in ledgers:
        outcomes, pulls = ledger.read_outcomes(), ledger.read_pulls()
        shown |= {str(sha256) for sha256 in outcomes.sha256[outcomes.model != ""]}
        shown |= {sha256 for job in ledger.prelabelled_jobs() & pulls.keys() for sha256 in pulls[job].sha256s}
    return frozenset(shown)


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
