"""Columns of numbers parsed in bulk: the same as one by one, and nothing that is no number slips through."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from datasets import numbers
from datasets.numbers import count_numbers, parse_numbers, parse_rings, parse_rows, sorted_unique

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBER = FINITE | st.integers(-(2**62), 2**62)
RING = st.lists(NUMBER, min_size=2, max_size=6)
RINGS = st.lists(RING, max_size=3)
NO_NUMBERS = [
    "true",
    "null",
    '"1"',
    "{}",
    '{"a": 1}',
    "NaN",
    "Infinity",
    "1e999",
    "[",
    "",
    "1]",
    "1,",
    "--1",
    "0x1",
    "é",
]


def spelt(values: object, indent: int | None = None) -> bytes:
    return json.dumps(values, indent=indent).encode()


def rows(width: int) -> SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(NUMBER, min_size=width, max_size=width), max_size=8)


@given(rows=rows(4), indent=st.sampled_from([None, 0, 2]))
def test_rows_are_the_numbers_that_json_holds_however_it_is_spaced(rows: list[list[float]], indent: int | None) -> None:
    parsed = parse_rows([spelt(row, indent) for row in rows], width=4)
    assert parsed.shape == (len(rows), 4)
    assert parsed.tolist() == [[float(value) for value in row] for row in rows]


@given(values=rows(4), text=st.lists(NUMBER, max_size=9).filter(lambda values: len(values) != 4).map(spelt))
def test_a_row_of_another_length_is_refused_wherever_it_stands(values: list[list[float]], text: bytes) -> None:
    pieces = [spelt(row) for row in values]
    for place in range(len(pieces) + 1):
        with pytest.raises(ValueError, match="not 4 numbers"):
            parse_rows([*pieces[:place], text, *pieces[place:]], width=4)


def test_two_short_rows_do_not_pass_for_one_whole() -> None:
    for pieces in ([b"[1,2]", b"[3,4]"], [b"[1,2,3]", b"[4,5,6,7,8]"], [b"[1,2],[3,4]"], [b"1", b"2", b"3", b"4"]):
        with pytest.raises(ValueError, match="not 4 numbers"):
            parse_rows(pieces, width=4)


def test_rows_nested_in_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="not 4 numbers"):
        parse_rows([b"[[1,2,3,4]]"], width=4)


@pytest.mark.parametrize("broken", NO_NUMBERS)
def test_what_is_no_finite_number_is_refused_by_all_three(broken: str) -> None:
    piece = f"[1,2,3,{broken}]".encode()
    with pytest.raises(ValueError, match=r"."):
        parse_numbers([piece])
    with pytest.raises(ValueError, match=r"."):
        parse_rows([piece], width=4)
    with pytest.raises(ValueError, match=r"."):
        parse_rings([b"[" + piece + b"]"])


@given(pieces=st.lists(st.lists(NUMBER | RING | RINGS, max_size=4), max_size=6))
def test_numbers_come_in_order_out_of_any_nesting(pieces: list[list[object]]) -> None:
    def flat(value: object) -> list[float]:
        return [number for inner in value for number in flat(inner)] if isinstance(value, list) else [float(value)]

    assert parse_numbers([spelt(piece) for piece in pieces]).tolist() == flat(pieces)


@given(values=st.lists(RING, max_size=6))
def test_flat_arrays_are_counted_without_parsing(values: list[list[float]]) -> None:
    assert count_numbers([spelt(ring) for ring in values]).tolist() == [len(ring) for ring in values]


@given(pieces=st.lists(RINGS, max_size=8), indent=st.sampled_from([None, 1]))
@example(pieces=[[], [[1.0, 2.0]], []], indent=None)
def test_rings_are_counted_for_each_piece(pieces: list[list[list[float]]], indent: int | None) -> None:
    parsed, counts, rings = parse_rings([spelt(piece, indent) for piece in pieces])
    assert parsed.tolist() == [float(value) for piece in pieces for ring in piece for value in ring]
    assert counts.tolist() == [sum(map(len, piece)) for piece in pieces]
    assert rings.tolist() == [len(piece) for piece in pieces]


@pytest.mark.parametrize(
    "piece", [b"[1,2,3]", b"[[[1,2],[3,4]]]", b"[[1,2],3]", b"[[]]", b"[[1,2],[]]", b"[[1,[2]]]", b"[5]", b"5", b"{}"]
)
def test_a_piece_that_is_not_arrays_of_numbers_is_refused(piece: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_rings([b"[[9,9]]", piece])


@pytest.mark.parametrize("pieces", [[b"[[],5]"], [b"[[]]", b"[5]"], [b"[[[1,2]],[]]"]])
def test_an_empty_array_does_not_excuse_a_stray_number(pieces: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_rings(pieces)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 9])
def test_pieces_are_parsed_the_same_in_any_portions(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(numbers, "_AT_ONCE", 2)
    pieces = [[[float(n), n + 0.5]] * (n % 3) for n in range(count)]
    parsed, counts, rings = parse_rings([spelt(piece) for piece in pieces])
    assert parsed.tolist() == [value for piece in pieces for ring in piece for value in ring]
    assert (counts.tolist(), rings.tolist()) == ([2 * len(piece) for piece in pieces], [len(piece) for piece in pieces])
    flat = [[float(n), 1.0] for n in range(count)]
    assert parse_rows([spelt(row) for row in flat], width=2).tolist() == flat
    assert parse_numbers([spelt(row) for row in flat]).tolist() == [value for row in flat for value in row]


def test_nothing_gives_columns_of_no_length() -> None:
    assert parse_rows([], width=4).shape == (0, 4)
    assert parse_numbers([]).shape == (0,)
    assert [column.shape for column in parse_rings([])] == [(0,), (0,), (0,)]
    assert count_numbers([]).shape == (0,)


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)))
def test_sorted_unique_is_what_a_set_gives(values: list[int]) -> None:
    assert sorted_unique(np.array(values, np.int64)).tolist() == sorted(set(values))
