"""The label-value curve: means with intervals, labels saved, and when one more round no longer pays."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.selecting.settings import StopSettings
from datasets.selecting.value import estimate, first_stop, labels_to_reach, mean_curve, next_round, reached

RISING = [(10, 0.2), (20, 0.4), (40, 0.6)]


def test_intervals_are_students() -> None:
    found = estimate([0.4, 0.5, 0.6])
    assert found.low is not None
    assert math.isclose(found.mean - found.low, 4.302653 * 0.1 / math.sqrt(3), rel_tol=1e-5)


def test_one_seed_has_no_interval() -> None:
    assert (estimate([0.5]).low, estimate([0.5]).high) == (None, None)


def test_a_mean_curve_has_the_points_that_all_seeds_played() -> None:
    points = mean_curve([RISING, RISING[:2]])
    assert [(point.labelled, point.quality.mean, point.quality.of) for point in points] == [(10, 0.2, 2), (20, 0.4, 2)]


@pytest.mark.parametrize(("quality", "labels"), [(0.1, 10), (0.3, 15), (0.6, 40), (0.7, None)])
def test_labels_to_reach_lie_straight_between_rounds(quality: float, labels: float | None) -> None:
    found = labels_to_reach(RISING, quality)
    assert found == labels or (found is not None and labels is not None and math.isclose(found, labels))


def test_labels_saved_are_a_share_of_the_others_by_seed() -> None:
    slow = [(10, 0.1), (20, 0.2), (40, 0.4)]
    found = reached({0: RISING, 1: slow[:2]}, {0: slow, 1: slow})
    assert found.by_seed == {"0": 0.5, "1": None}
    assert found.share is not None
    assert (found.share.mean, found.share.of) == (0.5, 1)


def test_nothing_is_told_where_the_other_ended_no_better_than_it_began() -> None:
    falling, rising = [(10, 0.5), (20, 0.4), (40, 0.3)], [(10, 0.1), (20, 0.2), (40, 0.4)]

    every, some = (
        reached({0: falling, 1: mine}, {0: falling, 1: others})
        for mine, others in ((falling, falling), (RISING, rising))
    )

    assert (every.share, every.of_means, every.by_seed) == (None, None, {"0": None, "1": None})
    assert every.untold == ("0", "1")
    assert some.share is not None
    assert (some.share.of, some.by_seed, some.untold) == (1, {"0": None, "1": 0.5}, ("0",))


@given(slope=st.floats(0.001, 0.2), budget=st.integers(1, 100))
def test_gain_is_foretold_from_a_rise_with_the_logarithm(slope: float, budget: int) -> None:
    curve = [(n, 0.1 + slope * math.log(n)) for n in (10, 20, 40, 80)]
    found = next_round(curve, budget=budget, settings=StopSettings())
    assert found is not None
    assert math.isclose(found.expected_gain, slope * math.log((80 + budget) / 80), rel_tol=1e-6)
    assert found.stop == (found.expected_gain < found.cost)


def test_the_rule_stops_where_a_curve_goes_flat_and_not_before() -> None:
    curve = [(20, 0.2), (40, 0.5), (60, 0.6), (80, 0.61), (100, 0.612), (120, 0.612)]
    settings = StopSettings(minutes_per_image=1, minutes_per_point=10)  # 20 images are worth 0.02
    assert first_stop(curve, budget=20, settings=settings) == 100
    assert first_stop(curve[:3], budget=20, settings=settings) is None


def test_one_round_tells_nothing_of_the_next() -> None:
    assert next_round(RISING[:1], budget=5, settings=StopSettings()) is None
