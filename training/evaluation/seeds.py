"""How much the seed alone moves a model's metric: the doubt that no test set shows, however large.

Trainings of one recipe and data differ twice on a test set: each is a little better or worse in truth, and each is
lucky or unlucky with those photographs. The bootstrap over families knows of luck alone, so the rest is added to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import chi2

from training.errors import NotComparable
from training.evaluation.comparison import require_same_images
from training.evaluation.resampling import resampled_weights
from training.evaluation.subject import RESAMPLES, Evaluation

FEWEST, MOST = 3, 0.99


@dataclass(frozen=True)
class SeedSpread:
    """The primary metric, in [0, 1], of trainings that differ by their seed alone.

    `observed` is its standard deviation between them, `luck` the part of that which this test set's choice of families
    explains. `spread` is the rest, as promotion asks for it (`seed_spread`): a bound that the true deviation keeps with
    `confidence`, for a few trainings tell it roughly, and one told too small lets models that are alike take over.
    """

    metric: str
    values: tuple[float, ...]
    observed: float
    luck: float
    spread: float
    confidence: float


def measure_spread(
    trainings: Sequence[Evaluation], *, confidence: float = 0.9, resamples: int = RESAMPLES, seed: int = 0
) -> SeedSpread:
    """What to set `seed_spread` to, from trainings of one recipe and data with different seeds, on one test set.

    Raises:
        NotComparable: there are fewer than three, other images, or no labels to compute the metric from.
    """
    require_enough(len(trainings))
    for other in trainings[1:]:
        require_same_images(trainings[0], other)
    weights = resampled_weights(trainings[0].families, resamples=resamples, seed=seed)
    scores = np.stack([one.primary(weights) for one in trainings])
    if np.isnan(scores[:, 0]).any():
        raise NotComparable(f"the test set has no labels to compute {trainings[0].primary_name} from")
    observed = float(scores[:, 0].std(ddof=1))
    luck = float(np.sqrt(np.nanmean((scores[:, 1:] - scores[:, :1]).var(axis=0, ddof=1))))
    bound = observed * sqrt((len(trainings) - 1) / chi2.ppf(1 - confidence, len(trainings) - 1))
    return SeedSpread(
        metric=trainings[0].primary_name,
        values=tuple(scores[:, 0].tolist()),
        observed=observed,
        luck=luck,
        spread=min(sqrt(max(bound**2 - luck**2, 0.0)), MOST),
        confidence=confidence,
    )


def require_enough(trainings: int) -> None:
    """Raise NotComparable for fewer trainings than tell a deviation."""
    if trainings < FEWEST:
        raise NotComparable(
            f"{trainings} trainings do not tell how much a seed does; give at least {FEWEST}, better 10"
        )
