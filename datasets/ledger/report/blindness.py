"""How much is accepted blindly, told by what was planted on images whose truth is known."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datasets.comparison import Verdict, compare
from datasets.labelled import LabelledObject
from datasets.ledger.records import Probe, ProbeKind
from datasets.ledger.report.intervals import Share, share
from datasets.ledger.report.material import Material

WRONG: Sequence[ProbeKind] = ("wrong_class", "shifted", "spurious")
MISSING: ProbeKind = "missing"


@dataclass(frozen=True)
class Blindness:
    """`accepted` is the share of wrong pre-labels left as they were planted, `overlooked` that of objects left out
    which nobody drew; `by_kind` has both by kind of probe. `waiting` are probes in jobs that nobody has accepted.
    """

    accepted: Share | None
    overlooked: Share | None
    by_kind: Mapping[ProbeKind, Share]
    waiting: int
    told: str


def blindness(material: Material) -> Blindness:
    """What became of the probes in accepted jobs."""
    blind: Counter[ProbeKind] = Counter()
    seen: Counter[ProbeKind] = Counter()
    for job_id, probes in material.probes.items():
        for probe in probes if job_id in material.jobs else ():
            rows = material.fates.get(job_id, ())
            left = [row.fate.after for row in rows if row.sha256 == probe.sha256 and row.fate.after]
            seen[probe.kind] += 1
            blind[probe.kind] += _is_blind(probe, left)
    waiting = sum(len(probes) for job_id, probes in material.probes.items() if job_id not in material.jobs)
    shares = {kind: share(blind[kind], seen[kind]) for kind in (*WRONG, MISSING)}
    accepted = share(sum(blind[kind] for kind in WRONG), sum(seen[kind] for kind in WRONG))
    by_kind = {kind: found for kind, found in shares.items() if found}
    return Blindness(accepted, shares[MISSING], by_kind, waiting, _told(seen.total(), waiting))


def _is_blind(probe: Probe, left: Sequence[LabelledObject]) -> bool:
    if probe.planted is not None:
        return _fate_of(probe.planted, left) == "accepted"
    return probe.truth is not None and _fate_of(probe.truth, left) == "deleted"


def _fate_of(labelled: LabelledObject, left: Sequence[LabelledObject]) -> Verdict:
    return compare([labelled], left)[0].verdict


def _told(seen: int, waiting: int) -> str:
    if seen or waiting:
        return f"Probes in jobs that nobody has accepted yet: {waiting}." if waiting else ""
    return "No probes were planted, so nothing is known of blind acceptance."
