"""What the ledger is told, and what it tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datasets.comparison import Fate
from datasets.labelled import LabelledObject

Texts = NDArray[np.object_]
ProbeKind = Literal["wrong_class", "shifted", "spurious", "missing"]


class Prelabel(Struct, frozen=True, gc=False):
    """A prediction as it was stored in CVAT: on which image, by which model (`name@version`)."""

    sha256: str
    model: str
    stored: LabelledObject


class FateRow(Struct, frozen=True, gc=False):
    """The fate of one object of an accepted job."""

    sha256: str
    model: str | None
    fate: Fate


class Pull(Struct, frozen=True):
    """What was pulled of a job. Times are ISO 8601, `working_seconds` CVAT's own count where it keeps one.

    `images` is how many the job covers, `sha256s` which; `content` is the pull's own encoding of what it found, and
    `revision` how it tells whether the job has changed since.
    """

    job_id: int
    task_id: int
    revision: str
    subset: str
    assignee: str | None
    working_seconds: float | None
    accepted_at: str | None
    images: int
    content: bytes = b""
    sha256s: tuple[str, ...] = ()


class Probe(Struct, frozen=True):
    """A pre-label planted, or left out, on an image whose truth is known.

    `planted` is what was put there, None for one that is `missing`; `truth` is what ought to stand there, None for one
    that is `spurious`.
    """

    sha256: str
    kind: ProbeKind
    planted: LabelledObject | None
    truth: LabelledObject | None


class JobEvent(Struct, frozen=True, order=True):
    """A job's state from a moment on (ISO 8601)."""

    at: str
    state: str
    stage: str
    assignee: str | None = None


@dataclass(frozen=True)
class Outcomes:
    """The fates of N objects as columns, (N,) each, without their geometry.

    `score` and `iou` are NaN where there is none; `model` and the classes are "" likewise.
    """

    job_id: NDArray[np.int64]
    sha256: Texts
    model: Texts
    verdict: Texts
    kind: Texts
    before_category: Texts
    after_category: Texts
    score: NDArray[np.float64]
    iou: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.job_id)

    def where(self, chosen: NDArray[np.bool_]) -> "Outcomes":
        """Those that are chosen: (N,)."""
        return Outcomes(*(getattr(self, name)[chosen] for name in OUTCOME_COLUMNS))


OUTCOME_COLUMNS: Mapping[str, type] = {
    "job_id": np.int64,
    "sha256": object,
    "model": object,
    "verdict": object,
    "kind": object,
    "before_category": object,
    "after_category": object,
    "score": np.float64,
    "iou": np.float64,
}
