"""Names: letters, digits, dots, dashes and underscores, and nothing that hides a digest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.names import is_name, name_like


@pytest.mark.parametrize("name", ["one", "cars.v1", "2024-01-01", "a_b", "Ölspur", "車", "x" * 80, "abc12"])
def test_a_name_stays_as_it_is(name: str) -> None:
    assert is_name(name)
    assert name_like(name) == name


@given(st.text())
def test_any_text_has_a_name_like_it(text: str) -> None:
    assert is_name(name_like(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("my cars (2)", "my-cars-2"),
        ("__init__", "init__"),
        ("", "dataset"),
        ("abc123", "dataset-abc123"),
        ("e\u0301", "é"),
    ],
)
def test_what_does_not_fit_is_replaced(text: str, name: str) -> None:
    assert name_like(text) == name
