import numpy as np
import pytest
from shapely import Polygon

from datasets.crops import Crop
from training.predicting.masks import SIMPLIFIED_BY, instance_masks, outline
from training.predicting.pictures import Letterbox


def crop_of(rows: list[str]) -> Crop:
    return Crop(10, 20, np.array([[character == "#" for character in row] for row in rows]))


def disc(radius: int) -> Crop:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return Crop(0, 0, x**2 + y**2 <= radius**2)


def test_a_mask_is_cropped_to_what_is_on() -> None:
    prototypes = np.full((1, 16, 16), -1, np.float32)
    prototypes[0, 4:8, 6:10] = 1  # cells of 4 pixels on a square of 64, which shows a picture of 128 x 128

    (mask,) = instance_masks(
        prototypes, np.ones((1, 1), np.float32), np.array([[0, 0, 128, 128]], np.float32), Letterbox(64, 128, 128)
    )

    assert (mask.left, mask.top) == (48, 32)
    assert mask.pixels.shape == (32, 32)


def test_a_mask_stays_within_its_box() -> None:
    (mask,) = instance_masks(
        np.ones((1, 16, 16), np.float32),
        np.ones((1, 1), np.float32),
        np.array([[3.2, 4, 9.5, 70]], np.float32),
        Letterbox(64, 64, 64),
    )

    assert (mask.left, mask.top) == (4, 4)
    assert mask.pixels.shape == (60, 6)


@pytest.mark.parametrize("bbox_xyxy", [(3.1, 3.1, 3.9, 9), (64, 64, 64, 64), (5, 5, 20, 20)])
def test_a_box_without_a_pixel_on_has_an_empty_mask(bbox_xyxy: tuple[float, ...]) -> None:
    (mask,) = instance_masks(
        -np.ones((1, 16, 16), np.float32),
        np.ones((1, 1), np.float32),
        np.array([bbox_xyxy], np.float32),
        Letterbox(64, 64, 64),
    )

    assert mask.pixels.size == 0


def test_no_boxes_have_no_masks() -> None:
    none = np.zeros((0, 32), np.float32), np.zeros((0, 4), np.float32)

    assert instance_masks(np.ones((32, 16, 16), np.float32), *none, Letterbox(64, 64, 64)) == []


def test_an_outline_runs_along_the_masks_edge() -> None:
    edges = outline(disc(30))

    assert edges.is_exact
    points = np.array(edges.parts[0]).reshape(-1, 2)
    middle = 30.5
    distances = np.hypot(*(points - middle).T)
    assert np.abs(distances - 30).max() <= SIMPLIFIED_BY
    assert len(points) < 30
    assert Polygon(points).area == pytest.approx(disc(30).pixels.sum(), rel=0.05)


def test_the_largest_part_comes_first() -> None:
    edges = outline(crop_of(["##.......", "##..#####", "....#####", "....#####"]))

    assert len(edges.parts) == 2
    assert not edges.is_exact
    assert [min(part[::2]) for part in edges.parts] == pytest.approx([14.25, 10.25])


def test_a_hole_is_told() -> None:
    edges = outline(crop_of(["#####", "#...#", "#...#", "#####"]))

    assert (len(edges.parts), edges.holes, edges.is_exact) == (1, True, False)


def test_a_speck_has_no_outline() -> None:
    assert outline(crop_of(["#"])).parts == ()
