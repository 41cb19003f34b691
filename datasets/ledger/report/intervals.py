"""Estimates with their 95 % intervals: Wilson's for shares, the bootstrap's for all else."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Z = 1.959964
_REPEATS = 2000
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its 95 % interval; they are NaN where one unit alone was seen, which cannot tell."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Share(Estimate):
    """`count` of so many."""

    count: int
    of: int


def share(count: int, of: int) -> Share | None:
    """A share with Wilson's interval (https://doi.org/10.1080/01621459.1927.10502953); None of nothing."""
    if not of:
        return None
    value, z2 = count / of, _Z**2
    middle = (value + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(value * (1 - value) / of + z2 / (4 * of**2))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Share(value, min(low, value), max(high, value), count, of)


def resampled_sums(values: Floats, rng: np.random.Generator, *, repeats: int = _REPEATS) -> Floats:
    """Sums over N units (images or jobs) drawn with replacement, of (N, K) values: (repeats, K); NaN of one unit."""
    units = len(values)
    if units < 2:
        return np.full((repeats, values.shape[1]), np.nan)
    draws = (np.bincount(rng.integers(units, size=units), minlength=units) for _ in range(repeats))
    return np.stack([counts @ values for counts in draws])


def bootstrapped(
    values: Floats, statistic: Callable[[Floats], Any], rng: np.random.Generator, *, repeats: int = _REPEATS
) -> Estimate:
    """A statistic of the sums of (N, K) values over units, which it is given as (..., K), with its interval."""
    return interval(float(statistic(values.sum(0))), statistic(resampled_sums(values, rng, repeats=repeats)))


def interval(value: float, resampled: NDArray[Any]) -> Estimate:
    """A value with the percentiles of what resampling gave; what it could not tell (NaN) is left out."""
    known = resampled[~np.isnan(resampled)]
    low, high = np.percentile(known, _PERCENTILES) if known.size else (np.nan, np.nan)
    return Estimate(value, float(low), float(high))
