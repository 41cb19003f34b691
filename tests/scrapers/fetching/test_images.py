"""What an image's header says, and decoding within limits."""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from datasets.errors import BadDataset
from datasets.store import probe
from scrapers.errors import FetchRefused
from scrapers.fetching.decoding import Decoder, DecodingLimits
from scrapers.fetching.images import describe, read_header

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


def image(kind: str, *, mode: str = "RGB", orientation: int | None = None, **options: object) -> bytes:
    content = io.BytesIO()
    picture = PillowImage.new(mode, (48, 32), 7)
    exif = PillowImage.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    picture.save(content, kind, **({"exif": exif} if orientation is not None else {}), **options)
    return content.getvalue()


IMAGES = [
    *(image(kind) for kind in FORMATS),
    *(image(kind, orientation=turn) for kind in ("JPEG", "PNG", "WEBP", "TIFF") for turn in (1, 3, 6, 8, 99)),
    *(image("JPEG", mode=mode) for mode in ("L", "CMYK")),
    image("JPEG", progressive=True),
    image("JPEG", comment=b"\xff\xd9" * 100),
    image("WEBP", lossless=True),
    image("WEBP", mode="RGBA"),
    *(image("PNG", mode=mode) for mode in ("1", "L", "P", "RGBA")),
    *(image("BMP", mode=mode) for mode in ("1", "L")),
    *(image("TIFF", compression=name) for name in ("tiff_lzw", "tiff_deflate", "jpeg")),
]


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(DecodingLimits(memory_bytes=600 * 2**20, seconds=1, pixels=10_000_000)) as decoder:
        yield decoder


@pytest.mark.parametrize("content", IMAGES, ids=range(len(IMAGES)))
def test_a_header_says_what_decoding_finds(content: bytes) -> None:
    assert read_header(content, url="x") == probe(content)


@pytest.mark.skipif("CARLOOP_REAL_DATA" not in os.environ, reason="needs real photographs")
def test_headers_of_real_photographs_say_what_decoding_finds() -> None:
    for path in sorted(Path(os.environ["CARLOOP_REAL_DATA"]).rglob("*.jpg"))[::10]:
        assert read_header(path.read_bytes(), url=str(path)) == probe(path.read_bytes())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_file_that_ends_early_is_refused_wherever_it_ends(kind: str) -> None:
    content = image(kind, orientation=6)
    for size in range(len(content) - 1):
        with pytest.raises(FetchRefused):
            read_header(content[:size], url="x")


def test_bytes_after_an_image_are_no_harm() -> None:
    assert read_header(image("JPEG") + b"more", url="x").width == 48


def test_an_image_of_too_many_pixels_is_refused_by_its_header() -> None:
    with pytest.raises(FetchRefused, match="48 x 32 pixels, more than the 1000 allowed"):
        describe(image("PNG"), url="x", max_pixels=1000)


@given(st.sampled_from(IMAGES[:5]), st.binary(max_size=40), st.integers(0, 200))
def test_any_bytes_are_an_image_or_refused(content: bytes, noise: bytes, at: int) -> None:
    with suppress(FetchRefused):
        read_header(content[:at] + noise + content[at + len(noise) :], url="x")


# decoding


def test_pixels_come_upright(decoder: Decoder) -> None:
    assert decoder.pixels(image("JPEG", orientation=6), side=16).shape == (16, 11, 3)
    assert np.all(decoder.pixels(image("PNG"), side=64)[0, 0] == (7, 0, 0))


def test_broken_pixels_are_told_and_the_next_image_decodes(decoder: Decoder) -> None:
    with pytest.raises(BadDataset, match="its pixels do not decode"):
        decoder.check(image("PNG")[:60] + bytes(40))
    decoder.check(image("PNG"))


@pytest.mark.parametrize(
    "content",
    [b'<svg xmlns="http://www.w3.org/2000/svg"/>', b"<html></html>", b"GIF89a" + bytes(50), b"%PDF-1.7", b"8BPS", b""],
)
def test_other_formats_are_never_decoded(content: bytes, decoder: Decoder) -> None:
    with pytest.raises(BadDataset, match="its pixels do not decode"):
        decoder.check(content)


def bomb(width: int, height: int) -> bytes:
    """A PNG of so many black pixels, in few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = zlib.compress(bytes((width * 4 + 1) * height), 1)
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def test_an_image_of_too_many_pixels_is_not_decoded(decoder: Decoder) -> None:
    with pytest.raises(BadDataset, match="its pixels do not decode"):
        decoder.check(bomb(4000, 3000))


def test_an_image_that_takes_too_much_memory_ends_alone() -> None:
    with Decoder(DecodingLimits(memory_bytes=80 * 2**20, seconds=5, pixels=100_000_000)) as decoder:
        with pytest.raises(BadDataset, match="its pixels do not decode"):
            decoder.check(bomb(4000, 4000))
        decoder.check(image("JPEG"))
