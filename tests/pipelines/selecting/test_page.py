"""Thumbnails of chosen images are small and upright, whatever the file."""

import base64
import io

import pytest
from PIL import Image

from pipelines.selecting.page import thumbnail

ORIENTATION, TURNED_LEFT = 0x0112, 8


def encoded(image_format: str, mode: str, *, orientation: int = 1) -> bytes:
    """A picture, 1600 by 800, whose left half is red, or darker."""
    picture = Image.new("RGB", (1600, 800), "blue")
    picture.paste((250, 0, 0), (0, 0, 800, 800))
    exif, target = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = orientation
    picture.convert(mode).save(target, image_format, exif=exif)
    return target.getvalue()


def shown(content: bytes) -> Image.Image:
    kind, _, data = thumbnail(content).partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize(("image_format", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB")])
def test_a_thumbnail_fits_its_tile(image_format: str, mode: str) -> None:
    assert shown(encoded(image_format, mode)).size == (240, 120)


def test_a_turned_photograph_is_shown_upright() -> None:
    picture = shown(encoded("JPEG", "RGB", orientation=TURNED_LEFT))
    assert picture.size == (120, 240)
    red, _, blue = picture.getpixel((60, 200))  # type: ignore[misc]
    assert red > 200 > blue
