"""From accepted jobs to labels."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datasets.coco import Annotation, Image, Rle, Tag
from datasets.comparison import Fate, Verdict
from datasets.errors import UnknownCategory
from datasets.labelled import BboxXyxy, LabelledObject, tag
from datasets.ledger import FateRow, Prelabel
from datasets.review import accepted_dataset, beyond_coco, fates_of_job
from datasets.rle import decode_mask
from datasets.taxonomy import Taxonomy
from datasets.versions import version_digest

ONE, OTHER = (Image(digit * 64, f"images/{digit}.jpg", 640, 480, family="car 1") for digit in "12")
DENT = LabelledObject("dent", (10.0, 20.0, 40.0, 60.0), shape_id=7)
DIRTY = tag("dirty", shape_id=8)


def added(labelled: LabelledObject, image: Image = ONE) -> FateRow:
    return FateRow(image.sha256, None, Fate("added", None, labelled))


def drawn(labelled: LabelledObject, taxonomy: Taxonomy) -> list[Annotation]:
    return list(accepted_dataset(taxonomy, [ONE], [added(labelled)], annotated_ids=()).annotations)


def test_each_fate_has_its_image_and_model() -> None:
    prelabels = [Prelabel(ONE.sha256, "m@1", DENT), Prelabel(OTHER.sha256, "m@2", DENT)]
    objects = [(OTHER.sha256, DENT), (OTHER.sha256, DIRTY)]
    rows = fates_of_job([ONE.sha256, OTHER.sha256], objects, prelabels)
    assert [(row.sha256, row.model, row.fate.verdict) for row in rows] == [
        (ONE.sha256, "m@1", "deleted"),
        (OTHER.sha256, "m@2", "accepted"),
        (OTHER.sha256, None, "added"),
    ]


def test_the_same_place_on_another_image_is_no_match() -> None:
    rows = fates_of_job([ONE.sha256, OTHER.sha256], [(OTHER.sha256, DENT)], [Prelabel(ONE.sha256, "m@1", DENT)])
    assert [row.fate.verdict for row in rows] == ["deleted", "added"]


def test_an_image_that_the_job_does_not_cover_has_no_fates() -> None:
    assert fates_of_job([ONE.sha256], [], [Prelabel(OTHER.sha256, "m@1", DENT)]) == []


@pytest.mark.parametrize(
    ("verdict", "source"),
    [("accepted", "auto"), ("moved", "semi-auto"), ("reclassed", "semi-auto"), ("added", "manual")],
)
def test_an_annotation_says_who_drew_it(verdict: str, source: str, taxonomy: Taxonomy) -> None:
    row = FateRow(ONE.sha256, "m@1", Fate(cast(Verdict, verdict), DENT, DENT))
    (annotation,) = accepted_dataset(taxonomy, [ONE], [row], annotated_ids=()).annotations
    assert (annotation.source, annotation.category_id, annotation.bbox_xywh) == (source, 2, (10, 20, 30, 40))


def test_what_was_deleted_is_not_in_the_dataset(taxonomy: Taxonomy) -> None:
    row = FateRow(ONE.sha256, "m@1", Fate("deleted", DENT, None))
    assert accepted_dataset(taxonomy, [ONE], [row], annotated_ids=()).annotations == ()


def test_tags_are_on_their_image(taxonomy: Taxonomy) -> None:
    dataset = accepted_dataset(taxonomy, [ONE, OTHER], [added(DIRTY, OTHER)], annotated_ids=())
    assert [image.tags for image in dataset.images] == [(), (Tag(4),)]


def test_an_image_without_objects_was_searched_for_all_classes(taxonomy: Taxonomy) -> None:
    dataset = accepted_dataset(taxonomy, [ONE, OTHER], [added(DENT)], annotated_ids=[1, 2, 4])
    assert [image.neg_category_ids for image in dataset.images] == [(1, 4), (1, 2, 4)]


def test_a_box_is_clipped_to_its_image(taxonomy: Taxonomy) -> None:
    row = added(LabelledObject("dent", (-5.0, 470.0, 100.004, 500.0)))
    (annotation,) = accepted_dataset(taxonomy, [ONE], [row], annotated_ids=()).annotations
    assert annotation.bbox_xywh == (0, 470, 100, 10)


@pytest.mark.parametrize(
    "bbox_xyxy", [(-20.0, 0.0, -1.0, 10.0), (10.0, 500.0, 20.0, 510.0), (10.0, 10.0, 10.001, 20.0)]
)
def test_a_box_with_nothing_inside_its_image_is_no_object(bbox_xyxy: BboxXyxy, taxonomy: Taxonomy) -> None:
    row = added(LabelledObject("dent", bbox_xyxy))
    dataset = accepted_dataset(taxonomy, [ONE], [row], annotated_ids=[2])
    assert (dataset.annotations, dataset.images[0].neg_category_ids) == ((), (2,))


def test_cvat_s_numbers_are_not_in_the_dataset(taxonomy: Taxonomy) -> None:
    first, second = (
        accepted_dataset(taxonomy, [ONE], [added(LabelledObject("dent", DENT.bbox_xyxy, number))], annotated_ids=())
        for number in (1, 2)
    )
    assert first == second
    assert version_digest(first) == version_digest(second)


def test_a_class_that_the_project_lacks_is_told(taxonomy: Taxonomy) -> None:
    with pytest.raises(UnknownCategory, match="class 'dunt' is not in the project"):
        accepted_dataset(taxonomy, [ONE], [added(LabelledObject("dunt"))], annotated_ids=())


@pytest.mark.parametrize(
    ("said", "source"),
    [("manual", "manual"), ("file", "file"), ("auto", "auto"), ("semi-auto", "semi-auto"), ("consensus", "manual")],
)
def test_what_was_no_prelabel_keeps_the_source_that_cvat_names(said: str, source: str, taxonomy: Taxonomy) -> None:
    (annotation,) = drawn(replace(DENT, source=said), taxonomy)
    assert annotation.source == source


def test_a_turned_box_keeps_its_sides_and_says_how_far(taxonomy: Taxonomy) -> None:
    turned = replace(DENT, points=(-10.0, 20.0, 40.0, 60.0), rotation=12.5, occluded=True, attributes={"depth": "5"})
    (annotation,) = drawn(turned, taxonomy)
    assert annotation.bbox_xywh == (-10, 20, 50, 40)
    assert annotation.attributes == {"depth": "5", "occluded": "true", "rotation": "12.5"}


def test_a_turned_box_is_inside_where_it_lies_after_turning(taxonomy: Taxonomy) -> None:
    reaches_in = LabelledObject("dent", (-100.0, 50.0, -10.0, 60.0), rotation=0.0)
    assert drawn(reaches_in, taxonomy) == []
    assert drawn(replace(reaches_in, points=(-100.0, 50.0, 80.0, 60.0), rotation=90.0), taxonomy) == []
    assert len(drawn(replace(reaches_in, points=(-100.0, 50.0, 96.0, 60.0), rotation=90.0), taxonomy)) == 1


def test_a_polygon_is_clipped_and_has_the_box_around_it(taxonomy: Taxonomy) -> None:
    polygon = LabelledObject("dent", (-10.0, 0.0, 30.0, 0.0, 30.0, 20.125, -10.0, 20.125), kind="polygon")
    (annotation,) = drawn(polygon, taxonomy)
    assert annotation.bbox_xywh == (0, 0, 30, 20.12)
    (ring,) = cast(tuple[tuple[float, ...], ...], annotation.segmentation)
    assert set(zip(ring[::2], ring[1::2], strict=True)) == {(0, 0), (30, 0), (30, 20.12), (0, 20.12)}


def test_an_ellipse_is_the_polygon_that_it_is_drawn_with(taxonomy: Taxonomy) -> None:
    (annotation,) = drawn(LabelledObject("dent", (100.0, 100.0, 130.0, 90.0), kind="ellipse"), taxonomy)
    assert annotation.bbox_xywh == (70, 90, 60, 20)
    assert len(annotation.segmentation[0]) == 2 * 64  # type: ignore[index]
    (turned,) = drawn(LabelledObject("dent", (100.0, 100.0, 130.0, 90.0), kind="ellipse", rotation=90.0), taxonomy)
    assert (turned.bbox_xywh, turned.attributes) == ((90, 70, 20, 60), {})


@given(left=st.integers(-3, 639), top=st.integers(-3, 479), bits=st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_mask_is_the_same_pixels_of_the_whole_image(
    left: int, top: int, bits: list[bool], taxonomy: Taxonomy
) -> None:
    runs = [float(value) for bit in bits for value in ((0, 1) if bit else (1, 0))]
    found = drawn(LabelledObject("dent", (*runs, left, top, left + 2, top + 1), kind="mask"), taxonomy)
    on = {(left + n % 3, top + n // 3) for n, bit in enumerate(bits) if bit}
    inside = {(x, y) for x, y in on if 0 <= x < 640 and 0 <= y < 480}
    assert len(found) == bool(inside)
    for annotation in found:
        assert isinstance(annotation.segmentation, Rle)
        ys, xs = decode_mask(annotation.segmentation).pixels.nonzero()
        assert set(zip(xs.tolist(), ys.tolist(), strict=True)) == inside
        x, y, width, height = annotation.bbox_xywh
        assert (x, y) == (min(xs), min(ys))
        assert (width, height) == (max(xs) - min(xs) + 1, max(ys) - min(ys) + 1)


def test_a_tag_s_attributes_stay(taxonomy: Taxonomy) -> None:
    dirty = replace(DIRTY, attributes={"where": "roof"})
    dataset = accepted_dataset(taxonomy, [ONE], [added(dirty), added(dirty)], annotated_ids=())
    assert dataset.images[0].tags == (Tag(4, {"where": "roof"}),)


def test_what_coco_cannot_hold_is_counted_and_not_said_to_be_absent(taxonomy: Taxonomy) -> None:
    line = LabelledObject("dent", (0.0, 0.0, 5.0, 5.0), kind="polyline")
    rows = [added(line), added(replace(line, kind="points")), added(line, OTHER), added(DENT)]
    dataset = accepted_dataset(taxonomy, [ONE, OTHER], rows, annotated_ids=[1, 2])
    assert beyond_coco([*rows, FateRow(ONE.sha256, None, Fate("deleted", line, None))]) == {"polyline": 2, "points": 1}
    assert len(dataset.annotations) == 1
    assert [image.neg_category_ids for image in dataset.images] == [(1,), (1,)]


def test_two_outlines_in_one_box_are_two_objects(taxonomy: Taxonomy) -> None:
    upper = LabelledObject("dent", (0.0, 0.0, 10.0, 0.0, 0.0, 10.0), kind="polygon")
    lower = replace(upper, points=(10.0, 0.0, 10.0, 10.0, 0.0, 10.0))
    annotations = accepted_dataset(taxonomy, [ONE], [added(upper), added(lower)], annotated_ids=()).annotations
    assert len({annotation.origins[0].annotation_id for annotation in annotations}) == 2


def test_polygons_of_one_group_and_class_are_parts_of_one_object(taxonomy: Taxonomy) -> None:
    upper = LabelledObject("dent", (0.0, 0.0, 10.0, 0.0, 0.0, 10.0), kind="polygon", group=3)
    lower = replace(upper, points=(20.0, 0.0, 30.0, 10.0, 20.0, 10.0))
    alone = (replace(lower, group=0), replace(lower, group=4), replace(lower, attributes={"old": "true"}))
    rows = [added(one) for one in (upper, lower, *alone)]
    annotations = accepted_dataset(taxonomy, [ONE, OTHER], [*rows, added(upper, OTHER)], annotated_ids=()).annotations
    assert sorted(len(a.segmentation) for a in annotations if isinstance(a.segmentation, tuple)) == [1, 1, 1, 1, 2]
    (whole,) = (a for a in annotations if isinstance(a.segmentation, tuple) and len(a.segmentation) == 2)
    assert (whole.bbox_xywh, whole.segmentation) == ((0, 0, 30, 10), (upper.points, lower.points))


def test_what_is_taken_from_a_track_names_it(taxonomy: Taxonomy) -> None:
    (annotation,) = accepted_dataset(taxonomy, [ONE], [added(replace(DENT, track_id=5))], annotated_ids=()).annotations
    assert annotation.track_id == 5
