"""Where a shape is between two key frames."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvat.embedded.interpolation import between
from cvat.embedded.labeled import KeyFrame
from cvat.interpolation import move_outline


def key(frame, points, kind="rectangle", **more):
    return KeyFrame(frame=frame, type=kind, points=list(map(float, points)), **more)


def test_a_box_moves_in_a_straight_line():
    shown = between(key(2, [0, 0, 10, 10]), key(6, [8, 4, 20, 14]), 3)
    assert (shown.frame, shown.points) == (3, [2, 1, 12.5, 11])


@pytest.mark.parametrize(("left", "right", "middle"), [(10, 30, 20), (350, 30, 10), (30, 350, 10), (0, 180, 270)])
def test_a_rotation_goes_the_shorter_way_round(left, right, middle):
    box = [0, 0, 4, 4]
    assert between(key(0, box, rotation=left), key(2, box, rotation=right), 1).rotation == middle


@pytest.mark.parametrize(("kind", "points"), [("points", [1, 1, 5, 5]), ("mask", [0, 4, 0, 0, 1, 1])])
def test_masks_and_groups_of_points_stay_until_the_next_key_frame(kind, points):
    later = [value + 8 for value in points]
    assert between(key(0, points, kind), key(4, later, kind), 3).points == points


def test_a_single_point_moves():
    assert between(key(0, [0, 0], "points"), key(4, [8, 4], "points"), 1).points == [2, 1]


def test_what_is_between_is_no_key_frame_of_its_own_and_keeps_what_the_left_one_says():
    shown = between(key(0, [0, 0, 4, 4], id=7, occluded=True, z_order=3), key(2, [0, 0, 4, 4]), 1)
    assert (shown.id, shown.occluded, shown.z_order) == (None, True, 3)


def test_a_polygon_gains_the_corner_that_it_has_in_the_end():
    triangle, square = [0, 0, 10, 0, 0, 10], [0, 0, 10, 0, 10, 10, 0, 10]
    moved = move_outline(triangle, square, 0.5, closed=True)
    assert len(moved) == 8
    assert moved[:4] == [0, 0, 10, 0]


outlines = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=3, max_size=8, unique=True).map(
    lambda corners: [float(value) for corner in corners for value in corner]
)


@given(outlines, st.floats(0, 1), st.booleans())
def test_an_outline_that_does_not_change_stays_where_it_is(points, share, closed):
    assert move_outline(points, points, share, closed=closed) == pytest.approx(points)


@given(outlines, outlines, st.floats(0, 1), st.booleans())
def test_an_outline_on_its_way_stays_between_where_it_begins_and_ends(left, right, share, closed):
    moved = move_outline(left, right, share, closed=closed)
    for axis in (0, 1):
        ends = left[axis::2] + right[axis::2]
        assert min(ends) - 1e-9 <= min(moved[axis::2]) <= max(moved[axis::2]) <= max(ends) + 1e-9


@given(outlines, st.integers(1, 9))
def test_an_outline_that_only_moves_keeps_its_form(points, share):
    target = [value + 20 for value in points]
    assert move_outline(points, target, share / 10, closed=True) == pytest.approx(
        [value + 2 * share for value in points]
    )


def test_an_outline_without_length_does_no_harm():
    assert all(map(math.isfinite, move_outline([5, 5] * 3, [0, 0, 9, 0, 9, 9], 0.5, closed=True)))
