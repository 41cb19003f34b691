"""What the ledger tells reviewers."""

from collections import defaultdict
from collections.abc import Mapping

from datasets.comparison import compare
from datasets.ledger import FateRow, Ledger, Probe


def shown_fates(ledger: Ledger) -> list[FateRow]:
    """Every fate but those on images where something was planted."""
    planted = {(job_id, probe.sha256) for job_id, probes in ledger.read_probes().items() for probe in probes}
    by_job = ledger.read_fates_by_job()
    return [row for job_id, rows in by_job.items() for row in rows if (job_id, row.sha256) not in planted]


def failed_probes(ledger: Ledger) -> Mapping[str, list[str]]:
    """The kinds of planted errors that people let stand in accepted jobs, by SHA-256."""
    probes = ledger.read_probes()
    failed: dict[str, list[str]] = defaultdict(list)
    for job_id, rows in ledger.read_fates_by_job(list(probes)).items():
        for probe in probes[job_id]:
            if _is_missed(probe, [row for row in rows if row.sha256 == probe.sha256]):
                failed[probe.sha256].append(probe.kind)
    return failed


def _is_missed(probe: Probe, rows: list[FateRow]) -> bool:
    """Whether a wrong pre-label stands as it was planted, or what was left out was not drawn."""
    left = [row.fate.after for row in rows if row.fate.after]
    if probe.planted:
        return compare([probe.planted], left)[0].verdict == "accepted"
    return probe.truth is not None and compare([probe.truth], left)[0].verdict == "deleted"
