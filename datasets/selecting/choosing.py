"""Choose, by one strategy, which images people label next, each with its reasons."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from datasets.errors import BadInput
from datasets.selecting.evidence import MISSING, Choice, Evidence, Pick, gather
from datasets.selecting.pool import Floats, Labelled, Pool, check_pool
from datasets.selecting.settings import SelectionSettings, StrategyName
from datasets.selecting.signals import Values
from datasets.selecting.spreading import spread

STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)
Picks = Iterable[Pick]


@dataclass(frozen=True)
class Selection:
    """The images to label, in the order of choice, and what the strategy had to do without."""

    choices: tuple[Choice, ...]
    notes: tuple[str, ...] = ()


def choose(
    pool: Pool, labelled: Labelled, *, budget: int, settings: SelectionSettings | None = None, seed: int
) -> Selection:
    """`budget` images of the pool by the settings' strategy; the same in whatever order the pool comes.

    Raises:
        BadInput: the pool is empty or its arrays do not fit, the budget is over what there is, or the strategy is
            unknown or lacks what it looks at.
    """
    settings = settings or SelectionSettings()
    if settings.strategy not in STRATEGIES:
        raise BadInput(f"strategy {settings.strategy!r} is unknown; choose one of {', '.join(STRATEGIES)}")
    check_pool(pool, labelled)
    check_budget(pool.families, budget=budget, settings=settings)
    evidence = gather(pool, labelled, settings, seed=seed)
    picks = _STRATEGIES[settings.strategy](evidence, budget)
    return Selection(tuple(map(evidence.choice, picks)), _notes(evidence))


def choosable(families: Iterable[str], *, per_family: int) -> int:
    """How many images of these families one selection may have."""
    return sum(min(count, per_family) for count in Counter(families).values())


def check_budget(families: Sequence[str], *, budget: int, settings: SelectionSettings) -> None:
    """Raises BadInput where so many of the images of these families, one name for each, cannot be chosen."""
    if not families:
        raise BadInput("no image is left to choose from; add photographs, or a version with some that nobody labelled")
    if budget < 1:
        raise BadInput(f"the budget is {budget} images; it has to be 1 or more")
    if budget > len(families):
        raise BadInput(
            f"the budget is {budget} images but only {len(families)} are not labelled; ask for no more than that"
        )
    most = choosable(families, per_family=settings.per_family)
    if budget > most:
        raise BadInput(
            f"the budget is {budget} images but with {settings.per_family} of each family only {most} can be chosen; "
            "ask for no more than that, or raise selection: per_family:"
        )


def _random(evidence: Evidence, budget: int, by: str = "random") -> Picks:
    return _first(range(len(evidence.pool)), evidence, budget, by)


def _families(evidence: Evidence, budget: int) -> Picks:
    """Families with the fewest images labelled and chosen come first."""
    done = Counter(evidence.labelled.families)
    ranked: list[tuple[int, int]] = []
    for row, family in enumerate(evidence.pool.families):
        ranked.append((done[family], row))
        done[family] += 1
    return _first([row for _, row in sorted(ranked)], evidence, budget, "families")


def _by_signal(evidence: Evidence, budget: int) -> Picks:
    name = evidence.settings.strategy
    if name not in evidence.signals:
        raise _lacking(name)
    return _first(_greatest(evidence.signals[name].values), evidence, budget, name)


def _diversity(evidence: Evidence, budget: int) -> Picks:
    embeddings = evidence.pool.embeddings
    if embeddings is None:
        raise _lacking("diversity")
    return _far(embeddings, np.ones(len(evidence.pool)), evidence, budget, "diversity")


def _mix(evidence: Evidence, budget: int) -> Picks:
    """Controls at random; the rest by signals and distance at once, or by signals where nothing gives distances."""
    controls = list(_random(evidence, round(evidence.settings.control_share * budget), "control"))
    weights, embeddings, rest = _mixed_weights(evidence), evidence.pool.embeddings, budget - len(controls)
    if embeddings is None:
        return [*controls, *_first(_greatest(weights), evidence, rest, "mix", taken=controls)]
    return [*controls, *_far(embeddings, weights, evidence, rest, "mix", taken=controls)]


_STRATEGIES: Mapping[StrategyName, Callable[[Evidence, int], Picks]] = {
    "mix": _mix,
    "random": _random,
    "families": _families,
    "uncertainty": _by_signal,
    "disagreement": _by_signal,
    "diversity": _diversity,
    "rarity": _by_signal,
}


def _mixed_weights(evidence: Evidence) -> Values:
    """(N,) in [0, 1]: the mean of the signals' ranks by their weights in the mix, sharpened."""
    weights = {name: weight for name, weight in evidence.settings.mix.model_dump().items() if weight}
    present = [name for name in weights if name in evidence.above]
    if not present:
        return np.ones(len(evidence.pool))
    ranks = np.average([evidence.above[name] for name in present], axis=0, weights=[weights[name] for name in present])
    return np.asarray(ranks, float) ** evidence.settings.sharpness


def _first(
    order: Iterable[int], evidence: Evidence, budget: int, by: str, *, taken: Sequence[Pick] = ()
) -> Iterator[Pick]:
    """The first rows of an order that are not taken, as many of each family as are allowed."""
    rows, held = {pick.row for pick in taken}, Counter(evidence.pool.families[pick.row] for pick in taken)
    for row in order:
        family = evidence.pool.families[row]
        if budget and row not in rows and held[family] < evidence.settings.per_family:
            held[family] += 1
            budget -= 1
            yield Pick(row, by)


def _far(
    embeddings: Floats, weights: Values, evidence: Evidence, budget: int, by: str, *, taken: Sequence[Pick] = ()
) -> Iterator[Pick]:
    found = spread(
        embeddings,
        weights,
        evidence.pool.families,
        centres=evidence.labelled.embeddings,
        taken=[pick.row for pick in taken],
        budget=budget,
        per_family=evidence.settings.per_family,
    )
    return (Pick(far.row, by, far.distance) for far in found)


def _greatest(values: Values) -> list[int]:
    order: list[int] = np.argsort(-values, kind="stable").tolist()
    return order


def _lacking(name: str) -> BadInput:
    return BadInput(f"the strategy {name} has {MISSING[name]} to look at; publish the models, or choose another one")


def _notes(evidence: Evidence) -> tuple[str, ...]:
    """What a mix had to do without."""
    if evidence.settings.strategy != "mix":
        return ()
    wanted = [name for name, weight in evidence.settings.mix.model_dump().items() if weight]
    missing = [name for name in wanted if name not in evidence.signals]
    missing += [] if evidence.pool.embeddings is not None else ["diversity"]
    return tuple(f"{name} is left out: there are {MISSING[name]}" for name in missing)
