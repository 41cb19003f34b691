"""What a page of FiftyOne's App says that it shows."""

import pytest

from benchmarks.app_pages import shown_on


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cars\nmodels disagree\n44 samples\n", 44),
        ("1,044 of 2,000 samples", 1044),
        ("42 patches", 42),
        ("1 sample", 1),
        ("sample tags\nlabel tags", None),
    ],
)
def test_how_much_a_page_shows_is_read_from_its_text(text: str, shown: int | None) -> None:
    assert shown_on(text) == shown
