"""Two models on one frozen test set, compared by a paired bootstrap over its families.

Both are weighed alike in each resample, so that what makes the set hard for both does not count as doubt.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from training.errors import NotComparable
from training.evaluation.matching import Floats
from training.evaluation.precision import mean_of_known
from training.evaluation.resampling import Estimate, estimate, resampled_weights, share_above
from training.evaluation.slices import sources_of
from training.evaluation.subject import RESAMPLES, Evaluation

POOL = "pooled"


@dataclass(frozen=True)
class Difference:
    """One metric of both, in [0, 1]; `gain` is the challenger's less the champion's.

    `name` is a class, a source or the metric itself, `count` how many objects (of a source: images) it is told from,
    `pooled` the names that stand together as one because each has too few.
    """

    name: str
    count: int
    champion: float | None
    challenger: float | None
    gain: Estimate
    pooled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """`certainty` is the share of resamples, in [0, 1], in which the challenger gains more than was asked for."""

    metric: str
    class_metric: str
    overall: Difference
    certainty: float
    classes: tuple[Difference, ...]
    sources: tuple[Difference, ...]


def compare(
    champion: Evaluation,
    challenger: Evaluation,
    *,
    min_gain: float = 0.0,
    min_count: int = 20,
    spread: float = 0.0,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two models; classes and sources with fewer than `min_count` objects or images are pooled.

    `spread` is the standard deviation of the metric between trainings that differ in their seed alone: doubt that no
    test set shows, however large.

    Raises:
        NotComparable: they were not evaluated on the same images.
    """
    require_same_images(champion, challenger)
    weights = resampled_weights(champion.families, resamples=resamples, seed=seed)
    before, after = champion.primary(weights), challenger.primary(weights)
    doubt = np.random.default_rng([seed, 1]).normal(0, spread * np.sqrt(2), len(weights)) if spread else 0.0
    return Comparison(
        metric=champion.primary_name,
        class_metric=champion.class_metric,
        overall=_difference(champion.primary_name, sum(champion.objects.values()), before, after),
        certainty=share_above(after - before + doubt, min_gain),
        classes=tuple(_classes(champion, challenger, weights, min_count)),
        sources=tuple(_sources(champion, challenger, weights, min_count)),
    )


def require_same_images(champion: Evaluation, challenger: Evaluation) -> None:
    """Raise NotComparable unless both were evaluated on the same images."""
    ours, theirs = (tuple(i.sha256 for i in one.truth.images) for one in (challenger, champion))
    if type(champion) is not type(challenger) or ours != theirs:
        raise NotComparable(
            f"the challenger was evaluated on {len(ours)} images and the champion on {len(theirs)} others; "
            "evaluate both on one test set"
        )


def _classes(champion: Evaluation, challenger: Evaluation, weights: Floats, min_count: int) -> Iterator[Difference]:
    before, after = champion.by_class(weights), challenger.by_class(weights)
    counts = {name: champion.objects[name] for name in before}
    yield from _pooled(counts, before, after, min_count)


def _sources(champion: Evaluation, challenger: Evaluation, weights: Floats, min_count: int) -> Iterator[Difference]:
    """Nothing where all images are of one source: that is the test set itself."""
    slices = sources_of(champion.truth)
    if len(slices) < 2:
        return
    before, after = ({one.name: e.primary_on(weights, one.images) for one in slices} for e in (champion, challenger))
    yield from _pooled({one.name: int(one.images.sum()) for one in slices}, before, after, min_count)


def _pooled(
    counts: Mapping[str, int], before: Mapping[str, Floats], after: Mapping[str, Floats], min_count: int
) -> Iterator[Difference]:
    """Each name that has enough, then all the others as one: the mean over them."""
    few = tuple(name for name, count in counts.items() if count < min_count)
    for name, count in counts.items():
        if name not in few:
            yield _difference(name, count, before[name], after[name])
    if few:
        ours, theirs = (mean_of_known([columns[name] for name in few]) for columns in (after, before))
        yield _difference(POOL, sum(counts[name] for name in few), theirs, ours, few)


def _difference(name: str, count: int, before: Floats, after: Floats, pooled: tuple[str, ...] = ()) -> Difference:
    champion, challenger = (None if np.isnan(one[0]) else float(one[0]) for one in (before, after))
    return Difference(name, count, champion, challenger, estimate(after - before), pooled)
