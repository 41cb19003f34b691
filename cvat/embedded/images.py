"""Images: what their headers say, and the forms in which frames are sent. Sizes are upright, in pixels."""

import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image, ImageOps

from cvat.embedded.errors import RefusedUpload
from datasets.errors import BadDataset, TooManyPixels
from datasets.store import FORMATS, open_image

#: The images that are taken, by the ending of their names.
MEDIA_TYPES = {
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}

_FORMATS = (*FORMATS, "GIF")
_THUMBNAIL = (256, 256)
_ORIENTATION = 0x0112
_QUARTER_TURNS = (5, 6, 7, 8)


def media_type(name: str) -> str | None:
    """The media type of an image by its name; None where it is no image by its name."""
    return MEDIA_TYPES.get(PurePosixPath(name).suffix.lower())


@dataclass(frozen=True)
class Size:
    """Width and height after the EXIF rotation."""

    width: int
    height: int


def probe(path: Path, name: str, *, max_pixels: int) -> Size:
    """The size an image declares; its pixels are not decoded.

    Raises:
        RefusedUpload: the file is no image, or would decode to more than `max_pixels`.
    """
    try:
        with open_image(path, formats=_FORMATS) as image:
            width, height = image.size
            turned = _orientation(image) in _QUARTER_TURNS
    except TooManyPixels as error:
        raise RefusedUpload(f"{name}: {error}; send a smaller image") from None
    except BadDataset as error:
        raise RefusedUpload(f"{name}: {error}; leave it out or convert it") from None
    if width * height > max_pixels:
        raise RefusedUpload(
            f"{name}: {width} x {height} pixels are more than the {max_pixels} allowed; send a smaller image"
        )
    return Size(height, width) if turned else Size(width, height)


def is_upright(path: Path) -> bool:
    """Whether the stored pixels are shown as they are."""
    with Image.open(path) as image:
        return _orientation(image) in (None, 1)


def read_upright(path: Path) -> bytes:
    """The image turned as it is shown, in its own format."""
    with Image.open(path) as image:
        return _encoded(ImageOps.exif_transpose(image), image.format or "PNG", quality=95)


def read_jpeg(path: Path, *, quality: int) -> bytes:
    """The image turned as it is shown, as JPEG."""
    with Image.open(path) as image:
        return _encoded(ImageOps.exif_transpose(image).convert("RGB"), "JPEG", quality=max(quality, 1))


def thumbnail(content: bytes) -> bytes:
    """A small JPEG of an image, for lists."""
    with Image.open(io.BytesIO(content)) as image:
        small = image.convert("RGB")
        small.thumbnail(_THUMBNAIL)
        return _encoded(small, "JPEG", quality=75)


def _orientation(image: Image.Image) -> Any:
    # Asking every format would make Pillow decode whole PNGs in search of metadata at their end.
    if "exif" in image.info or image.format == "TIFF":
        return image.getexif().get(_ORIENTATION)
    return None


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()
