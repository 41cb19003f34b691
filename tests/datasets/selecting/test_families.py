"""Selection: cars nobody has seen first, and the same choice from the same images."""

from hypothesis import given
from hypothesis import strategies as st

from datasets.coco import Image
from datasets.selecting.families import select

IMAGES = [Image(f"{n:064}", f"{n}.jpg", 64, 48, family=f"car {n // 3}") for n in range(12)]
ANY_IMAGES = st.lists(st.sampled_from(IMAGES), unique_by=lambda image: image.sha256)


@given(images=ANY_IMAGES, taken=ANY_IMAGES, budget=st.integers(0, 15), data=st.data())
def test_the_choice_does_not_depend_on_the_order(
    images: list[Image], taken: list[Image], budget: int, data: st.DataObject
) -> None:
    done = {image.sha256 for image in taken}
    shuffled = data.draw(st.permutations(images))
    assert select(shuffled, taken=done, budget=budget, seed=1) == select(images, taken=done, budget=budget, seed=1)


@given(images=ANY_IMAGES, taken=ANY_IMAGES, budget=st.integers(0, 15))
def test_the_budget_is_spent_on_images_that_are_not_taken(images: list[Image], taken: list[Image], budget: int) -> None:
    done = {image.sha256 for image in taken}
    left = {image.sha256 for image in images} - done
    chosen = [image.sha256 for image in select(images, taken=done, budget=budget, seed=0)]
    assert len(chosen) == len(set(chosen)) == min(budget, len(left))
    assert set(chosen) <= left


def test_each_car_gets_one_photograph_before_any_gets_two() -> None:
    chosen = select(IMAGES, taken=(), budget=4, seed=0)
    assert len({image.family for image in chosen}) == 4


def test_a_car_with_labels_waits_for_those_without() -> None:
    taken = {IMAGES[0].sha256}
    chosen = select(IMAGES, taken=taken, budget=3, seed=0)
    assert {image.family for image in chosen} == {"car 1", "car 2", "car 3"}


def test_another_seed_chooses_otherwise() -> None:
    first, second = (select(IMAGES, taken=(), budget=4, seed=seed) for seed in (0, 1))
    assert first != second
