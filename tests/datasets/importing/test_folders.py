"""Folders named after classes: tags of whole images."""

from collections.abc import Callable
from typing import Any

CLEAN, DIRTY = 3, 4


def test_an_image_has_the_class_of_its_folder_and_not_the_others(write: Any, load: Any, by_name: Any) -> None:
    imported = load(write({"clean/1.jpg": 1, "dirty/2.jpg": 2}))
    images = {name: image for name, (image, _) in by_name(imported).items()}
    assert imported.format == "folders"
    assert [tag.category_id for tag in images["clean/1.jpg"].tags] == [CLEAN]
    assert (images["clean/1.jpg"].neg_category_ids, images["dirty/2.jpg"].neg_category_ids) == ((DIRTY,), (CLEAN,))
    assert images["clean/1.jpg"].views[0].category_ids == (CLEAN, DIRTY)


def test_split_folders_above_are_sources(write: Any, load: Any) -> None:
    imported = load(write({"train/clean/1.jpg": 1, "train/dirty/2.jpg": 2, "val/dirty/3.jpg": 3}))
    assert [(d.images[0].views[0].source, len(d.images)) for d in imported.datasets] == [
        ("cars/train", 2),
        ("cars/val", 1),
    ]
    assert imported.datasets[1].images[0].neg_category_ids == (CLEAN,)


def test_images_of_one_name_in_two_folders_or_formats_are_all_read(
    write: Any, load: Any, photograph: Any, by_name: Any
) -> None:
    root = write({"clean/1.jpg": 1, "clean/1.png": photograph(2, form="PNG"), "dirty/1.jpg": 3, "dirty/deep/1.jpg": 4})
    assert set(by_name(load(root))) == {"clean/1.jpg", "clean/1.png", "dirty/1.jpg", "dirty/deep/1.jpg"}


def test_a_folder_of_images_alone_names_no_class(write: Any, refusal: Callable[..., str]) -> None:
    assert "is in no format that is known here" in refusal(write({"images/1.jpg": 1}))
    assert "is in no format that is known here" in refusal(write({"train/images/1.jpg": 1}))


def test_one_image_in_both_folders_is_two_statements_on_it(write: Any, load: Any) -> None:
    imported = load(write({"clean/1.jpg": 1, "dirty/1.jpg": 1}))
    one, two = imported.datasets
    assert (one.images[0].sha256, one.images[0].views[0].source) == (two.images[0].sha256, "cars")
    assert two.images[0].views[0].source == "cars (copy 2)"
    assert imported.notes == ("1 images are there again under another name of one source",)
