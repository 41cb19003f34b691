import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from training.errors import UndecodableImage
from training.predicting import pictures
from training.predicting.pictures import MAX_PIXELS, Letterbox, Pixels, decode_ahead, decode_image

RNG = np.random.default_rng(0)
PHOTO = Image.fromarray(RNG.integers(0, 255, (24, 40, 3), dtype=np.uint8)).resize((123, 77), Image.Resampling.BICUBIC)


def saved(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def png_of(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has so many grey pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_an_image_is_turned_upright_as_pillow_turns_it(format_: str, orientation: int) -> None:
    content = saved(PHOTO, format_, exif=turned(orientation))

    with Image.open(BytesIO(content)) as image:
        expected = np.array(ImageOps.exif_transpose(image).convert("RGB"))

    np.testing.assert_array_equal(decode_image(content), expected)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_has_pillows_pixels(subsampling: int, progressive: bool) -> None:
    content = saved(PHOTO, "JPEG", subsampling=subsampling, progressive=progressive)

    with Image.open(BytesIO(content)) as image:
        np.testing.assert_array_equal(decode_image(content), np.array(image))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_any_mode_becomes_rgb(mode: str) -> None:
    pixels = decode_image(saved(Image.new(mode, (6, 4))))

    assert pixels.shape == (4, 6, 3)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_readable_format_is_read(format_: str) -> None:
    pixels = decode_image(saved(Image.new("RGB", (6, 4), (200, 200, 200)), format_))

    np.testing.assert_allclose(pixels, 200, atol=2)


def test_of_several_pictures_in_a_file_the_first_is_read() -> None:
    others = [Image.new("RGB", (6, 4), "black")]
    for format_ in ("GIF", "MPO", "WEBP"):
        content = saved(Image.new("RGB", (6, 4), "white"), format_, save_all=True, append_images=others)
        assert decode_image(content).min() > 250


def test_sixteen_bits_of_grey_are_scaled_not_cut() -> None:
    deep = Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))

    assert decode_image(saved(deep))[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_other_depths_of_grey_are_stretched(kind: type) -> None:
    deep = Image.fromarray(np.array([[-1000, 0, 1000]], kind))

    assert decode_image(saved(deep, "TIFF"))[0, :, 0].tolist() == [0, 127, 255]


def test_cmyk_is_read_as_pillow_reads_it() -> None:
    content = saved(PHOTO.convert("CMYK"), "JPEG")

    with Image.open(BytesIO(content)) as image:
        np.testing.assert_array_equal(decode_image(content), np.array(image.convert("RGB")))


def test_transparency_shows_the_colours_beneath_it() -> None:
    palette = PHOTO.quantize(8)
    glass = PHOTO.copy()
    glass.putalpha(0)

    np.testing.assert_array_equal(decode_image(saved(glass)), np.array(PHOTO))
    np.testing.assert_array_equal(decode_image(saved(palette, transparency=0)), np.array(palette.convert("RGB")))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.9])
def test_a_truncated_image_is_refused(format_: str, part: float) -> None:
    content = saved(Image.effect_noise((64, 64), 50).convert("RGB"), format_)

    with pytest.raises(UndecodableImage, match="are no picture"):
        decode_image(content[: int(len(content) * part)])


@pytest.mark.parametrize("format_", ["PPM", "TGA", "ICO", "PCX", "SGI", "JPEG2000", "EPS"])
def test_other_formats_are_refused(format_: str) -> None:
    with pytest.raises(UndecodableImage, match="no image that is JPEG"):
        decode_image(saved(Image.new("RGB", (16, 16)), format_))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(9_460, 9_460), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert size[0] * size[1] > MAX_PIXELS
    monkeypatch.setattr(pictures, "_decode", lambda *_: pytest.fail("it was decoded"))

    with pytest.raises(UndecodableImage, match="pixels"):
        decode_image(png_of(*size))


def test_bytes_that_are_no_picture_are_told_shortly() -> None:
    with pytest.raises(UndecodableImage) as refused:
        decode_image(b"SIMPLE  =                    T" + bytes(100_000))

    assert str(refused.value).startswith("100030 bytes are no picture")
    assert len(str(refused.value)) < 300


def test_decoding_ahead_keeps_order_and_tells_what_failed() -> None:
    contents = [saved(Image.new("RGB", (side, 1))) for side in range(1, 9)]
    contents[3] = b"no picture"

    decoded = list(decode_ahead(enumerate(contents), threads=3))

    assert [key for key, _ in decoded] == list(range(8))
    assert [each.shape[1] for _, each in decoded if isinstance(each, np.ndarray)] == [1, 2, 3, 5, 6, 7, 8]
    assert isinstance(decoded[3][1], UndecodableImage)


def test_decoding_ahead_holds_few_pictures() -> None:
    content, asked = saved(Image.new("RGB", (2, 2))), []

    def endless() -> Iterator[tuple[int, bytes]]:
        while True:
            asked.append(len(asked))
            yield asked[-1], content

    decoding = decode_ahead(endless(), threads=2)
    for _ in range(3):
        next(decoding)

    assert len(asked) <= 3 + 2 * 2
    decoding.close()


def test_a_letterbox_centres_on_grey() -> None:
    placed = Letterbox(size=8, height=2, width=4).place(np.zeros((2, 4, 3), np.uint8))

    assert placed[:, 0, 0].tolist() == [114, 114, 0, 0, 0, 0, 114, 114]


@pytest.mark.parametrize(("height", "width"), [(1, 5000), (5000, 1), (3, 2), (64, 64)])
def test_boxes_come_back_from_any_letterbox(height: int, width: int) -> None:
    letterbox = Letterbox(64, height, width)
    (scaled_height, scaled_width), (left, top) = letterbox.scaled_hw, letterbox.left_top

    whole = letterbox.restore(np.array([[left, top, left + scaled_width, top + scaled_height]], np.float32))

    np.testing.assert_allclose(whole, [[0, 0, width, height]], rtol=1e-5)
    picture: Pixels = np.zeros((height, width, 3), np.uint8)
    assert letterbox.place(picture).shape == (64, 64, 3)
