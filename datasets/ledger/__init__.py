"""The ledger: what was pre-labelled, what became of it, and what the loop has to remember between its steps."""

from datasets.ledger.locks import Locked
from datasets.ledger.records import FateRow, JobEvent, Outcomes, Prelabel, Probe, ProbeKind, Pull
from datasets.ledger.store import Ledger, read_scopes

__all__ = [
    "FateRow",
    "JobEvent",
    "Ledger",
    "Locked",
    "Outcomes",
    "Prelabel",
    "Probe",
    "ProbeKind",
    "Pull",
    "read_scopes",
]
