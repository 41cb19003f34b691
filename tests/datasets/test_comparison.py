"""What became of each pre-label."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datasets.comparison import compare, match_boxes
from datasets.labelled import LabelledObject, tag
from datasets.likeness import family, likeness

DENT = LabelledObject("dent", (10.0, 10.0, 50.0, 40.0), shape_id=7, score=0.8)
DIRTY = tag("dirty", shape_id=7)


def ring(left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
    return (left, top, right, top, right, bottom, left, bottom)


def element(name: str, x: float, y: float, **said: bool) -> LabelledObject:
    return LabelledObject(name, (x, y), kind="points", **said)


SHAPES = [
    LabelledObject("", (0.0, 0.0, 10.0, 10.0)),
    LabelledObject("", (0.0, 0.0, 10.0, 6.0)),
    LabelledObject("", (4.0, 0.0, 14.0, 10.0), rotation=45.0),
    LabelledObject("", (50.0, 50.0, 60.0, 60.0), occluded=True),
    LabelledObject("", (5.0, 5.0, 10.0, 0.0), kind="ellipse"),
    LabelledObject("", ring(0, 0, 10, 9), kind="polygon"),
    LabelledObject("", (0.0, 90.0, 0.0, 0.0, 8.0, 9.0), kind="mask"),
    LabelledObject("", (0.0, 0.0, 30.0, 5.0, 60.0, 0.0), kind="polyline"),
    LabelledObject("", (3.0, 3.0), kind="points"),
    LabelledObject("", (*ring(0, 0, 10, 10), *ring(3, 3, 13, 13)), kind="cuboid"),
    LabelledObject("", kind="skeleton", elements=(element("front", 1, 1), element("rear", 9, 9, outside=True))),
    LabelledObject("", kind="tag"),
    LabelledObject(""),
]
OBJECTS = st.lists(
    st.builds(
        lambda shape, category, shape_id: replace(shape, category=category, shape_id=shape_id),
        st.sampled_from(SHAPES),
        st.sampled_from(["dent", "damaged door"]),
        st.none() | st.integers(1, 5),
    ),
    max_size=6,
)


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


@given(objects=OBJECTS, seed=st.randoms(use_true_random=False))
def test_what_lost_its_ids_and_order_is_accepted_as_it_is(objects: list[LabelledObject], seed: Random) -> None:
    distinct = list({(o.kind, o.points, o.category): replace(o, shape_id=None) for o in objects}.values())
    placed = [o for o in distinct if o.is_tag or o.bbox_xyxy]
    shuffled = seed.sample(placed, len(placed))
    assert [fate.verdict for fate in compare(placed, shuffled)] == ["accepted"] * len(placed)


@given(before=OBJECTS, after=OBJECTS)
def test_shapes_without_a_common_id_are_matched_when_half_alike_and_of_one_family(
    before: list[LabelledObject], after: list[LabelledObject]
) -> None:
    for fate in compare(before, after):
        if fate.before and fate.after and not fate.before.is_tag and fate.before.shape_id != fate.after.shape_id:
            assert fate.iou is not None
            assert fate.iou >= 0.5
            assert family(fate.before) == family(fate.after)


@pytest.mark.parametrize("shift", [(0, 0, 0, 0), (1, 0, 0, 0), (-1, 1, -1, 1), (0, 0, 0, 0.99)])
def test_a_box_whose_corners_moved_by_a_pixel_at_most_is_accepted(shift: tuple[float, ...]) -> None:
    x1, y1, x2, y2 = np.add(DENT.bbox_xyxy, shift)
    (fate,) = compare([DENT], [replace(DENT, points=(x1, y1, x2, y2))])
    assert fate.verdict == "accepted"


@pytest.mark.parametrize("shift", [(1.01, 0, 0, 0), (0, -1.5, 0, 0), (0, 0, 0, 20)])
def test_a_box_with_one_corner_moved_further_is_moved(shift: tuple[float, ...]) -> None:
    x1, y1, x2, y2 = np.add(DENT.bbox_xyxy, shift)
    (fate,) = compare([DENT], [replace(DENT, points=(x1, y1, x2, y2))])
    assert fate.verdict == "moved"
    assert fate.iou is not None
    assert 0 < fate.iou < 1


def test_a_box_with_other_attributes_is_not_accepted() -> None:
    (fate,) = compare([DENT], [replace(DENT, attributes={"occluded": "true"})])
    assert (fate.verdict, fate.iou) == ("moved", 1.0)


def test_another_class_is_reclassed_wherever_it_is() -> None:
    (fate,) = compare([DENT], [replace(DENT, category="damaged door", points=(0.0, 0.0, 45.0, 40.0))])
    assert fate.verdict == "reclassed"
    assert (fate.before, fate.after and fate.after.category) == (DENT, "damaged door")


def test_a_box_that_is_gone_is_deleted() -> None:
    (fate,) = compare([DENT], [])
    assert (fate.verdict, fate.before, fate.after, fate.iou) == ("deleted", DENT, None, None)


def test_a_box_that_is_new_is_added() -> None:
    (fate,) = compare([], [DENT])
    assert (fate.verdict, fate.before, fate.after, fate.iou) == ("added", None, DENT, None)


def test_a_box_dragged_far_away_is_still_itself_by_its_id() -> None:
    far = replace(DENT, points=(500.0, 500.0, 540.0, 530.0))
    (fate,) = compare([DENT], [far])
    assert (fate.verdict, fate.iou) == ("moved", 0.0)


def test_the_id_outranks_a_better_place() -> None:
    dragged = replace(DENT, points=(15.0, 10.0, 55.0, 40.0))
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
    (fate,) = compare([DIRTY], [tag("clean", shape_id=9)])
    assert (fate.verdict, fate.iou) == ("reclassed", None)


def test_tags_of_the_same_class_belong_together() -> None:
    before, after = [tag("dirty"), tag("wet")], [tag("wet"), tag("clean")]
    assert [(fate.verdict, fate.after) for fate in compare(before, after)] == [
        ("reclassed", tag("clean")),
        ("accepted", tag("wet")),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (replace(SHAPES[0], rotation=359.8), replace(SHAPES[0], rotation=0.3)),
        (SHAPES[4], replace(SHAPES[4], points=(5.5, 5.0, 10.5, 0.0))),
        (SHAPES[5], replace(SHAPES[5], points=ring(0, 0, 10, 10))),
        (SHAPES[6], replace(SHAPES[6], points=(0.0, 100.0, 0.0, 0.0, 9.0, 9.0))),
        (SHAPES[7], replace(SHAPES[7], points=(1.0, 0.0, 30.0, 5.0, 60.0, 0.0))),
        (SHAPES[10], replace(SHAPES[10], elements=(element("rear", 9, 9, outside=True), element("front", 2, 1)))),
    ],
    ids=["turned", "ellipse", "polygon", "mask", "polyline", "skeleton"],
)
def test_a_shape_that_changed_by_a_pixel_or_a_degree_is_accepted(before: LabelledObject, after: LabelledObject) -> None:
    (fate,) = compare([replace(before, shape_id=1)], [replace(after, shape_id=1)])
    assert fate.verdict == "accepted"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SHAPES[0], replace(SHAPES[0], rotation=1.5)),
        (SHAPES[0], replace(SHAPES[0], rotation=90.0)),
        (LabelledObject("", (0.0, 0.0, 400.0, 400.0)), LabelledObject("", (0.0, 0.0, 400.0, 400.0), rotation=0.9)),
        (SHAPES[0], replace(SHAPES[0], occluded=True)),
        (SHAPES[0], replace(SHAPES[5], points=ring(0, 0, 10, 10))),
        (SHAPES[5], replace(SHAPES[5], points=(*ring(0, 0, 10, 9), 0.0, 5.0))),
        (SHAPES[6], replace(SHAPES[6], points=(0.0, 110.0, 0.0, 0.0, 10.0, 9.0))),
        (SHAPES[7], replace(SHAPES[7], points=(0.0, 0.0, 30.0, 9.0, 60.0, 0.0))),
        (SHAPES[10], replace(SHAPES[10], elements=(element("front", 1, 1), element("rear", 9, 9)))),
        (tag("dirty"), replace(tag("dirty"), attributes={"where": "roof"})),
    ],
    ids=["degrees", "square", "corners", "occluded", "kind", "points", "mask", "polyline", "skeleton", "tag"],
)
def test_a_shape_that_changed_by_more_is_moved(before: LabelledObject, after: LabelledObject) -> None:
    (fate,) = compare([replace(before, shape_id=1)], [replace(after, shape_id=1)])
    assert fate.verdict == "moved"


def test_a_region_redrawn_as_another_kind_is_still_the_object() -> None:
    (fate,) = compare([SHAPES[0]], [SHAPES[5]])
    assert (fate.verdict, fate.iou) == ("moved", pytest.approx(0.9))


def test_a_line_is_no_region() -> None:
    line = replace(SHAPES[0], kind="polyline")
    assert [fate.verdict for fate in compare([SHAPES[0]], [line])] == ["deleted", "added"]


@given(one=OBJECTS, other=OBJECTS)
def test_matching_is_one_to_one(one: list[LabelledObject], other: list[LabelledObject]) -> None:
    pairs = match_boxes(one, other)
    assert len({id(a) for a, _, _ in pairs}) == len({id(b) for _, b, _ in pairs}) == len(pairs)


def test_the_same_class_goes_before_a_better_place_where_that_is_asked() -> None:
    door, dent = replace(DENT, category="damaged door"), replace(DENT, points=(10.0, 10.0, 50.0, 30.0))
    assert [found for _, found, _ in match_boxes([DENT], [door, dent])] == [door]
    assert [found for _, found, _ in match_boxes([DENT], [door, dent], class_bonus=1)] == [dent]
    assert match_boxes([DENT], [dent])[0][2] == likeness(DENT, dent)
