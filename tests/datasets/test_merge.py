"""Merging: everything once, in any order, as often as one likes; disagreements told, never guessed."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from datasets.coco import Annotation, Dataset, Image, Origin, Provenance, Shape, Tag, View, make_dataset, to_records
from datasets.errors import UnknownCategory
from datasets.merge import Merged, MergeSettings, merge, merge_records
from datasets.records import Split
from datasets.taxonomy import Category, Taxonomy
from datasets.versions import version_digest

IMAGE = Image("1" * 64, "images/11/one.jpg", 640, 480, family="car 1", split="train")
DENT = Annotation(IMAGE.sha256, 2, (10, 20, 30, 40), source="file", origins=(Origin("roboflow", "5"),))


def drawn_by(
    source: str, *, category_id: int = 2, bbox: tuple[float, ...] = (10, 20, 30, 40), **change: object
) -> Annotation:
    return replace(DENT, category_id=category_id, bbox_xywh=bbox, origins=(Origin(source, "1"),), **change)


def seen_by(
    source: str, *annotations: Annotation, searched: Sequence[int] = (), taxonomy: Taxonomy, **view: object
) -> Dataset:
    """The image and what one source drew on it; `searched` are the classes that it looked for."""
    said = View(source, IMAGE.file_name, IMAGE.family, category_ids=tuple(searched), **view)
    return make_dataset(taxonomy, [replace(IMAGE, split=None, views=(said,))], annotations)


def merged_with_conflicts(datasets: Sequence[Dataset], taxonomy: Taxonomy, **options: object) -> Merged:
    return merge_records([("", to_records(one)) for one in datasets], taxonomy=taxonomy, **options)


def originals(dataset: Dataset) -> set[bytes]:
    """Every original of a dataset, as it was drawn."""
    found = set()
    for annotation in dataset.annotations:
        for origin in annotation.origins or (Origin("", ""),):
            shape = origin.shape or Shape(
                annotation.sha256,
                annotation.category_id,
                annotation.bbox_xywh,
                segmentation=annotation.segmentation,
                iscrowd=annotation.iscrowd,
                attributes=annotation.attributes,
                score=annotation.score,
                source=annotation.source,
                track_id=annotation.track_id,
            )
            place = [value + 0.0 for value in shape.bbox_xywh]
            attributes = sorted(shape.attributes.items())
            drawn = (shape.sha256, shape.category_id, place, attributes, shape.score, shape.source)
            found.add(repr((origin.source, origin.annotation_id, drawn)).encode())
    return found


def several(any_dataset: SearchStrategy[Dataset]) -> SearchStrategy[list[Dataset]]:
    return st.lists(any_dataset, max_size=4)


@given(data=st.data())
def test_merge_keeps_every_annotation_once(
    any_dataset: SearchStrategy[Dataset], taxonomy: Taxonomy, data: st.DataObject
) -> None:
    datasets = data.draw(several(any_dataset))
    merged = merge(datasets, taxonomy=taxonomy)
    assert originals(merged) == set().union(*(originals(dataset) for dataset in datasets))
    origins = [
        repr((a.sha256, origin)) for a in merged.annotations for origin in a.origins or (Origin("", repr(a.bbox_xywh)),)
    ]
    assert len(merged.annotations) <= len(origins)


@given(data=st.data())
def test_merge_keeps_every_image_and_tag(
    any_dataset: SearchStrategy[Dataset], taxonomy: Taxonomy, data: st.DataObject
) -> None:
    datasets = data.draw(several(any_dataset))
    merged = merge(datasets, taxonomy=taxonomy)
    for dataset in datasets:
        for image in dataset.images:
            kept = {tag.category_id for tag in merged.by_sha256[image.sha256].tags}
            assert {tag.category_id for tag in image.tags} <= kept


@given(data=st.data())
def test_the_order_of_datasets_changes_nothing(
    any_dataset: SearchStrategy[Dataset], taxonomy: Taxonomy, data: st.DataObject
) -> None:
    datasets = data.draw(several(any_dataset))
    shuffled = data.draw(st.permutations(datasets))
    merged, other = merge(datasets, taxonomy=taxonomy), merge(shuffled, taxonomy=taxonomy)
    assert merged == other
    assert version_digest(merged) == version_digest(other)
    assert merged_with_conflicts(datasets, taxonomy).conflicts == merged_with_conflicts(shuffled, taxonomy).conflicts


@given(data=st.data())
def test_merging_again_changes_nothing(
    any_dataset: SearchStrategy[Dataset], taxonomy: Taxonomy, data: st.DataObject
) -> None:
    datasets = data.draw(several(any_dataset))
    merged = merge(datasets, taxonomy=taxonomy)
    assert merge([merged], taxonomy=taxonomy) == merged
    assert merge([merged, *datasets, merged], taxonomy=taxonomy) == merged


@settings(max_examples=40)
@given(data=st.data())
def test_merging_in_steps_is_merging_at_once(
    any_dataset: SearchStrategy[Dataset], taxonomy: Taxonomy, data: st.DataObject
) -> None:
    first, second, third = (data.draw(any_dataset) for _ in range(3))
    in_steps = merge([merge([first, second], taxonomy=taxonomy), third], taxonomy=taxonomy)
    assert in_steps == merge([first, second, third], taxonomy=taxonomy)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_source_that_puts_an_image_on_several_sides_and_none_is_merged_alike_in_steps(
    taxonomy: Taxonomy, order: tuple[int, ...]
) -> None:
    sides: list[tuple[Split | None, list[int]]] = [(None, [1]), ("train", [2]), ("test", [])]
    parts = [seen_by("a", searched=searched, split=side, taxonomy=taxonomy) for side, searched in sides]
    one, two, three = (parts[place] for place in order)
    in_steps = merge([merge([one, two], taxonomy=taxonomy), three], taxonomy=taxonomy)
    assert in_steps == merge(parts, taxonomy=taxonomy)
    assert {view.split for view in in_steps.images[0].views} == {"train", "test"}


def test_nothing_merges_to_nothing(taxonomy: Taxonomy) -> None:
    assert merge([], taxonomy=taxonomy) == Dataset(taxonomy)


def test_the_same_object_from_two_sources_has_both_origins(taxonomy: Taxonomy) -> None:
    datasets = [make_dataset(taxonomy, [IMAGE], [drawn_by(source)]) for source in ("roboflow", "cvat")]
    (merged,) = merge(datasets, taxonomy=taxonomy).annotations
    assert merged.origins == (Origin("cvat", "1"), Origin("roboflow", "1"))


def test_boxes_of_one_class_that_overlap_enough_are_one_and_each_is_kept_as_it_was_drawn(taxonomy: Taxonomy) -> None:
    drawn = [drawn_by("a"), drawn_by("b", bbox=(11, 20, 30, 40))]
    (merged,) = merge([make_dataset(taxonomy, [IMAGE], [one]) for one in drawn], taxonomy=taxonomy).annotations
    assert merged.bbox_xywh == (10, 20, 30, 40)
    assert [origin.shape and origin.shape.bbox_xywh for origin in merged.origins] == [None, (11, 20, 30, 40)]


def test_two_overlapping_objects_of_one_source_stay_two(taxonomy: Taxonomy) -> None:
    drawn = [drawn_by("a"), drawn_by("a", bbox=(11, 20, 30, 40))]
    assert len(merge([make_dataset(taxonomy, [IMAGE], drawn)], taxonomy=taxonomy).annotations) == 2


def test_doubt_cannot_begin_above_certainty() -> None:
    with pytest.raises(ValueError, match=r"doubtful_iou 0\.9 is above same_iou 0\.2; make it less"):
        MergeSettings(same_iou=0.2, doubtful_iou=0.9)


def test_an_outline_goes_before_a_bare_box(taxonomy: Taxonomy) -> None:
    outline = ((10.0, 20.0, 40.0, 20.0, 40.0, 60.0),)
    drawn = [drawn_by("a"), drawn_by("b", segmentation=outline)]
    (merged,) = merge([make_dataset(taxonomy, [IMAGE], [one]) for one in drawn], taxonomy=taxonomy).annotations
    assert merged.segmentation == outline


def test_what_a_person_said_outranks_a_model_and_a_file(taxonomy: Taxonomy) -> None:
    said = {"manual": {"depth": "deep"}, "auto": {"depth": "none"}, "file": {}}
    parts = [
        make_dataset(taxonomy, [IMAGE], [replace(DENT, source=source, attributes=attributes)])
        for source, attributes in said.items()
    ]
    (merged,) = merge(parts, taxonomy=taxonomy).annotations
    assert (merged.source, merged.attributes) == ("manual", {"depth": "deep"})


def test_a_class_absent_in_one_dataset_and_found_in_another_is_there(taxonomy: Taxonomy) -> None:
    searched = make_dataset(taxonomy, [replace(IMAGE, neg_category_ids=(1, 2, 4))], [])
    found = make_dataset(taxonomy, [replace(IMAGE, tags=(Tag(4),))], [DENT])
    (image,) = merge([searched, found], taxonomy=taxonomy).images
    assert image.neg_category_ids == (1,)


def test_a_class_that_one_source_never_looked_for_stays_unknown_where_only_that_source_looked(
    taxonomy: Taxonomy,
) -> None:
    merged = merge([seen_by("a", drawn_by("a"), searched=[2], taxonomy=taxonomy)], taxonomy=taxonomy)
    assert merged.known_category_ids(IMAGE.sha256) == {2}


def test_an_image_keeps_one_provenance_whole(taxonomy: Taxonomy) -> None:
    said = Provenance(page_url="https://b.example/1", author="B", license="CC BY 4.0")
    unsaid = make_dataset(taxonomy, [IMAGE], [])
    other = make_dataset(taxonomy, [replace(IMAGE, source=said)], [])
    assert merge([unsaid, other], taxonomy=taxonomy).images[0].source == said


def test_two_classes_at_one_place_are_a_conflict_and_both_become_unknown(taxonomy: Taxonomy) -> None:
    merged = merged_with_conflicts(
        [
            seen_by("a", drawn_by("a", category_id=2), searched=[1, 2], taxonomy=taxonomy),
            seen_by("b", drawn_by("b", category_id=1), searched=[1, 2], taxonomy=taxonomy),
        ],
        taxonomy,
    )
    (conflict,) = merged.conflicts
    assert (conflict.kind, conflict.categories, conflict.sources) == ("class", ("damaged door", "dent"), ("a", "b"))
    assert conflict.annotation_ids == (1, 2)
    assert len(merged.content.annotations) == 2
    assert merged.content.images[0].not_exhaustive_category_ids == (1, 2)


def test_classes_of_vocabularies_that_share_nothing_do_not_contradict_each_other(taxonomy: Taxonomy) -> None:
    datasets = [
        seen_by("a", drawn_by("a", category_id=2), searched=[2], taxonomy=taxonomy),
        seen_by("b", drawn_by("b", category_id=1), searched=[1], taxonomy=taxonomy),
    ]
    assert merged_with_conflicts(datasets, taxonomy).conflicts == ()


def test_an_object_that_another_source_looked_for_and_did_not_find_is_a_conflict(taxonomy: Taxonomy) -> None:
    datasets = [
        seen_by("a", drawn_by("a"), searched=[2], taxonomy=taxonomy),
        seen_by("b", searched=[2], taxonomy=taxonomy),
    ]
    (conflict,) = merged_with_conflicts(datasets, taxonomy).conflicts
    assert (conflict.kind, conflict.categories, conflict.sources) == ("presence", ("dent",), ("a", "b"))


def test_an_object_drawn_too_differently_stays_two_and_is_told(taxonomy: Taxonomy) -> None:
    datasets = [
        seen_by("a", drawn_by("a"), searched=[2], taxonomy=taxonomy),
        seen_by("b", drawn_by("b", bbox=(20, 20, 30, 40)), searched=[2], taxonomy=taxonomy),
    ]
    merged = merged_with_conflicts(datasets, taxonomy)
    assert [conflict.kind for conflict in merged.conflicts] == ["place"]
    assert len(merged.content.annotations) == 2


def test_sources_that_call_a_clean_car_dirty_leave_it_unknown(taxonomy: Taxonomy) -> None:
    datasets = [
        seen_by(source, searched=[3, 4], tags=(Tag(tag),), taxonomy=taxonomy) for source, tag in (("a", 3), ("b", 4))
    ]
    merged = merged_with_conflicts(datasets, taxonomy)
    assert [(conflict.kind, conflict.categories) for conflict in merged.conflicts] == [
        ("tag", (taxonomy.name(3),)),
        ("tag", (taxonomy.name(4),)),
    ]
    assert merged.content.images[0].tags == ()
    assert merged.content.images[0].not_exhaustive_category_ids == (3, 4)


def test_two_names_for_one_object_are_told(taxonomy: Taxonomy) -> None:
    datasets = [
        seen_by(source, replace(DENT, origins=(Origin(source, "1", name),)), searched=[2], taxonomy=taxonomy)
        for source, name in (("train", "0"), ("test", "Scratch"))
    ]
    (conflict,) = merged_with_conflicts(datasets, taxonomy).conflicts
    assert (conflict.kind, conflict.detail) == ("name", "test: Scratch, train: 0")


def test_a_copy_in_another_size_is_one_image_with_the_annotations_of_both(taxonomy: Taxonomy) -> None:
    small = Image("2" * 64, "images/22/small.jpg", 320, 240, family="car 1", split="train")
    drawn = replace(DENT, sha256=small.sha256, bbox_xywh=(5, 10, 15, 20), origins=(Origin("b", "1"),))
    datasets = [make_dataset(taxonomy, [IMAGE], [DENT]), make_dataset(taxonomy, [small], [drawn])]
    merged = merge(datasets, taxonomy=taxonomy, scaled=[(small.sha256, IMAGE.sha256)])
    assert [(image.sha256, [copy.sha256 for copy in image.copies]) for image in merged.images] == [
        (IMAGE.sha256, [small.sha256])
    ]
    (annotation,) = merged.annotations
    assert annotation.bbox_xywh == (10, 20, 30, 40)
    assert {origin.source: origin.shape and origin.shape.bbox_xywh for origin in annotation.origins} == {
        "b": (5, 10, 15, 20),
        "roboflow": None,
    }
    assert merge([merged, *datasets], taxonomy=taxonomy) == merged


def test_one_source_that_drew_an_object_on_two_copies_drew_one_object(taxonomy: Taxonomy) -> None:
    copy = Image("2" * 64, "images/22/copy.jpg", 640, 480, family="car 1", split="train")
    drawn = [drawn_by("a"), replace(drawn_by("a", bbox=(11, 20, 30, 40)), sha256=copy.sha256)]
    dataset = make_dataset(taxonomy, [IMAGE, copy], drawn)
    assert len(merge([dataset], taxonomy=taxonomy, scaled=[(IMAGE.sha256, copy.sha256)]).annotations) == 1


def test_families_that_share_an_image_become_one(taxonomy: Taxonomy) -> None:
    parts = [make_dataset(taxonomy, [replace(IMAGE, family=family)], []) for family in ("car 1", "car 2")]
    (image,) = merge(parts, taxonomy=taxonomy).images
    assert (image.family, image.split) == ("car 1", "train")


def test_an_image_that_ties_a_train_family_to_a_test_family_goes_to_neither_and_is_told(taxonomy: Taxonomy) -> None:
    other = replace(IMAGE, family="car 2", split="test")
    old = Image("3" * 64, "images/33/old.jpg", 640, 480, family="car 2", split="test")
    parts = [make_dataset(taxonomy, [image], []) for image in (IMAGE, other, old)]
    merged = merged_with_conflicts(parts, taxonomy)
    assert [(image.family, image.split) for image in merged.content.images] == [("car 1", None), ("car 2", "test")]
    assert [(conflict.kind, conflict.detail) for conflict in merged.conflicts] == [("split", "families car 1, car 2")]


def test_images_that_show_one_photograph_share_a_family(taxonomy: Taxonomy) -> None:
    other = Image("2" * 64, "images/22/mirrored.jpg", 640, 480, family="car 2")
    datasets = [make_dataset(taxonomy, [IMAGE], []), make_dataset(taxonomy, [other], [])]
    merged = merged_with_conflicts(datasets, taxonomy, near=[(IMAGE.sha256, other.sha256)])
    assert [(image.family, image.split) for image in merged.content.images] == [("car 1", "train")] * 2


def test_classes_are_taken_by_name_whatever_their_numbers(taxonomy: Taxonomy) -> None:
    other = Taxonomy(categories=(Category(name="dent"), Category(name="dirty", kind="tag"), Category(name="door")))
    tagged = replace(IMAGE, tags=(Tag(2),), neg_category_ids=(3,))
    drawn = make_dataset(other, [tagged], [replace(DENT, category_id=1)])
    merged = merge([drawn], taxonomy=taxonomy)
    assert [taxonomy.name(a.category_id) for a in merged.annotations] == ["dent"]
    assert [taxonomy.name(tag.category_id) for tag in merged.images[0].tags] == ["dirty"]
    assert [taxonomy.name(category_id) for category_id in merged.images[0].neg_category_ids] == ["damaged door"]


def test_a_class_that_the_project_lacks_is_told(taxonomy: Taxonomy) -> None:
    other = Taxonomy(categories=(Category(name="dunt"),))
    with pytest.raises(UnknownCategory, match="class 'dunt' is not in the project"):
        merge([make_dataset(other, [IMAGE], [replace(DENT, category_id=1)])], taxonomy=taxonomy)
