"""Boxes and polygons in the plane."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.geometry import bounds, clip_box, clip_polygon, extent, polygon_area, rotation_of

WIDTH, HEIGHT = 64, 48
numbers = st.floats(-200, 200) | st.sampled_from([0.0, 64.0, 48.0, 1e300, -1e300])
triangles = st.lists(numbers, min_size=6, max_size=12).map(lambda values: tuple(values[: len(values) // 2 * 2]))


@given(x=numbers, y=numbers, width=numbers, height=numbers)
def test_a_clipped_box_is_inside_its_image_and_an_inner_one_is_left_as_it_is(
    x: float, y: float, width: float, height: float
) -> None:
    inside = clip_box((x, y, width, height), WIDTH, HEIGHT)
    if inside is None:
        assert x >= WIDTH or y >= HEIGHT or x + width <= max(x, 0) or y + height <= max(y, 0)
    elif x >= 0 and y >= 0 and x + width <= WIDTH and y + height <= HEIGHT:
        assert inside == (x, y, width, height)
    else:
        assert inside[0] >= 0 <= inside[1]
        assert inside[0] + inside[2] <= WIDTH + 1e-9
        assert inside[1] + inside[3] <= HEIGHT + 1e-9
        assert inside[2] > 0 < inside[3]


@given(triangles)
def test_a_clipped_polygon_is_inside_its_image(points: tuple[float, ...]) -> None:
    inside = clip_polygon(points, WIDTH, HEIGHT)
    assert all(0 <= x <= WIDTH for x in inside[::2])
    assert all(0 <= y <= HEIGHT for y in inside[1::2])


@pytest.mark.parametrize(
    ("polygon", "inside"),
    [
        ((1, 1, 5, 1, 5, 5), (1, 1, 5, 1, 5, 5)),
        ((-4, 2, 4, 2, 4, 6, -4, 6), (0, 2, 4, 2, 4, 6, 0, 6)),
        ((20, 20, 30, 20, 30, 30), ()),
        ((-5, 0, 0, 0, 0, 5), ()),
        ((1, 1, 5, 5), ()),
    ],
)
def test_a_polygon_is_cut_at_the_border(polygon: tuple[float, ...], inside: tuple[float, ...]) -> None:
    found = clip_polygon(polygon, 10, 10)
    points = list(zip(found[0::2], found[1::2], strict=True))
    assert sorted(points) == sorted(zip(inside[0::2], inside[1::2], strict=True))


def test_a_polygon_has_its_area_whichever_way_round_it_is_drawn() -> None:
    bent = (0.0, 0.0, 4.0, 0.0, 4.0, 1.0, 1.0, 1.0, 1.0, 3.0, 0.0, 3.0)
    backwards = tuple(value for at in range(10, -1, -2) for value in bent[at : at + 2])
    assert polygon_area(bent) == polygon_area(backwards) == 6
    assert polygon_area(()) == 0


def test_points_have_an_extent_and_bounds_where_that_has_an_area() -> None:
    points = (3.0, 9.0, 1.0, 2.0, 5.0, 4.0)
    assert (extent(points), bounds(points)) == ((1, 2, 5, 9), (1, 2, 4, 7))
    assert bounds((1.0, 2.0, 1.0, 9.0)) is bounds(()) is bounds((math.nan, 0.0, 4.0, 5.0)) is None


@pytest.mark.parametrize(("said", "degrees"), [("-90.5", -90.5), ("", 0), ("inf", 0), ("nan", 0), ("left", 0)])
def test_a_rotation_that_is_no_number_is_none(said: str, degrees: float) -> None:
    assert rotation_of({"rotation": said}) == degrees
    assert rotation_of({}) == 0
