"""What reviewers decided of an image holds for those that are derived from it."""

from datasets.coco import Image
from datasets.decisions import Decision
from pipelines.selecting.reviewed import not_excluded, ratings_of

PLAIN = Image("a", "a.png", 1, 1, family="car")
BLURRED = Image("b", "b.png", 1, 1, family="car", derived_from="a")


def test_an_image_leaves_with_the_one_that_it_is_derived_from() -> None:
    assert not_excluded([PLAIN, BLURRED], {"a": Decision(marks=("exclude",))}) == []
    assert not_excluded([PLAIN, BLURRED], {"b": Decision(marks=("exclude",))}) == [PLAIN]


def test_an_image_has_its_own_rating_or_that_of_the_one_that_it_is_derived_from() -> None:
    assert ratings_of([PLAIN, BLURRED], {"a": Decision(quality=5)}) == {"a": 5, "b": 5}
    assert ratings_of([PLAIN, BLURRED], {"a": Decision(quality=5), "b": Decision(quality=1)}) == {"a": 5, "b": 1}
    assert ratings_of([PLAIN], {"a": Decision(notes="no rating")}) == {}
