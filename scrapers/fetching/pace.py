"""How fast one host is asked: a rate, a number of requests at once, and less of both when the host has trouble.

The rule is additive increase, multiplicative decrease: trouble halves the number at once and doubles the gap between
requests, and each good answer takes a little of that back. Times are seconds of a monotonic clock.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

TROUBLE = frozenset({429, 500, 502, 503, 504})
_FIRST_GAP_S, _MAX_GAP_S = 0.5, 60.0
_SLOW_S, _SLOW_RATIO = 1.0, 3.0


@dataclass(slots=True)
class Pace:
    """One host's pace; `gap_s` is what the host's rate or crawl delay asks for, `at_once` the most that may be open.

    While it `is_held` a page waits for its turn, and no image goes first.
    """

    gap_s: float
    at_once: int
    extra_gap_s: float = 0.0
    allowed: float = 0.0
    open: int = 0
    next_at: float = -math.inf
    usual_s: float | None = None
    recent_s: float = 0.0
    slowed_until: float = -math.inf
    is_held: bool = False

    def __post_init__(self) -> None:
        self.allowed = self.allowed or float(self.at_once)

    def wait_s(self, now: float, *, is_first: bool = False) -> float:
        """How long to wait before the next request; infinite until an open one ends."""
        if self.open >= int(self.allowed) or (self.is_held and not is_first):
            return math.inf
        return max(0.0, self.next_at - now)

    def begin(self, now: float) -> None:
        """A request is made now."""
        self.open += 1
        gap = self.gap_s + self.extra_gap_s
        if gap:
            self.next_at = max(now, self.next_at) + gap

    def end(self, now: float, *, took_s: float, is_trouble: bool, retry_after_s: float | None = None) -> None:
        """A request has ended; `took_s` is the time to its first byte."""
        self.open -= 1
        if retry_after_s is not None:
            self.next_at = max(self.next_at, now + retry_after_s)
        if is_trouble:
            self._slow_down(now)
        elif self._is_getting_slower(took_s):
            self.allowed = max(1.0, self.allowed - 0.5)
        else:
            self.allowed = min(float(self.at_once), self.allowed + 1 / self.allowed)
            self.extra_gap_s = self.extra_gap_s * 0.9 if self.extra_gap_s > 0.01 else 0.0

    def _slow_down(self, now: float) -> None:
        """Once for all that had trouble at the same time."""
        if now < self.slowed_until:
            return
        self.allowed = max(1.0, self.allowed / 2)
        self.extra_gap_s = min(_MAX_GAP_S, max(_FIRST_GAP_S, self.extra_gap_s * 2))
        self.slowed_until = now + self.extra_gap_s
        self.next_at = max(self.next_at, self.slowed_until)

    def _is_getting_slower(self, took_s: float) -> bool:
        """Whether recent answers take a second, and three times what answers took at best, or more."""
        self.recent_s = 0.8 * self.recent_s + 0.2 * took_s if self.recent_s else took_s
        self.usual_s = min(self.recent_s, took_s if self.usual_s is None else self.usual_s)
        return self.recent_s > max(_SLOW_S, _SLOW_RATIO * self.usual_s)


def read_retry_after(value: str | None, *, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for, given as seconds or as a date; None when it says nothing.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
