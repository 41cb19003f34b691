"""How fast a host is asked, told by a clock that the tests set."""

import math
from datetime import UTC, datetime

import pytest

from scrapers.fetching.pace import Pace, read_retry_after

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def ask(pace: Pace, now: float, *, took_s: float = 0.1, is_trouble: bool = False) -> None:
    pace.begin(now)
    pace.end(now + took_s, took_s=took_s, is_trouble=is_trouble)


def test_a_rate_lies_between_requests() -> None:
    pace = Pace(gap_s=0.5, at_once=4)
    assert pace.wait_s(10.0) == 0
    pace.begin(10.0)
    assert pace.wait_s(10.1) == pytest.approx(0.4)


def test_only_so_many_are_open_at_once() -> None:
    pace = Pace(gap_s=0, at_once=2)
    pace.begin(0)
    pace.begin(0)
    assert pace.wait_s(100) == math.inf
    pace.end(100, took_s=1, is_trouble=False)
    assert pace.wait_s(100) == 0


def test_trouble_halves_what_is_open_and_doubles_the_gap() -> None:
    pace = Pace(gap_s=0, at_once=8)
    ask(pace, 0, is_trouble=True)
    assert (pace.allowed, pace.extra_gap_s) == (4, 0.5)
    ask(pace, 10, is_trouble=True)
    assert (pace.allowed, pace.extra_gap_s) == (2, 1.0)


def test_trouble_at_the_same_time_counts_once() -> None:
    pace = Pace(gap_s=0, at_once=8)
    for _ in range(8):
        pace.begin(0)
    for _ in range(8):
        pace.end(0.1, took_s=0.1, is_trouble=True)
    assert (pace.allowed, pace.extra_gap_s) == (4, 0.5)


def test_a_host_that_recovers_is_asked_as_before() -> None:
    pace = Pace(gap_s=0, at_once=8)
    ask(pace, 0, is_trouble=True)
    for second in range(1, 100):
        ask(pace, second)
    assert (pace.allowed, pace.extra_gap_s) == (8, 0)


def test_a_host_that_answers_ever_slower_is_asked_less_at_once() -> None:
    pace = Pace(gap_s=0, at_once=8)
    for second in range(10):
        ask(pace, second)
    for second in range(10, 40, 3):
        ask(pace, second, took_s=3)
    assert pace.allowed < 8


def test_a_host_that_was_always_slow_is_left_as_it_is() -> None:
    pace = Pace(gap_s=0, at_once=8)
    for second in range(0, 40, 4):
        ask(pace, second, took_s=3)
    assert pace.allowed == 8


def test_a_pause_that_is_asked_for_is_for_all_requests() -> None:
    pace = Pace(gap_s=0, at_once=8)
    pace.begin(0)
    pace.end(1, took_s=1, is_trouble=False, retry_after_s=30)
    assert pace.wait_s(1) == 30


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("Fri, 01 May 2026 12:01:00 GMT", 60),
        ("Fri, 01 May 2026 11:00:00 GMT", 0),
        ("Friday, 01-May-26 12:01:00 GMT", 60),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("\u0662", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert read_retry_after(header, now=NOW) == seconds
