"""Overlapping boxes found by sweeping: the same pairs as trying every one, however large, flat or many they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray

from datasets.merging import overlaps
from datasets.merging.overlaps import overlapping_pairs, paired_iou

Boxes = NDArray[np.float64]
Pairs = dict[tuple[int, int], float]
COORDINATE = st.integers(0, 12).map(float) | st.floats(-5, 30)
IOU = st.sampled_from([0.01, 0.3, 0.5, 0.7, 1.0]) | st.floats(0.001, 1)


def boxes_of(coordinate: SearchStrategy[float], side: SearchStrategy[float]) -> SearchStrategy[list[list[float]]]:
    """Boxes as xyxy."""
    box = st.tuples(coordinate, coordinate, side, side).map(lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]])
    return st.lists(box, max_size=14)


def overlapping(boxes: Boxes, images: NDArray[np.int64], min_iou: float) -> Pairs:
    first, second, iou = overlapping_pairs(images, boxes, min_iou=min_iou)
    pairs = [(min(pair), max(pair)) for pair in zip(first.tolist(), second.tolist(), strict=True)]
    assert len(set(pairs)) == len(pairs), "a pair is told once"
    return dict(zip(pairs, iou.tolist(), strict=True))


def by_trying_all(boxes: Boxes, images: NDArray[np.int64], min_iou: float) -> Pairs:
    found = {}
    for i in range(len(boxes)):
        for j in range(i + 1, len(boxes)):
            if images[i] == images[j] and (iou := iou_of(*boxes[[i, j]].tolist())) >= min_iou:
                found[i, j] = iou
    return found


def assert_the_same(found: Pairs, expected: Pairs, min_iou: float) -> None:
    """Both have the same pairs and overlaps, but for those that meet the least one by a rounding error."""
    assert found.items() <= expected.items()
    assert all(iou < min_iou + 1e-9 for pair, iou in expected.items() if pair not in found)


def iou_of(one: list[float], other: list[float]) -> float:
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    union = area(one) + area(other) - width * height
    return width * height / union if union > 0 else 0.0


def area(box: list[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def as_boxes(found: list[list[float]]) -> Boxes:
    return np.array(found, float).reshape(-1, 4)


@given(data=st.data(), found=boxes_of(COORDINATE, st.integers(0, 8).map(float) | st.floats(0, 20)), min_iou=IOU)
def test_the_pairs_are_those_of_trying_every_one(data: st.DataObject, found: list[list[float]], min_iou: float) -> None:
    images = np.array(
        data.draw(st.lists(st.sampled_from([0, 1, 2**40]), min_size=len(found), max_size=len(found))), np.int64
    )
    boxes = as_boxes(found)
    assert_the_same(overlapping(boxes, images, min_iou), by_trying_all(boxes, images, min_iou), min_iou)


@given(found=boxes_of(st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1e12, 1e12 + 1]), st.floats(0, 1e12)), min_iou=IOU)
def test_huge_coordinates_lose_no_pair(found: list[list[float]], min_iou: float) -> None:
    boxes, images = as_boxes(found), np.zeros(len(found), np.int64)
    assert_the_same(overlapping(boxes, images, min_iou), by_trying_all(boxes, images, min_iou), min_iou)


def test_a_pair_that_just_meets_the_least_overlap_is_found() -> None:
    boxes = np.array([[1.13, 0.0, 2.73, 1.0], [1.61, 0.0, 2.73, 1.0]])
    assert iou_of(*boxes.tolist()) == 0.7
    assert overlapping(boxes, np.zeros(2, np.int64), 0.7) == {(0, 1): 0.7}


@given(
    numbers=st.lists(st.integers(0, 2**53), min_size=2, max_size=4, unique=True),
    found=boxes_of(st.sampled_from([0.0, 0.01, 1e9]), st.sampled_from([1.0, 1e9])).filter(len),
)
def test_boxes_of_different_images_never_overlap(numbers: list[int], found: list[list[float]]) -> None:
    images = np.repeat(np.array(numbers, np.int64), len(found))
    boxes = np.tile(as_boxes(found), (len(numbers), 1))
    pairs = overlapping(boxes, images, 0.5)
    assert all(images[i] == images[j] for i, j in pairs)
    alone = overlapping(as_boxes(found), np.zeros(len(found), np.int64), 0.5)
    assert len(pairs) == len(numbers) * len(alone)


@given(data=st.data(), found=boxes_of(COORDINATE, st.floats(0, 20)), min_iou=IOU)
def test_the_order_of_boxes_changes_nothing(data: st.DataObject, found: list[list[float]], min_iou: float) -> None:
    boxes, images = as_boxes(found), np.zeros(len(found), np.int64)
    order = data.draw(st.permutations(range(len(found))))
    shuffled = overlapping(boxes[order], images, min_iou)
    named = {(min(order[i], order[j]), max(order[i], order[j])): iou for (i, j), iou in shuffled.items()}
    expected = overlapping(boxes, images, min_iou)
    assert all(expected.get(pair, min_iou) == iou for pair, iou in named.items())
    assert all(
        iou < min_iou + 1e-9 for pair, iou in (named | expected).items() if (pair in named) != (pair in expected)
    )


def test_equal_boxes_overlap_wholly_even_at_the_strictest() -> None:
    boxes = np.array([[0.1, 0.2, 0.7, 0.9]] * 3)
    assert overlapping(boxes, np.zeros(3, np.int64), 1.0) == {(0, 1): 1.0, (0, 2): 1.0, (1, 2): 1.0}


@pytest.mark.parametrize("flat", [[5.0, 5, 5, 5], [5, 5, 9, 5], [5, 5, 5, 9]])
def test_boxes_without_area_overlap_nothing_not_even_themselves(flat: list[float]) -> None:
    boxes = np.array([flat, flat, [0, 0, 10, 10]], float)
    assert overlapping(boxes, np.zeros(3, np.int64), 0.01) == {}


def test_no_boxes_have_no_pairs() -> None:
    first, second, iou = overlapping_pairs(np.empty(0, np.int64), np.empty((0, 4)), min_iou=0.5)
    assert (first.shape, second.shape, iou.shape) == ((0,), (0,), (0,))
    assert (first.dtype, second.dtype) == (np.int64, np.int64)


def test_pairs_come_the_same_in_any_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = np.random.default_rng(0).uniform(0, 40, (60, 4))
    boxes[:, 2:] += boxes[:, :2]
    images = np.arange(60) % 3
    whole = overlapping(boxes, images, 0.1)
    assert len(whole) > 100
    for portion in (1, 7, 100):
        monkeypatch.setattr(overlaps, "_PAIRS_AT_ONCE", portion)
        assert overlapping(boxes, images, 0.1) == whole


def compared(monkeypatch: pytest.MonkeyPatch, boxes: Boxes, min_iou: float) -> tuple[Pairs, int, int]:
    """The pairs, how many were looked at, and how many at once at most."""
    looked: list[int] = []

    def counting(one: Boxes, other: Boxes) -> NDArray[np.float64]:
        looked.append(len(one))
        return paired_iou(one, other)

    monkeypatch.setattr(overlaps, "paired_iou", counting)
    return overlapping(boxes, np.zeros(len(boxes), np.int64), min_iou), sum(looked), max(looked, default=0)


def test_thousands_of_boxes_in_one_image_are_not_all_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.meshgrid(np.arange(100) * 10.0, np.arange(50) * 10.0)
    corner = np.stack([x.ravel(), y.ravel()], axis=1)
    boxes = np.concatenate([corner, corner + 9], axis=1)
    boxes = np.concatenate([boxes, boxes + 0.5])
    pairs, looked, _ = compared(monkeypatch, boxes, 0.7)
    assert sorted(pairs) == [(n, n + 5000) for n in range(5000)]
    assert looked < len(boxes) ** 2 / 100


def test_thousands_of_boxes_at_one_place_are_compared_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlaps, "_PAIRS_AT_ONCE", 50_000)
    boxes = np.tile([0.0, 0.0, 10.0, 10.0], (1000, 1))
    pairs, looked, most = compared(monkeypatch, boxes, 0.7)
    assert len(pairs) == looked == 1000 * 999 / 2
    assert most < 50_000 + 1000


@given(found=boxes_of(COORDINATE, st.floats(0, 20)))
def test_paired_iou_is_symmetric_and_between_zero_and_one(found: list[list[float]]) -> None:
    boxes = as_boxes(found)
    iou = paired_iou(boxes, boxes[::-1])
    assert ((iou >= 0) & (iou <= 1)).all()
    assert (iou == paired_iou(boxes[::-1], boxes)).all()
