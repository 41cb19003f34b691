"""The bootstrap over photo families (Efron 1979): photographs of one car stand or fall together.

What is resampled are weights: a family that is drawn twice counts twice. Paired comparisons give both models the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.coco import Image
from training.evaluation.matching import Floats, Ints

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number and its interval, which holds 95 of 100 resamples; None where it cannot be told."""

    value: float | None
    low: float | None
    high: float | None


def families_of(images: Sequence[Image]) -> Ints:
    """(I,): the number of each image's family."""
    return np.unique([image.family for image in images], return_inverse=True)[1].astype(np.int64).reshape(-1)


def resampled_weights(families: Ints, *, resamples: int, seed: int) -> Floats:
    """(1 + resamples, I): how often each image counts. The first row is the set as it is, once each."""
    count = int(families.max(initial=-1)) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / max(count, 1)), resamples)
    weights: Floats = np.concatenate([np.ones((1, len(families))), drawn[:, families]])
    return weights


def estimate(values: Floats) -> Estimate:
    """The first of (1 + resamples,) values with the interval of all others. NaN are left out."""
    drawn = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]):
        return Estimate(None, None, None)
    if not drawn.size:
        return Estimate(float(values[0]), None, None)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(values[0]), float(low), float(high))


def share_above(values: Floats, bound: float) -> float:
    """The share of resamples, in [0, 1], in which a value lies above a bound; one at it counts half."""
    drawn = values[1:][~np.isnan(values[1:])]
    return float(((drawn > bound).mean() + (drawn >= bound).mean()) / 2) if drawn.size else 0.0
