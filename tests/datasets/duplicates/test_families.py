"""Families: sure pairs join, doubtful ones only with company."""

from hypothesis import given
from hypothesis import strategies as st

from datasets.duplicates.families import families
from datasets.duplicates.pairs import SCORE, Pair, Transform

SURE, DOUBTFUL = 0.99, SCORE
AS_IS = Transform(1, 1, 0, 0)


def pair(one: int, other: int, score: float) -> Pair:
    return Pair(one, other, score, "cropped", AS_IS)


def test_images_without_pairs_are_families_of_one() -> None:
    assert families(3, []) == [[0], [1], [2]]


def test_sure_pairs_join_through_others() -> None:
    assert families(5, [pair(0, 3, SURE), pair(1, 3, SURE)]) == [[0, 1, 3], [2], [4]]


def test_one_doubtful_pair_brings_in_an_image_that_is_alone() -> None:
    assert families(3, [pair(0, 1, SURE), pair(1, 2, DOUBTFUL)]) == [[0, 1, 2]]


def test_one_doubtful_pair_does_not_join_two_families() -> None:
    pairs = [pair(0, 1, SURE), pair(2, 3, SURE), pair(1, 2, DOUBTFUL)]
    assert families(4, pairs) == [[0, 1], [2, 3]]


def test_two_doubtful_pairs_join_two_families() -> None:
    pairs = [pair(0, 1, SURE), pair(2, 3, SURE), pair(1, 2, DOUBTFUL), pair(0, 3, DOUBTFUL)]
    assert families(4, pairs) == [[0, 1, 2, 3]]


@given(st.data())
def test_the_order_of_pairs_changes_no_family(data: st.DataObject) -> None:
    scores = st.sampled_from([DOUBTFUL, 0.97, SURE])
    ends = st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda both: both[0] < both[1])
    drawn = data.draw(st.dictionaries(ends, scores, max_size=15))
    pairs = [pair(one, other, score) for (one, other), score in drawn.items()]
    assert families(10, data.draw(st.permutations(pairs))) == families(10, pairs)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(10, 19)), max_size=20, unique=True))
def test_every_image_is_in_one_family(ends: list[tuple[int, int]]) -> None:
    found = families(20, [pair(one, other, SURE) for one, other in ends])
    assert sorted(number for family in found for number in family) == list(range(20))
