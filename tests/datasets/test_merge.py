"""Merging: everything once, in any order, as often as one likes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from datasets.coco import Annotation, Dataset, Image, Provenance, Tag, make_dataset, to_coco
from datasets.errors import BadDataset
from datasets.merge import merge
from datasets.taxonomy import Taxonomy
from datasets.versions import version_digest

IMAGE = Image("1" * 64, "images/11/one.jpg", 640, 480, family="car 1", split="train")
DENT = Annotation(IMAGE.sha256, 2, (10, 20, 30, 40), source="file", origins=(("roboflow", "5"),))


def several(any_dataset: SearchStrategy[Dataset]) -> SearchStrategy[list[Dataset]]:
    return st.lists(any_dataset, max_size=4)


@given(data=st.data())
def test_merge_keeps_every_annotation_once(
    any_dataset: SearchStrategy[Dataset], taxonomy: Taxonomy, data: st.DataObject
) -> None:
    datasets = data.draw(several(any_dataset))
    given_ones = [(a.sha256, a.category_id, a.bbox_xywh) for dataset in datasets for a in dataset.annotations]
    kept = [(a.sha256, a.category_id, a.bbox_xywh) for a in merge(datasets, taxonomy=taxonomy).annotations]
    assert sorted(kept) == sorted(set(given_ones))


@given(data=st.data())
def test_merge_keeps_every_image_tag_and_origin(
    any_dataset: SearchStrategy[Dataset], taxonomy: Taxonomy, data: st.DataObject
) -> None:
    datasets = data.draw(several(any_dataset))
    merged = merge(datasets, taxonomy=taxonomy)
    for dataset in datasets:
        for image in dataset.images:
            kept = {tag.category_id for tag in merged.by_sha256[image.sha256].tags}
            assert {tag.category_id for tag in image.tags} <= kept
        for a in dataset.annotations:
            (kept_one,) = (
                b
                for b in merged.annotations_of[a.sha256]
                if (b.category_id, b.bbox_xywh) == (a.category_id, a.bbox_xywh)
            )
            assert set(a.origins) <= set(kept_one.origins)


@given(data=st.data())
def test_the_order_of_datasets_changes_nothing(
    any_dataset: SearchStrategy[Dataset], taxonomy: Taxonomy, data: st.DataObject
) -> None:
    datasets = data.draw(several(any_dataset))
    shuffled = data.draw(st.permutations(datasets))
    merged, other = merge(datasets, taxonomy=taxonomy), merge(shuffled, taxonomy=taxonomy)
    assert to_coco(merged) == to_coco(other)
    assert version_digest(merged) == version_digest(other)


@given(data=st.data())
def test_merging_again_changes_nothing(
    any_dataset: SearchStrategy[Dataset], taxonomy: Taxonomy, data: st.DataObject
) -> None:
    datasets = data.draw(several(any_dataset))
    merged = merge(datasets, taxonomy=taxonomy)
    assert merge([merged], taxonomy=taxonomy) == merged
    assert merge([merged, *datasets, merged], taxonomy=taxonomy) == merged


@given(data=st.data())
def test_merging_in_steps_is_merging_at_once(
    any_dataset: SearchStrategy[Dataset], taxonomy: Taxonomy, data: st.DataObject
) -> None:
    first, second, third = (data.draw(any_dataset) for _ in range(3))
    in_steps = merge([merge([first, second], taxonomy=taxonomy), third], taxonomy=taxonomy)
    assert in_steps == merge([first, second, third], taxonomy=taxonomy)


def test_nothing_merges_to_nothing(taxonomy: Taxonomy) -> None:
    assert merge([], taxonomy=taxonomy) == Dataset(taxonomy)


def test_the_same_object_from_two_sources_has_both_origins(taxonomy: Taxonomy) -> None:
    one = make_dataset(taxonomy, [IMAGE], [DENT])
    other = make_dataset(taxonomy, [IMAGE], [replace(DENT, origins=(("cvat", "9"),))])
    (merged,) = merge([one, other], taxonomy=taxonomy).annotations
    assert merged.origins == (("cvat", "9"), ("roboflow", "5"))


def test_what_a_person_said_outranks_a_model_and_a_file(taxonomy: Taxonomy) -> None:
    said = {"manual": {"depth": "deep"}, "auto": {"depth": "none"}, "file": {}}
    parts = [
        make_dataset(taxonomy, [IMAGE], [replace(DENT, source=source, attributes=attributes)])
        for source, attributes in said.items()
    ]
    (merged,) = merge(parts, taxonomy=taxonomy).annotations
    assert (merged.source, merged.attributes) == ("manual", {"depth": "deep"})


def test_a_class_absent_in_one_source_and_found_in_another_is_there(taxonomy: Taxonomy) -> None:
    searched = make_dataset(taxonomy, [replace(IMAGE, neg_category_ids=(1, 2, 4))], [])
    found = make_dataset(taxonomy, [replace(IMAGE, tags=(Tag(4),))], [DENT])
    (image,) = merge([searched, found], taxonomy=taxonomy).images
    assert image.neg_category_ids == (1,)


def test_an_image_keeps_one_provenance_whole(taxonomy: Taxonomy) -> None:
    said = Provenance(page_url="https://b.example/1", author="B", license="CC BY 4.0")
    unsaid = make_dataset(taxonomy, [IMAGE], [])
    other = make_dataset(taxonomy, [replace(IMAGE, source=said)], [])
    assert merge([unsaid, other], taxonomy=taxonomy).images[0].source == said


@pytest.mark.parametrize("change", [{"family": "car 2"}, {"split": "test"}])
def test_an_image_on_both_sides_is_refused_with_both_named(change: dict[str, str], taxonomy: Taxonomy) -> None:
    parts = [make_dataset(taxonomy, [image], []) for image in (IMAGE, replace(IMAGE, **change))]
    with pytest.raises(BadDataset, match=r"is in family 'car 1' \(train\) and in 'car \d' \(\w+\); give it one family"):
        merge(parts, taxonomy=taxonomy)
