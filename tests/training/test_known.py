import numpy as np
import pytest

from training.errors import UnsuitableLabels
from training.known import FULL, group_known

ALL = frozenset({0, 1, 2})


def test_images_that_know_everything_need_no_groups() -> None:
    assert group_known([ALL, ALL | {7}], classes=3, blended=True) is None


def test_images_of_the_same_classes_are_one_group() -> None:
    known = group_known([frozenset({0}), ALL, frozenset({0})], classes=3, blended=False)

    assert known is not None
    first, second, third = known.groups
    assert first == third != second
    assert known.table[first].tolist() == [True, False, False]
    assert known.table[second].all()


def test_beyond_every_image_everything_is_known() -> None:
    known = group_known([frozenset({0})], classes=3, blended=False)

    assert known is not None
    assert known.table[FULL].all()


def test_through_each_other_two_images_know_what_both_know() -> None:
    sets = [frozenset({0, 1}), frozenset({1, 2}), ALL]
    known = group_known(sets, classes=3, blended=True)

    assert known is not None
    for one, first in zip(sets, known.groups, strict=True):
        for other, second in zip(sets, known.groups, strict=True):
            assert set(np.flatnonzero(known.table[known.both[first, second]])) == one & other
        assert known.both[first, FULL] == known.both[FULL, first] == first


def test_too_many_different_sets_are_refused() -> None:
    sets = [frozenset({number, number + 1}) for number in range(300)]

    with pytest.raises(UnsuitableLabels, match="the images know 300 different sets of classes"):
        group_known(sets, classes=400, blended=False)
