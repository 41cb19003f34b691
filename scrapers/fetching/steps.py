"""What a visit is made of: what is to be done next, what came of it, and a request's turn at its host."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO, Protocol

from scrapers.fetching.addresses import Target
from scrapers.fetching.answers import Answer
from scrapers.fetching.pace import TROUBLE, read_retry_after

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller wants. `headers` go to the first site only.

    `is_cut` takes the first `max_bytes` of a longer body, and `into` is a file for the body.
    """

    url: str
    max_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict)
    asks_robots: bool = True
    accepts_encoding: bool = True
    is_cut: bool = False
    into: BinaryIO | None = None


@dataclass(frozen=True, slots=True)
class Resolving:
    """To do: the target's IP addresses, by `World.pin`, which may take a while."""

    target: Target


@dataclass(frozen=True, slots=True)
class ReadingRobots:
    """To do: `World.read_robots(target)`, once for all who wait for this site."""

    target: Target


@dataclass(frozen=True, slots=True)
class Sending:
    """To do: one GET, at the host's pace, of which a Reply is to be sent back; redirects are not followed."""

    target: Target
    request: Request
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """To do: nothing, for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a server, its body (empty for a redirect) decoded."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Trouble(Exception):
    """What a client throws into a visit when a request got no whole answer; it may, another time."""


Step = Resolving | ReadingRobots | Sending | Waiting
Visit = Generator[Step, Any, Answer]


class Paced(Protocol):
    """A pace, as far as one request that may be made now needs it."""

    def begin(self, now: float) -> None: ...

    def end(self, now: float, *, took_s: float, is_trouble: bool, retry_after_s: float | None = None) -> None: ...


class Turn:
    """One request of a host's pace, from its begin to its end."""

    def __init__(self, pace: Paced, now: float) -> None:
        self._pace, self._begun = pace, now
        self._answered: float | None = None
        self._reply: Reply | None = None
        pace.begin(now)

    def answered(self, reply: Reply, now: float) -> None:
        """The head of an answer is there."""
        self._reply, self._answered = reply, now

    def end(self, now: float, *, max_wait_s: float) -> None:
        """The request is over, however it went."""
        reply = self._reply
        asked_s = retry_after_s(reply.headers) if reply and "retry-after" in reply.headers else None
        self._pace.end(
            now,
            took_s=(self._answered or now) - self._begun,
            is_trouble=reply is None or reply.status in TROUBLE,
            retry_after_s=None if asked_s is None else min(asked_s, max_wait_s),
        )


def is_redirect(reply: Reply) -> bool:
    """Whether an answer leads elsewhere, so that its body is of no interest."""
    return reply.status in _REDIRECTS and "location" in reply.headers


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The pause that an answer asks for, in seconds."""
    return read_retry_after(headers.get("retry-after"), now=datetime.now(UTC))
