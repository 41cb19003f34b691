"""A dataset in numbers, against a count by hand and against the model's own words."""

import hashlib
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from datasets.coco import Annotation, Copy, Dataset, Image, Origin, Provenance, Rle, Tag, View, make_dataset
from datasets.seeing import print_statistics, statistics, to_json
from datasets.seeing.columns import to_columns
from datasets.seeing.measures import co_occurrence, heat_map, histogram
from datasets.taxonomy import Taxonomy


def image(number: int, **fields: object) -> Image:
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    return Image(
        **{"sha256": sha256, "file_name": f"{number}.jpg", "width": 200, "height": 100, "family": "car", **fields}
    )


def boxed(image: Image, *bbox_xywh: float, category_id: int = 2, **fields: object) -> Annotation:
    return Annotation(**{"sha256": image.sha256, "category_id": category_id, "bbox_xywh": bbox_xywh, **fields})


@pytest.fixture
def dataset(taxonomy: Taxonomy) -> Dataset:
    looked = View("roboflow", "a.jpg", "car", category_ids=(1, 2), provenance=Provenance(license="MIT"))
    also = View("cvat", "a.jpg", "car", category_ids=(2,), provenance=Provenance(license="CC0-1.0"))
    one = image(1, split="train", views=(looked, also), tags=(Tag(3),), neg_category_ids=(4,))
    two = image(2, split="test", neg_category_ids=(1, 2), near=(image(3).sha256,), copies=(Copy("f" * 64, "f", 1, 1),))
    three = image(3, family="other", not_exhaustive_category_ids=(2,), derived_from=two.sha256, near=(two.sha256,))
    gone = image(4, deleted=True, family="gone")
    return make_dataset(
        taxonomy,
        [one, two, three, gone],
        [
            boxed(one, 0, 0, 100, 50, origins=(Origin("roboflow", "1"), Origin("cvat", "1"))),
            boxed(one, 10, 10, 20, 20, category_id=1, segmentation=((1.0, 1.0, 2.0, 2.0, 3.0, 1.0),), source="auto"),
            boxed(three, 0, 0, 200, 100, segmentation=Rle((100, 200), "0"), iscrowd=True),
            boxed(gone, 0, 0, 10, 10),
        ],
    )


def test_images_objects_and_oddities_are_counted(dataset: Dataset) -> None:
    found = statistics(dataset)
    assert (found.images, found.annotations, found.tags, found.empty, found.deleted) == (3, 3, 1, 1, 1)
    assert (found.derived, found.merged, found.copies, found.near, found.near_pairs) == (1, 1, 1, 2, 1)
    assert (found.drawn_as, found.drawn_by) == ({"box": 1, "polygons": 1, "mask": 1}, {"manual": 2, "auto": 1})
    assert (found.crowds, found.unsourced, found.image_sizes) == (1, 2, ((200, 100, 3),))


def test_classes_are_counted_by_split(dataset: Dataset) -> None:
    door, dent, clean, dirty = statistics(dataset).classes
    assert (door.objects, door.images, door.splits) == (1, 1, {"train": 1, "test": 0, "none": 0})
    assert (dent.objects, dent.images, dent.splits) == (2, 2, {"train": 1, "test": 0, "none": 1})
    assert (clean.objects, clean.images, clean.kind) == (1, 1, "tag")
    assert (dirty.objects, dirty.images, dirty.median_share) == (0, 0, None)
    assert (dent.median_share, dent.image_share) == ((0.25 + 1) / 2, 2 / 3)


def test_unknown_is_not_absent(dataset: Dataset) -> None:
    told = {row.name: (row.present, row.partly, row.absent, row.unknown) for row in statistics(dataset).classes}
    assert told == {"damaged door": (1, 0, 1, 1), "dent": (1, 1, 1, 0), "clean": (1, 0, 0, 2), "dirty": (0, 0, 1, 2)}


def test_sources_say_what_they_looked_for(dataset: Dataset) -> None:
    rows = [(row.name, row.images, row.objects, row.classes) for row in statistics(dataset).sources]
    assert rows == [("cvat", 1, 1, ("dent",)), ("roboflow", 1, 1, ("damaged door", "dent"))]


def test_an_image_of_two_licences_counts_under_each(dataset: Dataset) -> None:
    found = statistics(dataset)
    assert (found.licenses, found.license_disagreements) == ({"unknown": 2, "CC0-1.0": 1, "MIT": 1}, 1)


def test_a_family_on_both_sides_is_told(dataset: Dataset) -> None:
    families = statistics(dataset).families
    assert (families.count, families.largest, families.across) == (2, (("car", 2), ("other", 1)), ("car",))
    assert families.sizes.counts[:2] == (1, 1)


def test_boxes_are_small_medium_and_large_as_in_coco(taxonomy: Taxonomy) -> None:
    one = image(1)
    sides = [boxed(one, 0, 0, side, side) for side in (0, 31.9, 32, 95.9, 96, 500)]
    found = statistics(make_dataset(taxonomy, [one], sides))
    assert found.coco_sizes == {"small": 2, "medium": 2, "large": 2}
    assert (found.box_sides.least, found.box_sides.most, sum(found.box_sides.counts)) == (0, 500, 6)
    assert sum(found.aspect_ratios.counts) == 5
    assert found.box_shares.most == 1


def test_heat_is_where_boxes_are(taxonomy: Taxonomy) -> None:
    one = image(1)
    columns = to_columns(make_dataset(taxonomy, [one], [boxed(one, 0, 0, 100, 50), boxed(one, -50, 25, 100, 500)]))
    assert heat_map(columns, cells=2).tolist() == [[0.5 + 0.5 * 0.5 * 0.5, 0], [0.5 * 0.5, 0]]


def test_a_histogram_keeps_what_is_beyond_its_edges() -> None:
    found = histogram(np.array([-1.0, 0.0, 1.0, 2.0, 9.0]), np.array([0.0, 1.0, 2.0]))
    assert (found.counts, found.least, found.median, found.most) == ((2, 3), -1, 1, 9)


def test_nothing_has_statistics_too(taxonomy: Taxonomy) -> None:
    found = statistics(Dataset(taxonomy))
    assert (found.images, found.box_sides.median, found.splits, found.heat[0][0]) == (0, None, (), 0)


@given(data=st.data())
def test_known_is_what_the_dataset_says(any_dataset: SearchStrategy[Dataset], data: st.DataObject) -> None:
    dataset = data.draw(any_dataset)
    known = [dataset.known_category_ids(image.sha256) for image in dataset.images]
    for number, row in enumerate(statistics(dataset).classes, start=1):
        assert row.present + row.partly + row.absent + row.unknown == len(dataset.images)
        assert row.present + row.absent == sum(number in ids for ids in known)
        assert row.present + row.partly == row.images == sum(row.splits.values())


@given(data=st.data())
def test_co_occurrence_is_a_count_of_images(any_dataset: SearchStrategy[Dataset], data: st.DataObject) -> None:
    dataset = data.draw(any_dataset)
    shown = [
        {a.category_id - 1 for a in dataset.annotations_of[image.sha256]} | {tag.category_id - 1 for tag in image.tags}
        for image in dataset.images
    ]
    for one, other, count in co_occurrence(to_columns(dataset)):
        assert one <= other
        assert count == sum({one, other} <= ids for ids in shown)


@given(data=st.data())
def test_deleted_images_count_as_deleted_alone(any_dataset: SearchStrategy[Dataset], data: st.DataObject) -> None:
    dataset = data.draw(any_dataset)
    gone = {image.sha256 for image in dataset.images if data.draw(st.booleans())}
    images = [replace(image, deleted=image.sha256 in gone) for image in dataset.images]
    found = to_json(statistics(make_dataset(dataset.taxonomy, images, dataset.annotations)))
    kept = to_json(statistics(dataset.only(set(dataset.by_sha256) - gone)))
    assert found == {**kept, "deleted": len(gone)}


def test_the_numbers_are_json(dataset: Dataset) -> None:
    told = json.loads(msgspec.json.encode(to_json(statistics(dataset))))
    assert told["classes"][1]["name"] == "dent"
    assert np.shape(told["heat"]) == (32, 32)


def test_the_numbers_are_printed(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    print_statistics(statistics(dataset))
    told = capsys.readouterr().out
    assert "3 images, 3 objects, 1 tags" in told
    assert "damaged door" in told
    assert "CC0-1.0" in told


def test_printing_nothing_works(taxonomy: Taxonomy, capsys: pytest.CaptureFixture[str]) -> None:
    print_statistics(statistics(Dataset(taxonomy)))
    assert "0 images, 0 objects" in capsys.readouterr().out
