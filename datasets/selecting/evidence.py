"""All that speaks for each image of a pool, and how it is told to people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datasets.selecting.pool import Labelled, Pool
from datasets.selecting.settings import SelectionSettings
from datasets.selecting.signals import Signal, Values, disagreement, rarity, uncertainty

MISSING = {
    "uncertainty": "no model's answers",
    "rarity": "no model's answers",
    "disagreement": "no challenger's answers",
    "diversity": "no embeddings",
}
"""What a strategy or signal lacks when it cannot be had."""


class Pick(NamedTuple):
    """A chosen row of the pool, by which strategy, and its distance to the nearest centre where that counted."""

    row: int
    by: str
    distance: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One image to label and why.

    `by` is the strategy, or "control" for one that a mix drew at random. `signals` are what models' answers amount to,
    `above` each signal's rank in the pool in (0, 1]; `distance` (a chord of the unit sphere, in [0, 2]) is to the
    nearest image that was labelled, or chosen before.
    """

    sha256: str
    family: str
    by: str
    reason: str
    signals: Mapping[str, float]
    above: Mapping[str, float]
    distance: float | None = None


@dataclass(frozen=True)
class Evidence:
    """A pool in the order of ties, with the signals that can be had and their ranks, each (N,) in (0, 1]."""

    pool: Pool
    labelled: Labelled
    settings: SelectionSettings
    signals: Mapping[str, Signal]
    above: Mapping[str, Values]

    def choice(self, pick: Pick) -> Choice:
        """The pick, explained."""
        row, by, distance = pick
        return Choice(
            sha256=self.pool.keys[row],
            family=self.pool.families[row],
            by=by,
            reason=self._reason(pick),
            signals={name: round(float(signal.values[row]), 4) for name, signal in self.signals.items()},
            above={name: round(float(above[row]), 4) for name, above in self.above.items()},
            distance=None if distance is None else round(distance, 4),
        )

    def _reason(self, pick: Pick) -> str:
        if pick.by in ("control", "random"):
            return "drawn at random"
        if pick.by == "families":
            return f"{self.labelled.families.get(self.pool.families[pick.row], 0)} images of its family are labelled"
        told = [
            f"{signal.tell(pick.row)} (rank {self.above[name][pick.row]:.0%})"
            for name, signal in self.signals.items()
            if pick.by in (name, "mix")
        ]
        if pick.distance is not None:
            told.append(f"{pick.distance:.2f} from the nearest image labelled or chosen")
        return "; ".join(told) or "nothing tells it from others"


def gather(pool: Pool, labelled: Labelled, settings: SelectionSettings, *, seed: int) -> Evidence:
    """The evidence on a pool; the seed decides the order of ties."""
    pool = pool.in_order(seed=seed)
    least = settings.least_score
    found = {
        "uncertainty": uncertainty(pool, least_score=least),
        "disagreement": disagreement(pool, least_score=least),
        "rarity": rarity(pool, labelled, least_score=least),
    }
    signals = {name: signal for name, signal in found.items() if signal is not None}
    above = {name: ranks(signal.values) for name, signal in signals.items()}
    return Evidence(pool, labelled, settings, signals, above)


def ranks(values: Values) -> Values:
    """(N,) ranks in (0, 1], the greatest value's is highest; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    means: Values = (last - (counts - 1) / 2)[place] / max(len(values), 1)
    return means
