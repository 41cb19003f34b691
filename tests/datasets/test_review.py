"""From accepted jobs to labels."""

from typing import cast

import pytest

from datasets.coco import Image, Tag
from datasets.comparison import BboxXyxy, Fate, LabelledObject, Verdict
from datasets.errors import UnknownCategory
from datasets.ledger import FateRow, Prelabel
from datasets.review import accepted_dataset, fates_of_job
from datasets.taxonomy import Taxonomy
from datasets.versions import version_digest

ONE, OTHER = (Image(digit * 64, f"images/{digit}.jpg", 640, 480, family="car 1") for digit in "12")
DENT = LabelledObject("dent", (10.0, 20.0, 40.0, 60.0), shape_id=7)
DIRTY = LabelledObject("dirty", shape_id=8)


def added(labelled: LabelledObject, image: Image = ONE) -> FateRow:
    return FateRow(image.sha256, None, Fate("added", None, labelled))


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
