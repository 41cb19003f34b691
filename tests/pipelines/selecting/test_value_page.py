"""How it is spelt how soon a strategy had what random choice ended with."""

from dataclasses import asdict

import pytest

from datasets.selecting.value import Curve, reached
from pipelines.selecting.value_page import spell_share

UP: Curve = [(10, 0.2), (20, 0.4)]
SLOW: Curve = [(10, 0.1), (20, 0.2)]
DOWN: Curve = [(10, 0.4), (20, 0.3)]
FELL = "random choice ended no better than it began"


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([(UP, UP)], "100 %"),
        ([(SLOW, UP)], "not reached in any of 1 seeds"),
        ([(DOWN, DOWN), (DOWN, DOWN)], f"not to be told; {FELL}"),
        ([(DOWN, DOWN), (UP, UP)], f"100 %; in 1 of 2 seeds {FELL}"),
        ([(DOWN, DOWN), (SLOW, UP)], f"not reached in any of 1 seeds; in 1 of 2 seeds {FELL}"),
        (
            [(DOWN, DOWN), (SLOW, UP), (UP, UP)],
            f"100 % where it was reached, but not in 1 of 3 seeds; in 1 of 3 seeds {FELL}",
        ),
    ],
)
def test_seeds_of_which_nothing_can_be_told_are_named(pairs: list[tuple[Curve, Curve]], told: str) -> None:
    mine, randoms = ({seed: pair[side] for seed, pair in enumerate(pairs)} for side in (0, 1))
    assert spell_share(asdict(reached(mine, randoms))) == told
