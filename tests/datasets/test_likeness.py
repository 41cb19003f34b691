"""How alike two shapes are."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datasets.crops import crop_of, mask_of_crop
from datasets.errors import BadDataset
from datasets.exporting.geometry import row_runs
from datasets.labelled import LabelledObject
from datasets.likeness import alike_pairs, likeness
from datasets.outlines import drawn_extent, outline
from datasets.rle import decode_mask, encode_mask

BOXES = st.tuples(*[st.floats(0, 20)] * 2, *[st.floats(20, 40)] * 2)
SQUARE = LabelledObject("dent", (0.0, 0.0, 10.0, 10.0))
RING = (0.0, 0.0, 10.0, 0.0, 10.0, 10.0, 0.0, 10.0)


def mask_object(pixels: np.ndarray, left: int = 0, top: int = 0) -> LabelledObject:
    height, width = pixels.shape
    corners = (left, top, left + width - 1, top + height - 1)
    return LabelledObject("dent", tuple(map(float, (*row_runs(pixels), *corners))), kind="mask")


@st.composite
def crops(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    return np.array(bits, np.uint8).reshape(height, width), draw(st.integers(-3, 6)), draw(st.integers(-3, 6))


@given(one=BOXES, other=BOXES)
def test_likeness_is_symmetric_and_between_zero_and_one(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    alike = likeness(replace(SQUARE, points=one), replace(SQUARE, points=other))
    assert 0 <= alike <= 1
    assert alike == likeness(replace(SQUARE, points=other), replace(SQUARE, points=one))


@pytest.mark.parametrize(
    ("points", "expected"), [((5.0, 0.0, 15.0, 10.0), 1 / 3), ((10.0, 0.0, 20.0, 10.0), 0), ((3.0, 3.0, 3.0, 3.0), 0)]
)
def test_iou_is_the_shared_area_over_the_whole(points: tuple[float, ...], expected: float) -> None:
    assert likeness(SQUARE, replace(SQUARE, points=points)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (replace(SQUARE, rotation=45.0), 2 * (math.sqrt(2) - 1) / (2 - 2 * (math.sqrt(2) - 1))),
        (replace(SQUARE, rotation=180.0), 1.0),
        (LabelledObject("dent", (5.0, 5.0, 10.0, 0.0), kind="ellipse"), math.pi / 4),
        (LabelledObject("dent", (0.0, 0.0, 10.0, 0.0, 0.0, 10.0), kind="polygon"), 0.5),
        (LabelledObject("dent", (0.0, 0.0, 10.0, 10.0, 10.0, 0.0, 0.0, 10.0), kind="polygon"), 0.5),
        (LabelledObject("dent", (0.0, 0.0, 10.0, 10.0), kind="polygon"), 0.0),
        (LabelledObject("dent", (0.0, 50.0, 0.0, 0.0, 9.0, 4.0), kind="mask"), 0.5),
    ],
    ids=["turned", "half a turn", "ellipse", "triangle", "bow tie", "two points", "mask"],
)
def test_regions_are_alike_by_what_they_cover(other: LabelledObject, expected: float) -> None:
    assert likeness(SQUARE, other) == pytest.approx(expected, abs=2e-3)
    assert likeness(other, SQUARE) == pytest.approx(expected, abs=2e-3)


def test_masks_are_alike_by_their_pixels_wherever_their_crops_begin() -> None:
    pixels = np.zeros((4, 6), np.uint8)
    pixels[1:3, 1:5] = 1
    tight = mask_object(np.ones((2, 4), np.uint8), left=1, top=1)
    assert likeness(mask_object(pixels), tight) == 1.0
    assert likeness(mask_object(pixels), mask_object(np.ones((2, 4), np.uint8), left=3, top=1)) == pytest.approx(1 / 3)


@given(one=crops(), other=crops())
def test_iou_of_masks_is_that_of_their_pixels(
    one: tuple[np.ndarray, int, int], other: tuple[np.ndarray, int, int]
) -> None:
    sets = [{(x + left, y + top) for y, x in np.argwhere(pixels)} for pixels, left, top in (one, other)]
    union = len(sets[0] | sets[1])
    a, b = mask_object(*one), mask_object(*other)
    if a.points != b.points:
        assert likeness(a, b) == pytest.approx(len(sets[0] & sets[1]) / union if union else 0.0)


@given(crop=crops(), width=st.integers(1, 8), height=st.integers(1, 8))
def test_a_crop_is_the_same_pixels_in_the_whole_image(
    crop: tuple[np.ndarray, int, int], width: int, height: int
) -> None:
    pixels, left, top = crop
    whole = decode_mask(encode_mask(mask_of_crop(crop_of(mask_object(*crop).points), width, height))).pixels
    on = {(x + left, y + top) for y, x in np.argwhere(pixels)}
    assert {(x, y) for y, x in np.argwhere(whole)} == {(x, y) for x, y in on if 0 <= x < width and 0 <= y < height}


def test_a_mask_whose_runs_don_t_fill_its_box_is_told() -> None:
    with pytest.raises(BadDataset, match="a mask's runs fill 7 pixels, its box has 10 x 10"):
        crop_of((3.0, 4.0, 0.0, 0.0, 9.0, 9.0))


@pytest.mark.parametrize("kind", ["polyline", "points"])
def test_lines_and_points_are_alike_when_a_pen_covers_both(kind: str) -> None:
    drawn = LabelledObject("crack", (0.0, 0.0, 60.0, 0.0), kind=kind)  # type: ignore[arg-type]
    near, far = replace(drawn, points=(0.0, 4.0, 60.0, 4.0)), replace(drawn, points=(0.0, 15.0, 60.0, 15.0))
    assert likeness(drawn, near) > 0.5 > likeness(drawn, far) > 0


def test_the_pen_grows_with_the_shape() -> None:
    drawn = LabelledObject("crack", (0.0, 0.0, 1000.0, 0.0), kind="polyline")
    assert likeness(drawn, replace(drawn, points=(0.0, 25.0, 1000.0, 25.0))) > 0.5


def test_cuboids_are_alike_by_their_hulls() -> None:
    cuboid = LabelledObject("car", (*RING, *RING), kind="cuboid")
    assert likeness(cuboid, replace(cuboid, points=(*RING, 0.0, 0.0, 20.0, 0.0, 20.0, 10.0, 0.0, 10.0))) == 0.5


def test_only_pairs_of_one_family_that_meet_are_looked_at() -> None:
    line = LabelledObject("dent", (0.0, 0.0, 10.0, 10.0), kind="polyline")
    far = LabelledObject("dent", (80.0, 80.0, 90.0, 90.0), kind="ellipse")
    assert list(alike_pairs([SQUARE, line], [far, line, SQUARE])) == [(0, 2, 1.0), (1, 1, 1.0)]


def test_what_has_no_place_is_like_nothing() -> None:
    nowhere = [LabelledObject("dirty", kind="tag"), LabelledObject("dent")]
    assert list(alike_pairs([SQUARE, *nowhere], nowhere)) == []
    assert list(alike_pairs(nowhere, [SQUARE, *nowhere])) == []


def test_a_turned_box_reaches_further() -> None:
    turned = LabelledObject("dent", (0.0, 0.0, 10.0, 2.0), rotation=90.0)
    assert drawn_extent(turned) == pytest.approx((4, -4, 6, 6))
    assert outline(turned) == pytest.approx((6, -4, 6, 6, 4, 6, 4, -4))
