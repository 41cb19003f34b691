"""Columns of numbers from many small pieces of JSON, parsed at once.

A dataset's geometry is most of its text. Kept as raw JSON and parsed here in bulk, it costs a fraction of what a Python
object for each number does.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import simdjson
from msgspec import Raw
from numpy.typing import NDArray

Pieces = Sequence[Raw | bytes]
_AT_ONCE = 5000  # what these take fits into a processor's cache
_NUMBERS = b"0123456789.eE+- \n\r\t"
_OPEN, _CLOSE, _COMMA = b"[],"


def parse_numbers(pieces: Pieces) -> NDArray[np.float64]:
    """All numbers of JSON arrays of numbers, nested or flat, in order: (N,) float64.

    Memory beyond the result is bounded by what 5,000 pieces take.

    Raises:
        ValueError: something in a piece is no finite number, or the piece is not JSON.
    """
    return np.concatenate([np.empty(0), *(_parse(text) for text in _texts(pieces))])


def sorted_unique(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct values in order; by sorting, which takes a fraction of what numpy's own hashing does."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered


def count_numbers(pieces: Sequence[Raw | bytes]) -> NDArray[np.int64]:
    """How many numbers each flat, non-empty JSON array of numbers holds: (N,) int64."""
    return np.fromiter((bytes(piece).count(b",") + 1 for piece in pieces), np.int64, len(pieces))


def parse_rows(pieces: Pieces, *, width: int) -> NDArray[np.float64]:
    """Flat JSON arrays of `width` numbers each: (N, width) float64. Raises ValueError when one is something else."""
    row = b"[" + b"," * (width - 1) + b"]"
    parsed = [np.empty(0)]
    for text in _texts(pieces):
        outline = text.translate(None, _NUMBERS)
        if outline != b"[" + b",".join([row] * ((len(outline) - 1) // (len(row) + 1))) + b"]":
            raise ValueError(f"an array is not {width} numbers")
        parsed.append(_parse(text))
    return np.concatenate(parsed).reshape(-1, width)


def parse_rings(pieces: Pieces) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Polygons, each an array of arrays of two numbers or more: all numbers (N,), how many each piece has, and arrays.

    Raises ValueError when a piece is something else.
    """
    parsed, counts, rings = [np.empty(0)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for text in _texts(pieces):
        numbers = _parse(text)
        inside, arrays = _outline(text)
        if inside.sum() != len(numbers):
            raise ValueError("a piece is not arrays of numbers")
        parsed.append(numbers)
        counts.append(inside)
        rings.append(arrays)
    return np.concatenate(parsed), np.concatenate(counts), np.concatenate(rings)


def _outline(text: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many numbers and how many arrays each piece of a text holds, told by brackets and commas alone.

    Raises ValueError where arrays are too deep or too short; numbers beside them are not counted.
    """
    marks = np.frombuffer(text.translate(None, _NUMBERS)[1:-1], np.uint8)
    brackets = np.flatnonzero(marks != _COMMA)
    is_open = marks[brackets] == _OPEN
    depth = np.cumsum(np.where(is_open, 1, -1), dtype=np.int32)
    is_array = is_open & (depth == 2)
    numbers = np.where(is_array, np.diff(brackets, append=len(marks)), 0)  # one more than the commas in between
    if depth.max(initial=0) > 2 or (numbers == 1).any():
        raise ValueError("a piece is not arrays of two numbers or more")
    ends = np.flatnonzero(~is_open & (depth == 0))
    return np.diff(np.cumsum(numbers)[ends], prepend=0), np.diff(np.cumsum(is_array)[ends], prepend=0)


def _texts(pieces: Pieces) -> Iterator[bytes]:
    for start in range(0, len(pieces), _AT_ONCE):
        yield b"[" + b",".join(pieces[start : start + _AT_ONCE]) + b"]"


def _parse(text: bytes) -> NDArray[np.float64]:
    try:
        array: Any = simdjson.Parser().parse(text)
        return np.frombuffer(array.as_buffer(of_type="d"), np.float64)
    except (TypeError, RuntimeError) as error:
        raise ValueError(str(error)) from None
