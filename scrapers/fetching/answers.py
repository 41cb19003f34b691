"""What is asked of the client, and what comes of it: one Answer to each request, one Fate to each address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from datasets.stored_image import StoredImage
from scrapers.errors import FetchFailed


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said in the end, redirects followed. Header names are lower case, repeated ones joined by `, `.

    `robots` is what robots.txt decided: `allowed`, or `not asked` where an API was called, whose terms rule.
    """

    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    content: bytes = field(default=b"", repr=False)
    robots: str = "allowed"
    tries: int = 1

    @property
    def bare(self) -> "Answer":
        """The same without its content."""
        return Answer(self.url, self.final_url, self.status, self.headers, b"", self.robots, self.tries)

    @property
    def etag(self) -> str | None:
        return self.headers.get("etag")

    @property
    def last_modified(self) -> str | None:
        return self.headers.get("last-modified")

    @property
    def x_robots_tag(self) -> str | None:
        return self.headers.get("x-robots-tag")

    @property
    def is_unchanged(self) -> bool:
        """Whether the server says that nothing has changed since the given ETag or date; there is no content then."""
        return self.status == 304

    @property
    def text(self) -> str:
        """The content as text, decoded as its header, its bytes or its `meta` say, in this order."""
        from bs4.dammit import UnicodeDammit

        _, _, charset = self.headers.get("content-type", "").lower().partition("charset=")
        said = [charset.partition(";")[0].strip("\"' ")] if charset else []
        return UnicodeDammit(self.content, said, user_encodings=["utf-8"], is_html=True).unicode_markup or ""

    def json(self) -> Any:
        """The content as JSON. Raises FetchFailed when it is none."""
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError as error:
            raise FetchFailed(f"{self.final_url} answered no JSON ({error}); is it the right address?") from None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An address of an image to transfer.

    With an ETag or a Last-Modified of an earlier visit the server is asked for changes only. `tag` is the caller's own
    and comes back with the fate.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """An image that has arrived whole, of an allowed format, that its site allows to be kept; `image` is read from it.

    Its bytes are in the file `path`, which may be moved to where it belongs (in a store, `image.file_name`); what stays
    is removed, after many more have come, or at the transfer's end where it has no `spool`. The answer is without its
    content.
    """

    wanted: Wanted
    answer: Answer
    image: StoredImage
    path: str

    def read(self) -> bytes:
        return Path(self.path).read_bytes()


class Outcome(StrEnum):
    """What became of a wanted address."""

    STORED = "stored"  # the sink has it
    UNCHANGED = "unchanged"  # as it was when the given ETag or date was noted
    REFUSED = "refused"  # by robots.txt, by the address rules, or since it is nothing to keep: asking again is no use
    FAILED = "failed"  # this time; the reason and the number of tries are told


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one wanted address; the answer, where there was one, is without its content."""

    wanted: Wanted
    outcome: Outcome
    reason: str | None = None
    answer: Answer | None = None
    image: StoredImage | None = None
    tries: int = 0
