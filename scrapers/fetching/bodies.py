"""An answer's body as it arrives: decoded where the server encoded it, and never more than was allowed."""

import zlib
from collections.abc import Callable
from typing import BinaryIO

from scrapers.errors import FetchFailed, FetchRefused

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_STEP_BYTES = 1 << 20


class Body:
    """Takes chunks as they come from the network. Both the bytes sent and what they decode to are limited.

    A body that may be cut is full at its limit, where others are refused. With `into` it goes to a file.

    Raises:
        FetchRefused: larger than `max_bytes`, or in an encoding that was not asked for.
        FetchFailed: encoded wrongly, or ended too early.
    """

    def __init__(
        self, url: str, *, encoding: str | None, max_bytes: int, is_cut: bool = False, into: BinaryIO | None = None
    ) -> None:
        self._url, self._max_bytes, self._is_cut = url, max_bytes, is_cut
        self.is_full = False
        self._chunks: list[bytes] = []
        self._take: Callable[[bytes], object] = into.write if into else self._chunks.append
        self._size = self._sent = 0
        self._decoder = _decoder(url, encoding)

    def feed(self, chunk: bytes) -> None:
        self._sent += len(chunk)
        self._check(self._sent)
        if self._decoder is None:
            self._take(chunk)
        else:
            self._decode(self._decoder, chunk)

    def end(self) -> bytes:
        """All of it, or nothing if it went into a file. Raises FetchFailed when an encoded body has no end."""
        if self._decoder is not None and self._sent and not self._decoder.eof and not self.is_full:
            raise FetchFailed(f"{self._url} ends in the middle of what it compressed")
        content = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        return content[: self._max_bytes] if self.is_full else content

    def _decode(self, decoder: "zlib._Decompress", chunk: bytes) -> None:
        try:
            while chunk and not decoder.eof and not self.is_full:
                content = decoder.decompress(chunk, _STEP_BYTES)
                self._size += len(content)
                self._check(self._size)
                self._take(content)
                chunk = decoder.unconsumed_tail
        except zlib.error as error:
            raise FetchFailed(f"{self._url} is not compressed as it says: {error}") from None

    def _check(self, size: int) -> None:
        if size > self._max_bytes and self._is_cut:
            self.is_full = True
        elif size > self._max_bytes:
            raise FetchRefused(f"{self._url} is larger than {self._max_bytes} bytes")


def _decoder(url: str, encoding: str | None) -> "zlib._Decompress | None":
    name = (encoding or "identity").strip().lower()
    if name in ("", "identity"):
        return None
    if name not in _WINDOW_BITS:
        raise FetchRefused(f"{url} is encoded as {name!r}, which was not asked for")
    return zlib.decompressobj(_WINDOW_BITS[name])
