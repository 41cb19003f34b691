"""What was measured of many rounds in a row, and what grows in them beyond what the data adds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from datasets.taxonomy import Settings

FIRST = 2
"""The first round that counts: by then every part has done all its kinds of work once."""
MEMORY_PER_ROUND, HANDLES_PER_ROUND = 5.0, 0.5
"""MiB and file descriptors that a part may gain a round, all rounds long, as the median pair of rounds has it."""
GROWTH_OF_GAIN, GROWTH_OF_TIME = 1.5, 1.5
"""The last rounds' median against the first ones': of what a round adds to the disk, and of its processors' time."""


class Measured(Settings):
    """One round's end: MiB and file descriptors by part, MiB on disk by folder, seconds by step.

    `processor_seconds` are since the command's start, of all its processes.
    `start` counts the commands that it took so far: processes of another start are other processes.
    """

    number: int
    start: int
    labelled_images: int
    seconds: Mapping[str, float]
    processor_seconds: float
    memory: Mapping[str, float]
    handles: Mapping[str, int]
    disk: Mapping[str, float]


@dataclass(frozen=True)
class Growth:
    """One quantity over the rounds: at first, at last, how fast it grows, and how fast it may."""

    name: str
    first: float
    last: float
    growth: float
    allowed: float
    unit: str

    @property
    def holds(self) -> bool:
        return self.growth <= self.allowed

    def told(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


def judge(measured: Sequence[Measured]) -> list[Growth]:
    """How fast memory and handles of each part, what a round adds to the disk, and a round's time grow.

    Judged are the rounds of the last start: only they are of the same processes.
    """
    rows = [row for row in measured if row.number >= FIRST and row.start == measured[-1].start]
    return [
        *_slopes("memory", [row.memory for row in rows], MEMORY_PER_ROUND, "MiB a round"),
        *_slopes("handles", [row.handles for row in rows], HANDLES_PER_ROUND, "a round"),
        _ratio("disk that a round adds, MiB", _gains([sum(row.disk.values()) for row in rows]), GROWTH_OF_GAIN),
        _ratio("processors' seconds a round", _gains([row.processor_seconds for row in rows]), GROWTH_OF_TIME),
    ]


def _slopes(what: str, rows: Sequence[Mapping[str, float]], allowed: float, unit: str) -> list[Growth]:
    """Of each part that there is in every row."""
    by_part = {part: [row[part] for row in rows] for part in sorted(set.intersection(*map(set, rows)))}
    return [
        Growth(f"{what} of {part}", values[0], values[-1], round(median_slope(values), 2), allowed, unit)
        for part, values in by_part.items()
    ]


def median_slope(values: Sequence[float]) -> float:
    """The median of all pairs' slopes, which single outliers don't move (Theil and Sen)."""
    pairs = [(a, b) for a in range(len(values)) for b in range(a + 1, len(values))]
    return median((values[b] - values[a]) / (b - a) for a, b in pairs) if pairs else 0.0


def _ratio(name: str, values: Sequence[float], allowed: float) -> Growth:
    if not values:
        return Growth(name, 0.0, 0.0, 0.0, allowed, "times")
    third = max(1, len(values) // 3)
    first, last = median(values[:third]), median(values[-third:])
    return Growth(name, round(first, 2), round(last, 2), round(last / first, 2) if first else 0.0, allowed, "times")


def _gains(values: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(values)]
