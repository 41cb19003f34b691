"""The classes of a project and their pinned ids."""

import pytest
from pydantic import ValidationError

from datasets.errors import UnknownCategory
from datasets.taxonomy import DEFAULT_TAXONOMY, Category, Taxonomy


def test_ids_follow_the_project_s_order_from_one(taxonomy: Taxonomy) -> None:
    assert [taxonomy.category_id(name) for name in taxonomy.names()] == [1, 2, 3, 4]
    assert [taxonomy.name(category_id) for category_id in taxonomy.ids()] == taxonomy.names()


def test_an_alias_has_its_class_s_id(taxonomy: Taxonomy) -> None:
    assert taxonomy.category_id("door") == taxonomy.category_id("damaged door")


def test_an_unknown_class_is_told_with_those_that_there_are(taxonomy: Taxonomy) -> None:
    with pytest.raises(UnknownCategory, match=r"class 'dunt' is not in the project; its classes are \['damaged door'"):
        taxonomy.category_id("dunt")


def test_a_name_that_means_two_classes_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be unique, these are not: dent"):
        Taxonomy(categories=(Category(name="dent"), Category(name="scratch", aliases=("dent",))))


def test_ids_and_names_of_one_kind_keep_their_order(taxonomy: Taxonomy) -> None:
    assert (taxonomy.ids("tag"), taxonomy.names("tag")) == ([3, 4], ["clean", "dirty"])


def test_the_default_project_has_eight_damages_and_two_tags() -> None:
    assert DEFAULT_TAXONOMY.ids("rectangle") == [1, 2, 3, 4, 5, 6, 7, 8]
    assert DEFAULT_TAXONOMY.names("tag") == ["clean", "dirty"]
