"""Conversions of the export formats."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvat.embedded.errors import BadRequest
from cvat.embedded.formats import coco, cvat_images, masks, yolo
from cvat.embedded.formats.dataset import Dataset, DatasetFrame, Part, Seen
from cvat.embedded.labeled import AttributeValue, Shape, from_plain
from cvat.embedded.specs import AttributeSpec, LabelSpec
from datasets.errors import BadInput

NOTE = AttributeSpec(9, "note", "text", mutable=False, default_value="", values=[])
LABELS = {5: LabelSpec(5, "dent", "any", attributes={9: NOTE}), 6: LabelSpec(6, "road", "any")}


def shape(kind, points, **more):
    return Shape(frame=0, **{"label_id": 5, **more}, type=kind, points=[float(value) for value in points])


def frame(*shapes, name="a.jpg", subset="default"):
    return DatasetFrame(0, 0, name, name, 20, 10, subset, shapes=[Seen(item) for item in shapes])


def as_coco(*shapes):
    return coco.to_coco([frame(*shapes)], LABELS)["annotations"]


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
def test_a_mask_covers_the_same_pixels_in_coco_and_back(data):
    width, height = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    left, top = data.draw(st.integers(0, 20 - width)), data.draw(st.integers(0, 10 - height))
    bits = np.array(data.draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height)))
    crop = bits.reshape(height, width)
    (told,) = as_coco(shape("mask", [*row_runs(crop), left, top, left + width - 1, top + height - 1]))
    expected = np.zeros((10, 20), dtype=bool)
    expected[top : top + height, left : left + width] = crop
    runs, size = told["segmentation"]["counts"], told["segmentation"]["size"]
    assert (np.repeat(np.arange(len(runs)) % 2, runs).reshape(size, order="F") == expected).all()
    assert (told["area"], told["iscrowd"]) == (crop.sum(), 1)
    back = masks.points_of(expected)
    assert (back is None) == (not crop.any())
    assert back is None or (masks.pixels_of(back, height=10, width=20) == expected).all()


@pytest.mark.parametrize("box", [(-2, -1, 3, 2), (18, 8, 25, 15), (30, 30, 31, 31), (-9, 2, 40, 3)])
def test_a_mask_beyond_the_image_is_cut_off_at_its_edge(box):
    left, top, right, bottom = box
    pixels = (right - left + 1) * (bottom - top + 1)
    (told,) = as_coco(shape("mask", [0, pixels, *box]))
    columns, rows = range(max(left, 0), min(right + 1, 20)), range(max(top, 0), min(bottom + 1, 10))
    assert told["area"] == len(columns) * len(rows)


def test_a_polygon_has_the_area_of_the_pixels_that_it_covers_and_its_own_box():
    (told,) = as_coco(shape("polygon", [2, 2, 8, 2, 8, 6, 2, 6]))
    assert (told["area"], told["bbox"], told["iscrowd"]) == (24, [2, 2, 6, 4], 0)
    assert told["segmentation"] == [[2, 2, 8, 2, 8, 6, 2, 6]]


def test_a_polygon_far_outside_the_image_does_no_harm():
    (told,) = as_coco(shape("polygon", [-1e9, -1e9, 1e9, -1e9, 0, 1e9]))
    assert told["area"] <= 200


def test_an_ellipse_becomes_a_mask_of_nearly_its_area():
    (told,) = as_coco(shape("ellipse", [10, 5, 14, 2], rotation=30.0))
    assert told["iscrowd"] == 1
    assert told["area"] == pytest.approx(np.pi * 4 * 3, rel=0.25)


def test_shapes_of_a_group_are_one_instance_of_the_largest_ones_label():
    small, large = (
        shape("polygon", [0, 0, 2, 0, 0, 2], group=3, label_id=6),
        shape("polygon", [5, 0, 9, 0, 9, 9], group=3),
    )
    alone = shape("rectangle", [1, 1, 3, 3])
    box, instance = as_coco(small, alone, large)
    assert (box["bbox"], box["segmentation"]) == ([1, 1, 2, 2], [])
    assert (instance["category_id"], instance["bbox"], len(instance["segmentation"])) == (1, [0, 0, 9, 9], 2)


@pytest.mark.parametrize(("value", "told"), [("0.87", {"score": 0.87}), ("high", {}), ("nan", {})])
def test_a_score_is_lifted_out_of_the_attributes_if_it_is_a_number(value, told):
    spec = AttributeSpec(1, "score", "text", mutable=False, default_value="", values=[])
    scored = shape("rectangle", [1, 1, 3, 3], attributes=[AttributeValue(1, value)])
    labels = {5: LabelSpec(5, "dent", "any", attributes={1: spec})}
    (annotation,) = coco.to_coco([frame(scored)], labels)["annotations"]
    assert {name: annotation[name] for name in ("score",) if name in annotation} == told
    assert ("score" in annotation["attributes"]) == (not told)


def test_what_coco_cannot_hold_is_left_out():
    assert as_coco(shape("points", [1, 1]), shape("polyline", [1, 1, 2, 2]), shape("cuboid", range(16))) == []


def task_of(*frames):
    part = Part(1, "default", {0: 0}, frames, shapes=[], tracks=[])
    return Dataset("task", {"id": 1, "name": "t"}, LABELS, [part], written="")


def test_text_that_xml_cannot_hold_is_replaced():
    noted = shape("rectangle", [1, 2, 3, 4], attributes=[AttributeValue(9, "a\x00<&\x1b")])
    ((_, content),) = cvat_images.annotation_files(task_of(frame(noted)))
    assert ElementTree.fromstring(content).find("image/box/attribute").text == "a\ufffd<&\ufffd"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (yolo.box_line, ["0 0.500000 0.500000 0.200000 0.200000"]),
        (yolo.turned_box_line, [
            "0 0.400000 0.400000 0.600000 0.400000 0.600000 0.600000 0.400000 0.600000",
            "0 0.550000 0.300000 0.550000 0.700000 0.450000 0.700000 0.450000 0.300000",
        ]),
        (yolo.polygon_line, ["1 0.000000 0.000000 0.500000 0.000000 0.500000 1.000000"]),
    ],
)  # fmt: skip
def test_each_yolo_format_holds_its_own_kind_of_shape(line, expected):
    shapes = [shape("rectangle", [8, 4, 12, 6]), shape("rectangle", [8, 4, 12, 6], rotation=90.0)]
    polygon = shape("polygon", [0, 0, 10, 0, 10, 10], label_id=6)
    files = dict(yolo.ultralytics_files(line, task_of(frame(*shapes, polygon))))
    assert files["labels/train/a.txt"].decode().splitlines() == expected


def test_two_images_that_would_share_a_label_file_are_told():
    with pytest.raises(BadInput, match=r"a\.jpg.*a\.png"):
        list(yolo.ultralytics_files(yolo.box_line, task_of(frame(), frame(name="a.png"))))


def test_a_subset_whose_name_has_another_meaning_is_told():
    with pytest.raises(BadInput, match="names"):
        list(yolo.ultralytics_files(yolo.box_line, task_of(frame(subset="names"))))


names = st.sampled_from(["shapes", "points", "frame", "type", "label_id", "elements", "attributes"])
plain = st.none() | st.booleans() | st.floats() | st.text()
anything = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=8)


@given(anything)
def test_whatever_is_sent_as_annotations_is_taken_or_refused(sent):
    try:
        from_plain({"shapes": sent, "tracks": sent})
    except BadRequest as error:
        json.dumps(error.body)  # an answer that can be sent
