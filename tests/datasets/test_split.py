"""Splits: by family, and for ever."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datasets.coco import Annotation, Copy, Dataset, Image, Split, Tag, View, make_dataset
from datasets.split import Assigned, Leaks, SplitSettings, assign_splits, find_leaks, split_of, unit_hash
from datasets.taxonomy import Category, Taxonomy

FAMILIES = st.lists(st.text(max_size=8), unique=True, max_size=20)


@given(old=FAMILIES, new=FAMILIES, seed=st.integers(0, 3))
def test_a_superset_never_moves_an_old_family(old: list[str], new: list[str], seed: int) -> None:
    before = {family: split_of(family, seed=seed, settings=SplitSettings()) for family in old}
    after = {family: split_of(family, seed=seed, settings=SplitSettings()) for family in [*new, *old]}
    assert before.items() <= after.items()


@given(family=st.text(), low=st.floats(0.01, 0.98), more=st.floats(0, 0.01))
def test_a_larger_test_fraction_takes_no_family_out_of_testing(family: str, low: float, more: float) -> None:
    if split_of(family, seed=0, settings=SplitSettings(test_fraction=low)) == "test":
        assert split_of(family, seed=0, settings=SplitSettings(test_fraction=low + more)) == "test"


def test_the_share_of_test_families_is_the_one_asked_for() -> None:
    sides = [split_of(f"car {n}", seed=0, settings=SplitSettings(test_fraction=0.2)) for n in range(5000)]
    assert 0.18 < sides.count("test") / len(sides) < 0.22


def test_another_seed_splits_otherwise() -> None:
    families = [f"car {n}" for n in range(50)]
    first, second = ([split_of(f, seed=seed, settings=SplitSettings()) for f in families] for seed in (0, 1))
    assert first != second


def test_the_hash_is_the_same_on_every_machine() -> None:
    assert round(unit_hash("car 1", seed=0), 9) == 0.982379878


TAXONOMY = Taxonomy(
    categories=(
        Category(name="dent"),
        Category(name="scratch"),
        Category(name="rust"),
        Category(name="clean", kind="tag"),
    )
)
HALF = SplitSettings(test_fraction=0.5)


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def image(number: int, family: str = "", **fields: Any) -> Image:
    name = f"images/{number}.jpg"
    return Image(**{"sha256": sha(number), "file_name": name, "width": 640, "height": 480, "family": family, **fields})


def dent(number: int, category_id: int = 1) -> Annotation:
    return Annotation(sha(number), category_id, (1, 2, 3, 4))


def dataset_of(images: Iterable[Image], annotations: Iterable[Annotation] = ()) -> Dataset:
    return make_dataset(TAXONOMY, images, annotations)


def sides_of(assigned: Assigned) -> dict[str, Split | None]:
    return {image.sha256: image.split for image in assigned.dataset.images}


@st.composite
def datasets(draw: st.DrawFn, *, numbers: tuple[int, int] = (0, 30), families: str = "abcdefgh") -> Dataset:
    """Images without sides; an image's family follows from its number, so two datasets agree on it."""
    chosen = draw(st.sets(st.integers(*numbers), max_size=14))
    images = [image(number, families[number % len(families)]) for number in chosen]
    drawn = draw(st.lists(st.builds(dent, st.sampled_from(sorted(chosen)), st.integers(1, 3)))) if chosen else []
    return dataset_of(images, drawn)


SEEDS, FRACTIONS = st.integers(0, 3), st.floats(0.05, 0.95).map(lambda share: SplitSettings(test_fraction=share))


@given(dataset=datasets(), seed=SEEDS, settings=FRACTIONS)
def test_every_image_gets_a_side_and_no_family_is_separated(
    dataset: Dataset, seed: int, settings: SplitSettings
) -> None:
    assigned = assign_splits(dataset, known={}, seed=seed, settings=settings)
    families: dict[str, set[Split | None]] = defaultdict(set)
    for one in assigned.dataset.images:
        families[one.family].add(one.split)
    assert {family: {side} for family, side in assigned.new.items()} == families
    assert assigned.tied == ()
    assert find_leaks(assigned.dataset) == Leaks((), ())


@given(dataset=datasets(), seed=SEEDS, settings=FRACTIONS)
def test_only_sides_are_changed(dataset: Dataset, seed: int, settings: SplitSettings) -> None:
    assigned = assign_splits(dataset, known={}, seed=seed, settings=settings).dataset
    without_sides = [replace(one, split=None) for one in assigned.images]
    assert make_dataset(TAXONOMY, without_sides, assigned.annotations) == dataset


@given(old=datasets(), more=datasets(), seeds=st.tuples(SEEDS, SEEDS), settings=st.tuples(FRACTIONS, FRACTIONS))
def test_a_superset_keeps_every_old_image_where_it_was(
    old: Dataset, more: Dataset, seeds: tuple[int, int], settings: tuple[SplitSettings, SplitSettings]
) -> None:
    before = sides_of(assign_splits(old, known={}, seed=seeds[0], settings=settings[0]))
    known = {sha256: side for sha256, side in before.items() if side}
    both = dataset_of({**old.by_sha256, **more.by_sha256}.values(), (*old.annotations, *more.annotations))
    again = assign_splits(both, known=known, seed=seeds[1], settings=settings[1])
    assert before.items() <= sides_of(again).items()
    assert find_leaks(again.dataset) == Leaks((), ())
    assert set(again.new) == {one.family for one in both.images} - {one.family for one in old.images}


@given(data=st.data(), dataset=datasets(), seed=SEEDS)
def test_the_order_of_images_and_annotations_changes_nothing(data: st.DataObject, dataset: Dataset, seed: int) -> None:
    images, annotations = (data.draw(st.permutations(part)) for part in (dataset.images, dataset.annotations))
    shuffled = Dataset(TAXONOMY, tuple(images), tuple(annotations))
    assert assign_splits(shuffled, known={}, seed=seed) == assign_splits(dataset, known={}, seed=seed)


@given(dataset=datasets(), seed=SEEDS)
def test_splitting_again_changes_nothing(dataset: Dataset, seed: int) -> None:
    once = assign_splits(dataset, known={}, seed=seed).dataset
    again = assign_splits(once, known={}, seed=seed + 1, settings=HALF)
    assert (again.dataset, again.new) == (once, {})


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_class_has_about_its_share_in_test(fraction: float, seed: int) -> None:
    images = [image(number, f"car {number // 3}") for number in range(3000)]
    common = [dent(number, 1) for number in range(3000)]
    scratches = [dent(number, 2) for number in range(0, 3000, 7)]
    rare = [dent(number, 3) for number in range(0, 3000, 75)]
    tagged = [replace(one, tags=(Tag(4),)) if number % 10 == 0 else one for number, one in enumerate(images)]
    dataset = dataset_of(tagged, [*common, *scratches, *rare])
    split = assign_splits(dataset, known={}, seed=seed, settings=SplitSettings(test_fraction=fraction)).dataset
    tested = {one.sha256 for one in split.images if one.split == "test"}
    assert len(tested) / 3000 == pytest.approx(fraction, abs=0.03)
    for category_id, total, least in ((1, 3000, 0.03), (2, 429, 0.04), (3, 40, 0.06)):
        found = sum(a.category_id == category_id and a.sha256 in tested for a in dataset.annotations)
        assert found / total == pytest.approx(fraction, abs=least)
    assert sum(bool(one.tags) and one.sha256 in tested for one in split.images) / 300 == pytest.approx(
        fraction, abs=0.05
    )


def test_a_dataset_that_grows_bit_by_bit_has_its_share_in_test_too() -> None:
    known: dict[str, Split] = {}
    for end in range(50, 1001, 50):
        dataset = dataset_of((image(n, f"car {n}") for n in range(end)), (dent(n, 1 + n % 3) for n in range(end)))
        known = {s: side for s, side in sides_of(assign_splits(dataset, known=known, seed=0)).items() if side}
    assert list(known.values()).count("test") / len(known) == pytest.approx(0.2, abs=0.04)


def test_new_images_follow_the_old_ones_of_their_family() -> None:
    old, new = image(1, "car"), image(2, "car")
    for side in ("train", "test"):
        assigned = assign_splits(dataset_of([old, new]), known={old.sha256: side}, seed=0)
        assert set(sides_of(assigned).values()) == {side}
        assert assigned.new == {}


def test_what_is_known_goes_before_what_the_image_says() -> None:
    said = image(1, "car", split="train")
    assert sides_of(assign_splits(dataset_of([said]), known={said.sha256: "test"}, seed=0)) == {said.sha256: "test"}
    assert sides_of(assign_splits(dataset_of([said]), known={}, seed=0)) == {said.sha256: "train"}


def test_the_views_of_an_image_get_its_side_too() -> None:
    seen = image(1, "car", views=(View("a", "1.jpg", "car"), View("b", "2.jpg", "other", split="train")))
    (assigned,) = assign_splits(dataset_of([seen]), known={seen.sha256: "test"}, seed=0).dataset.images
    assert [view.split for view in assigned.views] == ["test", "test"]


def test_new_images_of_a_family_on_both_sides_go_to_neither_and_old_ones_stay() -> None:
    images = [image(1, "car"), image(2, "car"), image(3, "car"), image(4, "van")]
    assigned = assign_splits(dataset_of(images), known={sha(1): "train", sha(2): "test"}, seed=0)
    sides = sides_of(assigned)
    assert [sides[sha(number)] for number in (1, 2, 3)] == ["train", "test", None]
    assert (assigned.tied, set(assigned.new)) == (("car",), {"van"})


def test_a_family_that_shows_the_photographs_of_both_sides_goes_to_neither() -> None:
    images = [image(1, "a"), image(2, "b"), image(3, "c", near=(sha(1), sha(2))), image(4, "d", near=(sha(3),))]
    assigned = assign_splits(dataset_of(images), known={sha(1): "train", sha(2): "test"}, seed=0)
    sides = sides_of(assigned)
    assert [sides[sha(number)] for number in (1, 2, 3, 4)] == ["train", "test", None, None]
    assert (assigned.tied, assigned.new) == (("a",), {})


@pytest.mark.parametrize("side", ["train", "test"])
def test_a_larger_image_takes_the_side_of_the_copy_that_had_one(side: Split) -> None:
    larger = image(1, "car", copies=(Copy(sha(2), "images/2.jpg", 320, 240),))
    assigned = assign_splits(dataset_of([larger, image(3, "car")]), known={sha(2): side}, seed=0)
    assert (set(sides_of(assigned).values()), assigned.new) == ({side}, {})


def test_an_image_whose_copies_are_on_both_sides_goes_to_neither() -> None:
    copies = (Copy(sha(2), "images/2.jpg", 320, 240), Copy(sha(3), "images/3.jpg", 160, 120))
    larger = image(1, "car", copies=copies)
    assigned = assign_splits(dataset_of([larger]), known={sha(2): "train", sha(3): "test"}, seed=0)
    assert (sides_of(assigned), assigned.tied) == ({larger.sha256: None}, ("car",))


def test_nothing_is_split_into_nothing() -> None:
    assert assign_splits(dataset_of([]), known={sha(1): "test"}, seed=0) == Assigned(dataset_of([]), {}, ())


def test_leaks_are_families_on_both_sides_and_pairs_of_one_photograph_across_them() -> None:
    images = [
        image(1, "car", split="train", near=(sha(2), sha(3), sha(4), sha(9))),
        image(2, "van", split="test", near=(sha(1),)),
        image(3, "car", split="test"),
        image(4, "bus", split=None, near=(sha(2),)),
        image(5, "bus", split="train", near=(sha(6),)),
        image(6, "bus", split="train"),
    ]
    leaks = find_leaks(dataset_of(images))
    assert leaks.families == ("car",)
    pairs = [tuple(sorted((sha(1), sha(number)))) for number in (2, 3)]
    assert leaks.near == tuple(sorted(pairs))
