"""What a transfer and its network in another process say to each other, as msgpack behind a length of four bytes."""

from typing import IO

import msgspec

from datasets.stored_image import StoredImage
from scrapers.fetching.pace import Pace
from scrapers.fetching.settings import FetchSettings


class Start(msgspec.Struct, array_like=True):
    """The settings, and the paces of those hosts that have been asked, by `host:port`; clocks are shared."""

    settings: FetchSettings
    paces: dict[str, Pace]


class Head(msgspec.Struct, array_like=True, tag=True):
    """What came of one address: an answer, an image if it is one and the path of its file, or why there is none."""

    number: int
    path: str = ""
    final_url: str = ""
    status: int | None = None
    headers: dict[str, str] = {}
    robots: str = ""
    tries: int = 0
    image: StoredImage | None = None
    unfit: str | None = None
    failure: str | None = None
    is_refused: bool = False


class Granted(msgspec.Struct, array_like=True, tag=True):
    """The page that was asked for may be read now."""


class Order(msgspec.Struct, array_like=True, tag=True):
    """An image is wanted."""

    number: int
    url: str
    etag: str | None
    last_modified: str | None


class Taken(msgspec.Struct, array_like=True, tag=True):
    """So many more of what came have been taken."""

    number: int


class PageAsked(msgspec.Struct, array_like=True, tag=True):
    """A page of this address is to be read, at a pace of its host that leaves this gap at least."""

    url: str
    gap_s: float


class PageEnded(msgspec.Struct, array_like=True, tag=True):
    """That page has been read, or not; for `Pace.end`."""

    url: str
    took_s: float
    is_trouble: bool
    retry_after_s: float | None


def packed(message: object) -> bytes:
    content = msgspec.msgpack.encode(message)
    return len(content).to_bytes(4, "big") + content


def read_frame(stream: IO[bytes]) -> bytes:
    """The next message; shorter than it should be, or empty, where the stream ends."""
    return stream.read(int.from_bytes(stream.read(4), "big"))
