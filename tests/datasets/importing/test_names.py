"""Classes of a source in the project's terms, and what happens to those that the project lacks."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datasets.errors import UnknownCategory
from datasets.importing.foreign import ForeignImage, ForeignObject, ForeignSource, ForeignTag, ImportSettings
from datasets.importing.names import resolve_names
from datasets.taxonomy import Category, Taxonomy


def source(*names: str, name: str = "cars", tags: tuple[str, ...] = ()) -> ForeignSource:
    objects = tuple(ForeignObject(str(number), found, (1, 2, 3, 4)) for number, found in enumerate(names))
    image = ForeignImage("a.jpg", None, objects=objects, tags=tuple(ForeignTag(tag) for tag in tags))
    return ForeignSource(name, (*names, *tags), (image,))


def classes(*categories: Any) -> Taxonomy:
    return Taxonomy(categories=tuple(Category.model_validate(category) for category in categories))


def test_an_alias_of_the_source_outranks_one_of_a_folder_above_and_that_a_plain_one() -> None:
    taxonomy = classes(
        {"name": "scratch", "aliases": ["0"]},
        {"name": "dent", "aliases": ["cars:0"]},
        {"name": "crack", "aliases": ["cars/train:0"]},
    )
    sources = [source("0", name=name) for name in ("cars/train", "cars/val", "vans/train")]
    ids = resolve_names(sources, taxonomy, ImportSettings()).category_ids
    assert [ids[name, "0"] for name in ("cars/train", "cars/val", "vans/train")] == [3, 2, 1]


@given(
    st.lists(st.text(min_size=1, max_size=12), unique=True, min_size=1, max_size=5),
    st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=3),
)
def test_the_lines_to_paste_are_yaml_that_makes_the_classes_known(boxes: list[str], tags: list[str]) -> None:
    known, tags = classes({"name": "a name that no draw has"}), [tag for tag in tags if tag not in boxes]
    foreign = source(*boxes, tags=tuple(tags))
    with pytest.raises(UnknownCategory) as caught:
        resolve_names([foreign], known, ImportSettings())
    lines = "categories:\n" + str(caught.value).split("in the project file:\n", maxsplit=1)[1]
    added = classes(*known.categories, *yaml.safe_load(lines)["categories"])
    assert all(id is not None for id in resolve_names([foreign], added, ImportSettings()).category_ids.values())


def test_unknown_classes_are_all_told_with_their_counts(write: Any, refusal: Callable[..., str]) -> None:
    root = write({"clean/1.jpg": 1, "muddy/2.jpg": 2, "muddy/3.jpg": 3, "0/4.jpg": 4})
    told = refusal(root)
    assert told.startswith(
        "cars: '0' (1 objects), 'muddy' (2 objects) not in the project; leave them out (--unknown drop)"
    )
    assert told.endswith("\n  - {name: '0', kind: tag}\n  - {name: muddy, kind: tag}")


def test_unknown_classes_can_be_dropped_and_are_counted(write: Any, load: Any) -> None:
    imported = load(write({"clean/1.jpg": 1, "muddy/2.jpg": 2}), unknown="drop")
    assert (imported.unknown, imported.counts) == ({"muddy": 1}, {"dropped": 1})
    assert [image.views[0].category_ids for image in imported.datasets[0].images] == [(3,), (3,)]
    assert [len(image.tags) for image in sorted(imported.datasets[0].images, key=lambda i: i.views[0].file_name)] == [
        1,
        0,
    ]


def test_unknown_classes_can_be_kept_with_a_kind_by_their_use(write: Any, load: Any, taxonomy: Taxonomy) -> None:
    imported = load(write({"clean/1.jpg": 1, "muddy/2.jpg": 2}), unknown="keep")
    assert imported.taxonomy.categories == (*taxonomy.categories, Category(name="muddy", kind="tag"))
    assert imported.datasets[0].taxonomy == imported.taxonomy


def test_a_class_to_drop_is_neither_there_nor_searched_for(write: Any, load: Any) -> None:
    imported = load(write({"clean/1.jpg": 1, "dirty/2.jpg": 2}), drop=("dirty",))
    assert {image.views[0].category_ids for image in imported.datasets[0].images} == {(3,)}


def test_a_class_that_is_declared_and_never_used_may_be_unknown() -> None:
    foreign = ForeignSource("cars", ("dent", "rust"), source("dent").images)
    names = resolve_names([foreign], classes({"name": "dent"}), ImportSettings(unknown="keep"))
    assert names.category_ids == {("cars", "dent"): 1, ("cars", "rust"): None}
    assert len(names.taxonomy.categories) == 1


def test_a_box_of_a_class_for_whole_images_is_refused(write: Any, refusal: Callable[..., str]) -> None:
    assert "the other way round for ['dent']; change their kind: or drop them" in refusal(
        write({"dent/1.jpg": 1, "clean/2.jpg": 2})
    )
