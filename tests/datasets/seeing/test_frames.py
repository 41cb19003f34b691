"""Choosing frames to look at: seeded, each once, never a deleted one."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from datasets.coco import Annotation, Dataset, Image, Origin, Tag, make_dataset
from datasets.errors import BadDataset, UnknownCategory
from datasets.merging.conflicts import Conflict
from datasets.seeing import choose_frames
from datasets.seeing.frames import Group, conflicts_by_image
from datasets.taxonomy import Taxonomy

SHA256S = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(40)]


@pytest.fixture
def dataset(taxonomy: Taxonomy) -> Dataset:
    """40 images: all dented, the first two with a door, half of them dirty, 3 to 5 near each other, 39 deleted."""
    images = [
        Image(
            sha256,
            f"{number}.jpg",
            64,
            48,
            f"car {number}",
            ("train", "test", None)[number % 3],
            tags=(Tag(4),) if number % 2 else (),
            near=tuple(SHA256S[other] for other in {3: (4,), 4: (3, 5), 5: (4, 39)}.get(number, ())),
            deleted=number == 39,
        )
        for number, sha256 in enumerate(SHA256S)
    ]
    dents = [Annotation(sha256, 2, (0.0, 0.0, 9.0, 9.0)) for sha256 in SHA256S]
    both = (Origin("one", "1"), Origin("two", "1"))
    doors = [Annotation(sha256, 1, (9.0, 0.0, 9.0, 9.0), origins=both) for sha256 in SHA256S[:2]]
    return make_dataset(taxonomy, images, dents + doors)


def shown(groups: list[Group]) -> list[str]:
    return [sha256 for group in groups for sha256 in group.sha256s]


def test_the_seed_alone_decides(dataset: Dataset) -> None:
    assert choose_frames(dataset, number=10, seed=1) == choose_frames(dataset, number=10, seed=1)
    assert choose_frames(dataset, number=10, seed=1) != choose_frames(dataset, number=10, seed=2)


def test_more_frames_keep_the_ones_before(dataset: Dataset) -> None:
    assert shown(choose_frames(dataset, number=20))[:10] == shown(choose_frames(dataset, number=10))


def test_rare_classes_choose_first(dataset: Dataset) -> None:
    groups = choose_frames(dataset, number=12, by="class")
    assert [(group.title, len(group.sha256s)) for group in groups] == [("damaged door", 2), ("dent", 5), ("dirty", 5)]
    assert set(groups[0].sha256s) == set(SHA256S[:2])


def test_sides_of_the_split_share_evenly(dataset: Dataset) -> None:
    groups = choose_frames(dataset, number=12, by="split")
    assert [(group.title, len(group.sha256s)) for group in groups] == [("train", 4), ("test", 4), ("none", 4)]


def test_merged_objects_can_be_looked_at(dataset: Dataset) -> None:
    assert set(shown(choose_frames(dataset, only="merged"))) == set(SHA256S[:2])


def test_near_duplicates_are_side_by_side(dataset: Dataset) -> None:
    (group,) = choose_frames(dataset, only="near-duplicates")
    assert set(group.sha256s) == set(SHA256S[3:6])
    assert group.title.endswith("3 images of one photograph")


def test_conflicts_can_be_looked_at(dataset: Dataset) -> None:
    told = Conflict("class", SHA256S[7], "7.jpg", ("dent", "damaged door"), ("one", "two"), detail="IoU 0.80")
    assert shown(choose_frames(dataset, only="conflicts", conflicts=[told])) == [SHA256S[7]]
    assert conflicts_by_image([told]) == {SHA256S[7]: ["class: dent / damaged door: one against two: IoU 0.80"]}


def test_classes_and_splits_leave_the_rest_out(dataset: Dataset) -> None:
    found = shown(choose_frames(dataset, classes=["dirty"], splits=["test", "none"]))
    assert set(found) == {SHA256S[n] for n in range(39) if n % 2 and n % 3}


def test_no_frame_left_is_told(dataset: Dataset) -> None:
    with pytest.raises(BadDataset, match=r"none of 40 images can be shown \(clean\); ask for others"):
        choose_frames(dataset, classes=["clean"])


def test_a_class_of_another_project_is_told(dataset: Dataset) -> None:
    with pytest.raises(UnknownCategory, match="class 'rust' is not in the project"):
        choose_frames(dataset, classes=["rust"])


@given(data=st.data(), number=st.integers(1, 6), by=st.sampled_from([None, "class", "split"]))
def test_each_frame_is_shown_once_and_no_deleted_one(
    any_dataset: SearchStrategy[Dataset], data: st.DataObject, number: int, by: str | None
) -> None:
    dataset = data.draw(any_dataset)
    images = [replace(image, deleted=data.draw(st.booleans())) for image in dataset.images]
    dataset = make_dataset(dataset.taxonomy, images, dataset.annotations)
    try:
        found = shown(choose_frames(dataset, number=number, by=by))
    except BadDataset:
        return
    assert len(set(found)) == len(found) <= number
    assert not any(dataset.by_sha256[sha256].deleted for sha256 in found)
