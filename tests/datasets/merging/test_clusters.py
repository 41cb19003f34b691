"""Which overlaps are weighed at all: those of boxes that different hands drew."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from datasets.merging.atoms import Atoms, take_apart
from datasets.merging.clusters import find_overlaps, of_several_hands
from datasets.merging.places import Frames, Places, find_places
from datasets.merging.sources import Source
from datasets.records import AnnotationRecord, CocoFile, ImageRecord

PICTURE = ImageRecord(id=1, sha256="a" * 64, file_name="a.jpg", width=100, height=100, family="a")


def at(*lefts: int, source: str) -> Source:
    """What a source drew on one picture: boxes of 20 × 20 px, each with its left side there."""
    drawn = [AnnotationRecord(n, 1, 1, Raw(b"[%d,0,20,20]" % left)) for n, left in enumerate(lefts)]
    return Source(source, CocoFile([], [PICTURE], drawn))


def placed(*sources: Source) -> tuple[Places, Atoms]:
    atoms = take_apart(sources, {PICTURE.sha256: 0})
    return find_places(atoms, Frames(np.zeros(1, np.int64), np.ones((1, 2)))), atoms


def pairs(*sources: Source) -> set[tuple[float, float]]:
    """The left sides of the boxes whose overlap is weighed."""
    places, atoms = placed(*sources)
    left = places.boxes_xyxy[:, 0].tolist()
    found = of_several_hands(places, atoms, find_overlaps(places, atoms, min_iou=0.3))
    return {(left[one], left[other]) for one, other in zip(found.first.tolist(), found.second.tolist(), strict=True)}


def test_boxes_that_one_source_drew_are_not_weighed_against_each_other() -> None:
    assert pairs(at(0, 1, 2, source="a"), at(3, source="b")) == {(0, 3), (1, 3), (2, 3)}


def test_a_place_where_several_drew_is_weighed_against_each_of_them() -> None:
    assert pairs(at(0, 5, source="a"), at(0, source="b")) == {(0, 5)}


def test_nothing_drawn_overlaps_nothing() -> None:
    assert pairs() == set()
    assert pairs(at(source="a")) == set()


@given(one=st.lists(st.integers(0, 30), max_size=6), other=st.lists(st.integers(0, 30), max_size=6))
def test_only_pairs_of_one_hand_are_left_out(one: list[int], other: list[int]) -> None:
    hands: dict[int, set[str]] = {}
    for source, lefts in (("a", one), ("b", other)):
        for left in lefts:
            hands.setdefault(left, set()).add(source)
    near = {(x, y) for x in hands for y in hands if x < y and 20 - (y - x) >= 0.3 * (20 + y - x)}
    if len(set().union(*hands.values())) < 2:
        near = set()
    assert pairs(at(*one, source="a"), at(*other, source="b")) == {
        (x, y) for x, y in near if len(hands[x] | hands[y]) > 1
    }
