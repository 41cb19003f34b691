"""Models of one recipe that try to replace each other: the figures, on answers that are drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.same_recipe import Plan, is_kept, make_plan, play, table
from benchmarks.same_recipe_models import SIDE, Pictures, Training, answers, for_testing, read_pictures, render
from training.evaluation.matching import Floats

RECIPE = Training(train_cars=16, epochs=1, seed=0, test_from=16, test_cars=60, cars_seed=0)
PLAN = make_plan(RECIPE, pairs=3, spread_models=4, better_pairs=2)
CARS = np.arange(60).repeat(3) + 16
TEST = Pictures(np.zeros((180, 3, 1, 1), np.uint8), CARS % 2, CARS)


def drawn(plan: Plan) -> dict[Training, Floats]:
    """Models of one recipe are right on nine pictures of ten, weaker ones on six."""
    told = {}
    for training in plan.all:
        rng = np.random.default_rng(training.seed)
        right = rng.uniform(size=180) < (0.6 if training in plan.weaker else 0.9)
        told[training] = np.where(right, TEST.dirty, 1 - TEST.dirty).astype(np.float64)
    return told


def test_no_seed_is_played_that_the_spread_was_measured_on() -> None:
    seeds = [training.seed for training in PLAN.all]

    assert len(set(seeds)) == len(seeds) == 3 + 3 + 4 + 2
    assert {(one.train_cars, one.epochs) for one in PLAN.weaker} == {(2, 8)}, "as many steps, on an eighth of the cars"
    assert [replace(one, seed=0) for one in PLAN.first] == [RECIPE] * 3


def test_better_models_are_promoted_and_the_shares_are_told() -> None:
    result = play(PLAN, drawn(PLAN), TEST)

    assert result["macro_f1"]["mean"] == pytest.approx(0.9, abs=0.03)
    assert {one["promoted"] for one in result["better"].values()} == {2}
    assert result["alike"]["measured"]["promoted"] <= result["alike"]["none"]["promoted"]
    assert is_kept({**result, "alike": {"measured": {"share": 0.1}}})
    assert not is_kept({**result, "alike": {"measured": {"share": 0.11}}})
    assert table(result).row_count == 6


def test_what_was_rendered_and_answered_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "home" / "cars.npz"
    render(path, cars=3, seed=0)
    pictures = read_pictures(path)
    assert pictures.pixels.shape[1:] == (3, SIDE, SIDE)
    assert set(for_testing(pictures, replace(RECIPE, test_from=1, test_cars=1)).cars) == {1}
    kept = np.array([0.25, 0.75])
    np.save(RECIPE.file(tmp_path), kept)

    told = answers(tmp_path, tmp_path / "absent.npz", [RECIPE], jobs=1, on_model=lambda: pytest.fail("trained again"))

    assert told[RECIPE].tolist() == kept.tolist()
