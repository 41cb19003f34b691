"""Shapes as other formats want them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from datasets.coco import Annotation, Image, Rle
from datasets.errors import BadDataset
from datasets.exporting.geometry import (
    corners,
    join_polygons,
    mask_of,
    mask_of_polygons,
    outlines,
    row_runs,
    upright_box,
)
from datasets.rle import decode_mask

from .conftest import rle

IMAGE = Image("ab" * 32, "x.jpg", 16, 12, "car")
masks = arrays(np.uint8, (12, 16), elements=st.integers(0, 1))


def box(*bbox_xywh: float, **attributes: str) -> Annotation:
    return Annotation(IMAGE.sha256, 1, bbox_xywh, attributes)  # type: ignore[arg-type]


@given(masks)
def test_masks_are_decoded_as_they_were_encoded(pixels: Any) -> None:
    assert (mask_of(rle(pixels), IMAGE).pixels == pixels).all()


@given(masks)
def test_runs_by_rows_tell_a_mask(pixels: Any) -> None:
    runs = row_runs(pixels)
    assert (np.repeat(np.arange(len(runs)) % 2, runs).reshape(pixels.shape) == pixels).all()


@given(masks)
def test_outlines_cover_a_mask_and_its_holes(pixels: Any) -> None:
    import cv2

    polygons, _ = outlines(decode_mask(rle(pixels)))
    assert bool(polygons) == bool(pixels.any())
    assert all(len(polygon) >= 6 for polygon in polygons)
    contours, _ = cv2.findContours(np.kron(pixels, np.ones((2, 2), np.uint8)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros((24, 32), np.uint8), contours, -1, 1, cv2.FILLED)
    drawn = np.zeros((24, 32), np.uint8)
    for polygon in polygons:
        points = np.round(np.reshape(polygon, (-1, 2)) * 2 - 0.5).astype(np.int32)
        cv2.fillPoly(drawn, [points], 1)
    assert (drawn == filled).all()


def test_a_hole_is_counted() -> None:
    pixels = np.ones((6, 6), np.uint8)
    pixels[2:4, 2:4] = 0
    assert outlines(decode_mask(rle(pixels)))[1] == 1


@pytest.mark.parametrize("broken", [Rle((12, 16), "~~~"), Rle((12, 16), "1"), Rle((2, 2), "04")])
def test_a_broken_mask_is_told(broken: Rle) -> None:
    with pytest.raises(BadDataset, match="mend it or remove it"):
        mask_of(broken, IMAGE)


def test_parts_that_are_joined_keep_their_area() -> None:
    parts = [
        (1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0),
        (8.0, 2.0, 12.0, 2.0, 12.0, 6.0),
        (2.0, 8.0, 4.0, 8.0, 4.0, 11.0),
    ]
    joined = np.reshape(join_polygons(parts), (-1, 2))
    x, y = joined.T
    assert abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2 == 16 + 8 + 3


def test_a_polygon_is_drawn_as_pycocotools_does() -> None:
    polygon = (1.0, 1.0, 9.5, 1.0, 4.0, 8.0)
    runs = coco_mask.frPyObjects([list(polygon)], IMAGE.height, IMAGE.width)
    assert mask_of_polygons([polygon], IMAGE).area == coco_mask.area(runs)[0]


@pytest.mark.parametrize(("degrees", "around"), [("90", (3, 1, 2, 6)), ("180", (1, 3, 6, 2)), ("unsure", (1, 3, 6, 2))])
def test_a_rotated_box_is_put_into_an_upright_one(degrees: str, around: tuple[float, ...]) -> None:
    assert upright_box(box(1, 3, 6, 2, rotation=degrees)) == pytest.approx(around)


def test_corners_turn_clockwise_on_the_screen() -> None:
    assert corners(box(0, 0, 4, 2, rotation="90"))[:4] == pytest.approx((3, -1, 3, 3))
