"""Whether the spread between seeds is told from luck with a test set, and keeps models that are alike apart."""

import numpy as np
import pytest

from datasets.coco import Image, make_dataset
from tests.training.test_promotion import TAXONOMY, classifier, photographs
from training.errors import NotComparable
from training.evaluation.classification import ClassifierEvaluation
from training.evaluation.seeds import measure_spread
from training.promotion import decide
from training.settings import PromotionSettings

PAIRS = 40


def trainings(count: int, *, ability: float = 0.85, spread: float, seed: int) -> list[ClassifierEvaluation]:
    """Models that are right so often, give or take what their seed did."""
    drawn = np.random.default_rng(seed).normal(ability, spread, count).clip(0.5, 1)
    return [classifier(one, 1000 * seed + number) for number, one in enumerate(drawn.tolist())]


def promoted(models: list[ClassifierEvaluation], seed_spread: float) -> int:
    settings = PromotionSettings(resamples=300, seed_spread=seed_spread)
    return sum(decide(*pair, settings).promote for pair in zip(models[::2], models[1::2], strict=True))


def test_the_spread_keeps_models_that_differ_by_their_seed_from_replacing_each_other() -> None:
    measured = measure_spread(trainings(10, spread=0.06, seed=1), resamples=300)
    played = trainings(2 * PAIRS, spread=0.06, seed=2)

    assert 0.04 < measured.spread < 0.16
    assert promoted(played, 0) > PAIRS * 0.15, "the test set alone takes many for better"
    assert promoted(played, measured.spread) <= PAIRS * 0.1


def test_luck_with_the_test_set_is_not_counted_twice() -> None:
    alike = measure_spread(trainings(10, spread=0, seed=3), resamples=300)

    assert alike.luck == pytest.approx(alike.observed, rel=0.6)
    assert alike.spread < 1.4 * alike.observed


def test_few_trainings_tell_the_spread_roughly_so_a_bound_of_it_is_told() -> None:
    three, certain = (
        measure_spread(trainings(3, spread=0.1, seed=4), confidence=confidence, resamples=300)
        for confidence in (0.9, 0.5)
    )

    assert three.observed == certain.observed
    assert three.spread**2 + three.luck**2 == pytest.approx(2 / 0.2107 * three.observed**2, rel=0.01)
    assert three.spread > certain.spread


def test_what_does_not_tell_a_spread_is_refused() -> None:
    other = ClassifierEvaluation(make_dataset(TAXONOMY, photographs(90), ()), ())
    bare = ClassifierEvaluation(make_dataset(TAXONOMY, [Image("a" * 64, "a.jpg", 9, 9, "a")], ()), ())

    with pytest.raises(NotComparable, match="2 trainings do not tell"):
        measure_spread(trainings(2, spread=0, seed=5))
    with pytest.raises(NotComparable, match="evaluate both on one test set"):
        measure_spread([*trainings(2, spread=0, seed=5), other])
    with pytest.raises(NotComparable, match="no labels"):
        measure_spread([bare] * 3)
