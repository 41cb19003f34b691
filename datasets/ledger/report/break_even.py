"""The score below which it costs people more to correct pre-labels than to draw what they would have shown.

A pre-label that is shown costs what its fate costs. One that is not shown has to be drawn, unless it was deleted, for
then nothing was there. Its gain is the difference: `added - accepted` for one that is accepted, `-deleted` for one that
is deleted. The break-even is the score from which on the summed gain is greatest, which is where the isotonic
regression of the gain on the score (https://doi.org/10.1214/aoms/1177728423) turns positive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from datasets.ledger.records import Outcomes
from datasets.ledger.report.costs import Cost
from datasets.ledger.report.intervals import Floats, interval, resampled_sums

_GRID = 101  # scores are told in hundredths
_REPEATS = 1000
LEAST_PRELABELS = 50
"""Of a class, for its break-even to be more than chance."""


@dataclass(frozen=True)
class Point:
    """Pre-labels of one score: how many, their mean gain in seconds, and what the regression makes of it."""

    score: float
    count: int
    gain: float
    fitted: float


@dataclass(frozen=True)
class BreakEven:
    """`score` is None where there is none among the scores seen, `told` says what that means.

    `low` and `high` bound it in 95 of 100 resamples of the images; an end is the least score seen where correcting pays
    at every score, and above 1 where it pays at none. They are NaN where all are on one image.
    """

    model: str
    prelabels: int
    score: float | None
    low: float
    high: float
    told: str
    points: tuple[Point, ...]


def break_evens(outcomes: Outcomes, costs: Sequence[Cost], rng: np.random.Generator) -> tuple[BreakEven, ...]:
    """For each model version, that with most pre-labels first; of shapes with a score, for tags cost otherwise."""
    drawn = outcomes.where((outcomes.kind != "tag") & ~np.isnan(outcomes.score))
    seconds: dict[str, float] = {cost.verdict: cost.seconds for cost in costs}
    found = [_break_even(name, drawn.where(drawn.model == name), seconds, rng) for name in sorted(set(drawn.model))]
    return tuple(sorted(found, key=lambda one: (-one.prelabels, one.model)))


def class_thresholds(
    outcomes: Outcomes, costs: Sequence[Cost], model: str, rng: np.random.Generator, *, least: int = LEAST_PRELABELS
) -> dict[str, float]:
    """The break-even of each class of which the model version showed at least so many shapes and which has one."""
    drawn = outcomes.where((outcomes.kind != "tag") & ~np.isnan(outcomes.score) & (outcomes.model == model))
    seconds: dict[str, float] = {cost.verdict: cost.seconds for cost in costs}
    names, counts = np.unique(drawn.before_category.astype(str), return_counts=True)
    found = {
        name: _break_even(model, drawn.where(drawn.before_category == name), seconds, rng).score
        for name in names[counts >= least].tolist()
    }
    return {name: score for name, score in found.items() if score is not None}


def gains(verdicts: Sequence[str], seconds: Mapping[str, float]) -> Floats:
    """Seconds that showing each of N pre-labels saves: (N,)."""
    return np.array([(verdict != "deleted") * seconds["added"] - seconds[verdict] for verdict in verdicts], float)


def _break_even(model: str, outcomes: Outcomes, seconds: Mapping[str, float], rng: np.random.Generator) -> BreakEven:
    images, image_of = np.unique(outcomes.sha256, return_inverse=True)
    scores = np.clip(np.rint(outcomes.score * (_GRID - 1)), 0, _GRID - 1).astype(int)
    table = np.zeros((len(images), _GRID))
    np.add.at(table, (image_of, scores), gains(outcomes.verdict.tolist(), seconds))
    counts = np.bincount(scores, minlength=_GRID)
    seen = np.flatnonzero(counts)
    at = int(_best_starts(table.sum(0), seen))
    ends = interval(at, _best_starts(resampled_sums(table, rng, repeats=_REPEATS), seen))
    return BreakEven(
        model=model,
        prelabels=len(outcomes),
        score=None if at in (seen[0], _GRID) else at / (_GRID - 1),
        low=ends.low / (_GRID - 1),
        high=ends.high / (_GRID - 1),
        told=_told(at, int(seen[0])),
        points=_points(table.sum(0), counts),
    )


def _best_starts(gain_at: Floats, seen: NDArray[np.int64]) -> Floats:
    """The score seen, in hundredths, from which on (..., 101) gains sum up to most; 101 where none do, NaN of NaN."""
    from_here = np.cumsum(gain_at[..., ::-1], axis=-1)[..., ::-1]
    best = np.searchsorted(seen, np.argmax(from_here, axis=-1))
    most = from_here.max(-1)
    starts = np.where(most > 0, seen[np.minimum(best, len(seen) - 1)], _GRID)
    return np.where(np.isnan(most), np.nan, starts)


def _points(gain_at: Floats, counts: NDArray[np.int64]) -> tuple[Point, ...]:
    seen = np.flatnonzero(counts)
    mean = gain_at[seen] / counts[seen]
    fitted = isotonic_regression(mean, weights=counts[seen].astype(float)).x
    return tuple(
        Point(place / (_GRID - 1), int(counts[place]), float(one), float(other))
        for place, one, other in zip(seen.tolist(), mean, fitted, strict=True)
    )


def _told(at: float, least: int) -> str:
    if at == _GRID:
        return "Drawing costs less than correcting at every score."
    if at == least:
        return f"Correcting costs less than drawing at every score seen, down to {least / (_GRID - 1):.2f}."
    return f"Below a score of {at / (_GRID - 1):.2f} correcting costs more than drawing."
