"""Masks are read as pycocotools reads them, and garbage is refused before it gets there."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as pycocotools_mask

from datasets.rle import decode_mask, encode_mask, encode_pixels, parse_mask

PIXELS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 1))
)


@given(PIXELS)
def test_a_mask_has_the_area_and_extent_that_pycocotools_says(pixels: Any) -> None:
    packed = pycocotools_mask.encode(np.asfortranarray(pixels))
    mask = parse_mask({"size": packed["size"], "counts": packed["counts"].decode()})
    assert mask.area == pixels.sum()
    extent = tuple(pycocotools_mask.toBbox(packed).tolist())
    assert mask.bbox_xywh == (extent if pixels.any() else None)


@given(PIXELS)
def test_counts_as_a_list_say_the_same_as_counts_as_a_text(pixels: Any) -> None:
    packed = pycocotools_mask.encode(np.asfortranarray(pixels))
    runs = parse_mask({"size": packed["size"], "counts": packed["counts"].decode()}).runs
    assert parse_mask({"size": packed["size"], "counts": runs.tolist()}).runs.tolist() == runs.tolist()


@given(PIXELS)
def test_a_mask_comes_back_as_it_was(pixels: Any) -> None:
    mask = decode_mask(encode_pixels(pixels))
    assert (mask.pixels == pixels).all()
    assert encode_mask(mask) == encode_pixels(pixels)


def test_encoding_a_mask_of_many_pixels_takes_no_memory_for_them() -> None:
    side = 2**15
    assert encode_mask(parse_mask({"size": [side, side], "counts": [side**2]})).size == (side, side)


def test_a_number_without_an_end_is_refused_at_once() -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match="larger than any image"):
        parse_mask({"size": [480, 640], "counts": "o" * 2_000_000 + "1"})
    assert time.process_time() - start < 1


@given(st.text(max_size=40), st.integers(1, 100), st.integers(1, 100))
def test_any_text_is_a_mask_that_fills_its_size_or_is_refused(counts: str, height: int, width: int) -> None:
    try:
        mask = parse_mask({"size": [height, width], "counts": counts})
    except ValueError:
        return
    assert mask.runs.sum() == height * width


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"size": [2, 2]},
        {"size": [2, 2], "counts": {}},
        {"size": [2], "counts": [4]},
        {"size": [2.0, 2], "counts": [4]},
        {"size": [2**20, 2**20], "counts": [2**40]},
        {"size": [2, 2], "counts": [5]},
        {"size": [2, 2], "counts": [-1, 5]},
        {"size": [2, 2], "counts": [True, 3]},
        {"size": [2, 2], "counts": [10**30]},
        {"size": [2, 2], "counts": "o"},
        {"size": [2, 2], "counts": "o" * 50 + "1"},
        {"size": [2, 2], "counts": " "},
    ],
)
def test_a_broken_mask_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_mask(value)
