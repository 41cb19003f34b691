"""The label-value curve: quality against labelled images over several seeds, and when labelling more no longer pays.

Intervals are Student's, of 95 %, over seeds; one seed alone has none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from datasets.selecting.settings import StopSettings

Curve = Sequence[tuple[int, float]]
"""(labelled images, quality) after each round of one seed, images rising."""

_CONFIDENCE = 0.95
_FITTED = 3  # rounds at the end of a curve


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds with the ends of its interval, which are None for fewer than two."""

    mean: float
    low: float | None
    high: float | None
    of: int


@dataclass(frozen=True, slots=True)
class Point:
    """The quality after a round over the seeds that played it."""

    labelled: int
    quality: Estimate


@dataclass(frozen=True, slots=True)
class Reached:
    """Labelled images until a curve reached what another ended with, as a share of that one's, by seed.

    `of_means` compares the curves' means; `share` is over the seeds that reached it, None where none did; a seed that
    did not is None in `by_seed`. So is one of `untold`, where the other's curve ended no better than it began: what was
    labelled at first is as good already, and nothing can be told.
    """

    share: Estimate | None
    of_means: float | None
    by_seed: Mapping[str, float | None]
    untold: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Next:
    """A further round's expected gain and its cost, both in quality; with more cost than gain it is better to stop."""

    labelled: int
    expected_gain: float
    cost: float

    @property
    def stop(self) -> bool:
        return self.expected_gain < self.cost


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of at least one value."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Estimate(mean, None, None, count)
    from scipy.special import stdtrit  # takes half a second to import

    half = float(stdtrit(count - 1, (1 + _CONFIDENCE) / 2) * np.std(values, ddof=1) / math.sqrt(count))
    return Estimate(mean, mean - half, mean + half, count)


def mean_curve(curves: Sequence[Curve]) -> list[Point]:
    """The points that all seeds have in common, by labelled images."""
    shared = set.intersection(*({labelled for labelled, _ in curve} for curve in curves)) if curves else set()
    return [Point(labelled, estimate([dict(curve)[labelled] for curve in curves])) for labelled in sorted(shared)]


def labels_to_reach(curve: Curve, quality: float) -> float | None:
    """How many labelled images a curve needs to reach a quality, straight between rounds; None where it never does."""
    before: tuple[int, float] | None = None
    for labelled, reached in curve:
        if reached >= quality:
            if before is None:
                return float(labelled)
            part = (quality - before[1]) / (reached - before[1])
            return before[0] + part * (labelled - before[0])
        before = (labelled, reached)
    return None


def reached(curves: Mapping[int, Curve], others: Mapping[int, Curve]) -> Reached:
    """How soon curves, by seed, reach what the other strategy's curve of the same seed ended with."""
    by_seed = {str(seed): _share(curve, others[seed]) for seed, curve in curves.items() if others.get(seed)}
    untold = tuple(str(seed) for seed in curves if others.get(seed) and not _rose(others[seed]))
    shares = [share for share in by_seed.values() if share is not None]
    means, other_means = (_means([*found.values()]) for found in (curves, others))
    return Reached(estimate(shares) if shares else None, _share(means, other_means), by_seed, untold)


def _means(curves: Sequence[Curve]) -> Curve:
    return [(point.labelled, point.quality.mean) for point in mean_curve(curves)]


def _rose(curve: Curve) -> bool:
    return curve[-1][1] > curve[0][1]


def _share(curve: Curve, other: Curve) -> float | None:
    if not curve or not other or not _rose(other):
        return None
    labelled, final = other[-1]
    needed = labels_to_reach(curve, final)
    return None if needed is None else needed / labelled


def next_round(curve: Curve, *, budget: int, settings: StopSettings) -> Next | None:
    """What `budget` more labels are expected to bring; None of fewer than two rounds.

    Quality is taken to rise with the logarithm of labelled images, as it did over the last three rounds.
    """
    if len(curve) < 2:
        return None
    labelled, quality = np.array(curve[-_FITTED:], float).T
    slope = float(np.polyfit(np.log(labelled), quality, 1)[0])
    gain = slope * math.log((labelled[-1] + budget) / labelled[-1])
    cost = budget * settings.minutes_per_image / settings.minutes_per_point / 100
    return Next(int(labelled[-1]), gain, cost)


def first_stop(curve: Curve, *, budget: int, settings: StopSettings) -> int | None:
    """The labelled images at which the rule would have ended a curve, told round by round; None where it would not."""
    told = (next_round(curve[: length + 1], budget=budget, settings=settings) for length in range(1, len(curve)))
    return next((found.labelled for found in told if found and found.stop), None)
