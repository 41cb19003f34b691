"""What forbids a judgement by a picture."""

import cv2
import numpy as np
import pytest

from training.assessability import Limits, Visibility, find_hindrance, measure_visibility
from training.predicting.pictures import Pixels


@pytest.fixture(scope="module")
def picture() -> Pixels:
    """Patches of any colour, 25 pixels wide, with sharp edges."""
    patches = np.random.default_rng(0).integers(20, 235, (24, 32, 3))
    return np.kron(patches, np.ones((25, 25, 1))).astype(np.uint8)


def hindrance(pixels: Pixels) -> str | None:
    return find_hindrance(measure_visibility(pixels), Limits())


def test_a_lit_and_sharp_picture_can_be_judged_by(picture: Pixels) -> None:
    assert hindrance(picture) is None


def test_darkness_glare_and_blur_forbid_it(picture: Pixels) -> None:
    assert hindrance((picture * 0.15).astype(np.uint8)) == "too dark"
    assert hindrance((picture.astype(float) * 6).clip(0, 255).astype(np.uint8)) == "too much glare"
    assert hindrance(np.asarray(cv2.GaussianBlur(picture, (0, 0), 12), np.uint8)) == "blurred"


def test_a_sharp_car_before_a_soft_background_is_sharp(picture: Pixels) -> None:
    soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), 12), np.uint8)
    soft[200:400, 200:450] = picture[200:400, 200:450]
    assert hindrance(soft) is None


def test_resolution_makes_little_difference(picture: Pixels) -> None:
    large = np.kron(picture, np.ones((2, 2, 1), np.uint8))
    found = [measure_visibility(each) for each in (picture, large)]
    assert found[0].light == pytest.approx(found[1].light, abs=3)
    assert found[0].sharpness == pytest.approx(found[1].sharpness, rel=0.25)


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3)])
def test_the_oddest_shape_has_a_visibility(size: tuple[int, int]) -> None:
    assert isinstance(measure_visibility(np.zeros((*size, 3), np.uint8)), Visibility)
