"""Masks as CVAT has them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datasets.crops import run_lengths


@given(st.lists(st.booleans()))
def test_run_lengths_give_the_bits_back_and_begin_with_those_that_are_off(bits: list[bool]) -> None:
    runs = run_lengths(np.array(bits, bool))
    assert [index % 2 == 1 for index, length in enumerate(runs) for _ in range(length)] == bits
    assert all(runs[1:])
