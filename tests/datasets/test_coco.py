"""Datasets in memory and as COCO files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace
from pycocotools.coco import COCO

from datasets.coco import (
    Annotation,
    Dataset,
    Image,
    Tag,
    make_dataset,
    read_coco,
    to_records,
    with_negatives,
    write_coco,
)
from datasets.errors import BadDataset
from datasets.files import write_json
from datasets.records import write_records
from datasets.taxonomy import Category, Taxonomy

ONE, OTHER = "1" * 64, "2" * 64


@pytest.fixture
def dataset(taxonomy: Taxonomy) -> Dataset:
    images = (
        Image(ONE, "images/11/one.jpg", 640, 480, family="car 1", tags=(Tag(4),)),
        Image(OTHER, "images/22/other.jpg", 480, 640, family="car 1"),
    )
    return make_dataset(
        taxonomy, images, (Annotation(OTHER, 2, (1.5, 2, 30, 40)), Annotation(ONE, 1, (0, 0, 9, 9), score=0.5))
    )


@given(data=st.data())
def test_a_dataset_comes_back_from_its_file_as_it_was(
    any_dataset: SearchStrategy[Dataset], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    dataset = data.draw(any_dataset)
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    write_coco(dataset, path)
    assert read_coco(path, dataset.taxonomy) == dataset


@given(data=st.data())
def test_the_order_in_which_it_was_put_together_is_not_in_the_file(
    any_dataset: SearchStrategy[Dataset], data: st.DataObject
) -> None:
    dataset = data.draw(any_dataset)
    images = data.draw(st.permutations(dataset.images))
    annotations = data.draw(st.permutations(dataset.annotations))
    assert to_records(make_dataset(dataset.taxonomy, images, annotations)) == to_records(dataset)


def test_pycocotools_reads_what_is_written(dataset: Dataset, tmp_path: Path) -> None:
    write_coco(dataset, tmp_path / "annotations.json")
    read = COCO(str(tmp_path / "annotations.json"))
    (image,) = (image for image in read.imgs.values() if image["sha256"] == OTHER)
    (annotation,) = read.loadAnns(read.getAnnIds(imgIds=[image["id"]]))
    assert (image["width"], image["height"]) == (480, 640)
    assert (annotation["bbox"], annotation["area"], annotation["iscrowd"]) == ([1.5, 2, 30, 40], 1200, 0)
    assert read.loadCats([annotation["category_id"]])[0]["name"] == "dent"


def test_category_ids_are_the_project_s_from_one(dataset: Dataset) -> None:
    categories = to_records(dataset).categories
    assert [(category.id, category.name) for category in categories] == list(
        enumerate(dataset.taxonomy.names(), start=1)
    )


@pytest.mark.parametrize("content", [[], {}, {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}, 7])
def test_another_s_file_is_told_in_one_sentence(content: object, taxonomy: Taxonomy, tmp_path: Path) -> None:
    write_json(tmp_path / "foreign.json", content)
    with pytest.raises(BadDataset, match=r"foreign\.json is not a Carloop dataset: .*; import it first"):
        read_coco(tmp_path / "foreign.json", taxonomy)


def test_an_annotation_of_no_image_is_told_in_one_sentence(dataset: Dataset, tmp_path: Path) -> None:
    content = to_records(dataset)
    content.annotations[0].image_id = 77
    write_records(content, tmp_path / "dangling.json")
    with pytest.raises(BadDataset, match=r"dangling\.json is not a Carloop dataset: KeyError 77"):
        read_coco(tmp_path / "dangling.json", dataset.taxonomy)


def test_ids_are_never_read_as_other_classes_than_they_were_written_for(dataset: Dataset, tmp_path: Path) -> None:
    write_coco(dataset, tmp_path / "annotations.json")
    other = Taxonomy(categories=(Category(name="dent"), *dataset.taxonomy.categories[:1]))
    with pytest.raises(BadDataset, match=r"has the classes .*, the project has \['dent', 'damaged door'\]"):
        read_coco(tmp_path / "annotations.json", other)


def test_a_part_has_its_own_images_and_annotations_alone(dataset: Dataset) -> None:
    part = dataset.only([ONE])
    assert [image.sha256 for image in part.images] == [ONE]
    assert [annotation.sha256 for annotation in part.annotations] == [ONE]


def test_classes_searched_for_and_not_found_are_absent(dataset: Dataset) -> None:
    searched = with_negatives(dataset, [1, 2, 3, 4])
    assert searched.by_sha256[ONE].neg_category_ids == (2, 3)
    assert searched.by_sha256[OTHER].neg_category_ids == (1, 3, 4)


def test_a_class_nobody_searched_for_is_unknown(dataset: Dataset) -> None:
    searched = with_negatives(dataset, [1])
    assert searched.known_category_ids(OTHER) == {1, 2}


def test_a_class_that_was_not_searched_to_the_end_is_unknown(dataset: Dataset) -> None:
    unsure = replace(dataset.by_sha256[ONE], not_exhaustive_category_ids=(1,), neg_category_ids=(2,))
    assert make_dataset(dataset.taxonomy, [unsure], dataset.annotations).known_category_ids(ONE) == {2, 4}


def test_the_file_ends_with_a_line_break_and_has_a_line_for_each_record(dataset: Dataset, tmp_path: Path) -> None:
    write_coco(dataset, tmp_path / "annotations.json")
    text = (tmp_path / "annotations.json").read_text()
    assert text.endswith("}\n")
    assert sum(line.startswith("{") for line in text.splitlines()) == 1 + len(dataset.images) + len(dataset.annotations)


def test_a_live_dataset_has_no_tombstones_and_what_lies_on_them(taxonomy: Taxonomy) -> None:
    images = [Image(digit * 64, f"{digit}.jpg", 64, 48, family=digit, deleted=digit == "2") for digit in "12"]
    dents = [Annotation(image.sha256, 2, (1, 2, 3, 4)) for image in images]
    dataset = make_dataset(taxonomy, images, dents)
    assert (dataset.live.images, dataset.live.annotations) == ((images[0],), (dents[0],))
    assert dataset.live.live is dataset.live
