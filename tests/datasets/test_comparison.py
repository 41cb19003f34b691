"""What became of each pre-label."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.comparison import LabelledObject, compare, iou_matrix, match_boxes

DENT = LabelledObject("dent", (10.0, 10.0, 50.0, 40.0), shape_id=7, score=0.8)
DIRTY = LabelledObject("dirty", shape_id=7)

_PLACES = [
    (0.0, 0.0, 10.0, 10.0),
    (0.0, 0.0, 10.0, 9.0),
    (0.0, 0.0, 10.0, 6.0),
    (4.0, 0.0, 14.0, 10.0),
    (50.0, 50.0, 60.0, 60.0),
]
OBJECTS = st.lists(
    st.builds(
        LabelledObject,
        category=st.sampled_from(["dent", "damaged door"]),
        bbox_xyxy=st.none() | st.sampled_from(_PLACES),
        shape_id=st.none() | st.integers(1, 5),
    ),
    max_size=6,
)
BOXES = st.lists(st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(21, 40)] * 2), max_size=5)


@given(before=OBJECTS, after=OBJECTS)
def test_every_prelabel_has_exactly_one_fate(before: list[LabelledObject], after: list[LabelledObject]) -> None:
    fates = compare(before, after)
    assert [id(fate.before) for fate in fates if fate.before is not None] == [id(b) for b in before]


@given(before=OBJECTS, after=OBJECTS)
def test_every_object_that_is_left_appears_exactly_once(
    before: list[LabelledObject], after: list[LabelledObject]
) -> None:
    fates = compare(before, after)
    assert sorted(id(fate.after) for fate in fates if fate.after is not None) == sorted(id(a) for a in after)


@given(before=OBJECTS, after=OBJECTS)
def test_a_verdict_says_which_side_is_there(before: list[LabelledObject], after: list[LabelledObject]) -> None:
    for fate in compare(before, after):
        assert (fate.before is None) == (fate.verdict == "added")
        assert (fate.after is None) == (fate.verdict == "deleted")


@given(objects=OBJECTS.map(lambda objects: [replace(o, shape_id=n) for n, o in enumerate(objects)]))
def test_what_nobody_touched_is_accepted(objects: list[LabelledObject]) -> None:
    assert [fate.verdict for fate in compare(objects, objects)] == ["accepted"] * len(objects)


@given(before=OBJECTS, after=OBJECTS)
def test_boxes_without_a_common_id_are_matched_by_half_their_area(
    before: list[LabelledObject], after: list[LabelledObject]
) -> None:
    for fate in compare(before, after):
        if fate.before and fate.after and fate.before.bbox_xyxy and fate.before.shape_id != fate.after.shape_id:
            assert fate.iou is not None
            assert fate.iou >= 0.5


@pytest.mark.parametrize("shift", [(0, 0, 0, 0), (1, 0, 0, 0), (-1, 1, -1, 1), (0, 0, 0, 0.99)])
def test_a_box_whose_corners_moved_by_a_pixel_at_most_is_accepted(shift: tuple[float, ...]) -> None:
    x1, y1, x2, y2 = np.add(DENT.bbox_xyxy, shift)
    (fate,) = compare([DENT], [replace(DENT, bbox_xyxy=(x1, y1, x2, y2))])
    assert fate.verdict == "accepted"


@pytest.mark.parametrize("shift", [(1.01, 0, 0, 0), (0, -1.5, 0, 0), (0, 0, 0, 20)])
def test_a_box_with_one_corner_moved_further_is_moved(shift: tuple[float, ...]) -> None:
    x1, y1, x2, y2 = np.add(DENT.bbox_xyxy, shift)
    (fate,) = compare([DENT], [replace(DENT, bbox_xyxy=(x1, y1, x2, y2))])
    assert fate.verdict == "moved"
    assert fate.iou is not None
    assert 0 < fate.iou < 1


def test_a_box_with_other_attributes_is_not_accepted() -> None:
    (fate,) = compare([DENT], [replace(DENT, attributes={"occluded": "true"})])
    assert (fate.verdict, fate.iou) == ("moved", 1.0)


def test_another_class_is_reclassed_wherever_it_is() -> None:
    (fate,) = compare([DENT], [replace(DENT, category="damaged door", bbox_xyxy=(0.0, 0.0, 45.0, 40.0))])
    assert fate.verdict == "reclassed"
    assert (fate.before, fate.after and fate.after.category) == (DENT, "damaged door")


def test_a_box_that_is_gone_is_deleted() -> None:
    (fate,) = compare([DENT], [])
    assert (fate.verdict, fate.before, fate.after, fate.iou) == ("deleted", DENT, None, None)


def test_a_box_that_is_new_is_added() -> None:
    (fate,) = compare([], [DENT])
    assert (fate.verdict, fate.before, fate.after, fate.iou) == ("added", None, DENT, None)


def test_a_box_dragged_far_away_is_still_itself_by_its_id() -> None:
    far = replace(DENT, bbox_xyxy=(500.0, 500.0, 540.0, 530.0))
    (fate,) = compare([DENT], [far])
    assert (fate.verdict, fate.iou) == ("moved", 0.0)


def test_the_id_outranks_a_better_place() -> None:
    dragged = replace(DENT, bbox_xyxy=(15.0, 10.0, 55.0, 40.0))
    redrawn = replace(DENT, shape_id=8)
    moved, added = compare([DENT], [redrawn, dragged])
    assert (moved.verdict, moved.after) == ("moved", dragged)
    assert (added.verdict, added.after) == ("added", redrawn)


def test_boxes_that_lost_their_ids_are_matched_for_the_best_total() -> None:
    before = [LabelledObject("dent", (0.0, 0.0, 10.0, 10.0)), LabelledObject("dent", (0.0, 0.0, 10.0, 7.0))]
    after = [LabelledObject("dent", (0.0, 0.0, 10.0, 8.0)), LabelledObject("dent", (0.0, 0.0, 10.0, 6.0))]
    assert [fate.after for fate in compare(before, after)] == after


def test_boxes_that_share_less_than_half_are_strangers() -> None:
    other = LabelledObject("dent", (10.0, 10.0, 50.0, 24.9))
    assert [fate.verdict for fate in compare([DENT], [other])] == ["deleted", "added"]


def test_a_tag_and_a_box_of_the_same_id_are_two_things() -> None:
    assert [fate.verdict for fate in compare([DENT, DIRTY], [DIRTY])] == ["deleted", "accepted"]


def test_a_tag_set_to_another_class_is_reclassed() -> None:
    (fate,) = compare([DIRTY], [LabelledObject("clean", shape_id=9)])
    assert (fate.verdict, fate.iou) == ("reclassed", None)


@given(one=BOXES, other=BOXES)
def test_iou_is_symmetric_and_between_zero_and_one(
    one: list[tuple[float, ...]], other: list[tuple[float, ...]]
) -> None:
    iou = iou_matrix(one, other)  # type: ignore[arg-type]
    assert iou.shape == (len(one), len(other))
    assert ((iou >= 0) & (iou <= 1)).all()
    np.testing.assert_array_equal(iou, iou_matrix(other, one).T)  # type: ignore[arg-type]


def test_iou_is_the_shared_area_over_the_whole() -> None:
    boxes = [(0.0, 0.0, 10.0, 10.0), (5.0, 0.0, 15.0, 10.0), (3.0, 3.0, 3.0, 3.0)]
    np.testing.assert_allclose(iou_matrix(boxes[:1], boxes), [[1, 1 / 3, 0]])


@given(one=OBJECTS, other=OBJECTS)
def test_matching_is_one_to_one(one: list[LabelledObject], other: list[LabelledObject]) -> None:
    pairs = match_boxes(one, other)
    assert len({id(a) for a, _, _ in pairs}) == len({id(b) for _, b, _ in pairs}) == len(pairs)
