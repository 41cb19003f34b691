"""Conversions of the export formats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvat.embedded.formats import coco
from cvat.embedded.formats.dataset import Dataset, DatasetFrame, LabelSpec


def dataset_of(tmp_path, shape, width=20, height=10):
    label = LabelSpec(id=5, name="dent", type="any", color="", attributes={}, parts={})
    told = {"label_id": 5, "attributes": [], "occluded": False, "rotation": 0.0, **shape}
    frame = DatasetFrame(0, "a.jpg", width, height, tmp_path, tags=[], shapes=[told])
    return Dataset(task_id=1, task_name="t", size=1, subset="default", labels={5: label}, frames=[frame])


def row_runs(bits):
    """CVAT's run lengths of a crop, row by row, background first."""
    runs, value = [0], False
    for bit in bits.ravel():
        if bit != value:
            runs.append(0)
            value = bit
        runs[-1] += 1
    return runs


@given(st.data())
def test_a_mask_covers_the_same_pixels_in_coco(data):
    width, height = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    left, top = data.draw(st.integers(0, 20 - width)), data.draw(st.integers(0, 10 - height))
    bits = np.array(data.draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height)))
    crop = bits.reshape(height, width)
    points = [*row_runs(crop), left, top, left + width - 1, top + height - 1]
    (told,) = coco.to_coco(dataset_of(None, {"type": "mask", "points": points}))["annotations"]
    expected = np.zeros((10, 20), dtype=bool)
    expected[top : top + height, left : left + width] = crop
    runs, size = told["segmentation"]["counts"], told["segmentation"]["size"]
    assert (np.repeat(np.arange(len(runs)) % 2, runs).reshape(size, order="F") == expected).all()
    assert (told["area"], told["bbox"], told["iscrowd"]) == (crop.sum(), [left, top, width, height], 1)


def test_a_polygon_has_its_own_area_and_box(tmp_path):
    shape = {"type": "polygon", "points": [0, 0, 4, 0, 4, 3]}
    (told,) = coco.to_coco(dataset_of(tmp_path, shape))["annotations"]
    assert (told["area"], told["bbox"], told["segmentation"]) == (6, [0, 0, 4, 3], [[0, 0, 4, 0, 4, 3]])


def test_an_ellipse_becomes_a_polygon_of_nearly_its_area(tmp_path):
    shape = {"type": "ellipse", "points": [10, 5, 14, 3], "rotation": 30.0}
    (told,) = coco.to_coco(dataset_of(tmp_path, shape))["annotations"]
    assert told["area"] == pytest.approx(np.pi * 4 * 2, rel=0.01)
