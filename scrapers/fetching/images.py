"""What an image's bytes say of it, read without decoding: format, upright size in pixels and EXIF orientation.

Only headers are read, with every offset checked, so this is safe on hostile bytes in any process; pixels are decoded by
`decoding` alone. A file that ends before its format's end mark is refused. Of images that decode it says what
`datasets.store.probe` says.

Sources: ITU-T T.81 (JPEG), W3C PNG 3, Google's WebP container, Microsoft's BITMAPINFOHEADER, TIFF 6.0 and CIPA DC-008
(EXIF).
"""

import hashlib
import struct

from datasets.stored_image import EXTENSIONS, Probe, StoredImage
from scrapers.errors import FetchRefused
from scrapers.fetching.answers import Answer
from scrapers.fetching.robots import product_token
from scrapers.fetching.robots_tags import forbidden_by_header
from scrapers.fetching.settings import FetchSettings

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 0x0100, 0x0101
_MAX_TAGS = 1000
_PNG = b"\x89PNG\r\n\x1a\n"


def look_at(answer: Answer, settings: FetchSettings) -> StoredImage | FetchRefused | None:
    """The image in an answer, or why it is not to be kept; None where there is no content to look at."""
    if answer.is_unchanged:
        return None
    forbidden = forbidden_by_header(answer.x_robots_tag, agent=product_token(settings.user_agent))
    if forbidden:
        return FetchRefused(f"{answer.final_url} says {forbidden!r} in its X-Robots-Tag")
    try:
        return describe(answer.content, url=answer.final_url, max_pixels=settings.max_image_pixels)
    except FetchRefused as error:
        return error


def describe(content: bytes, *, url: str, max_pixels: int) -> StoredImage:
    """The image as it will lie in the store. Raises FetchRefused for other formats, too many pixels, or half a file."""
    facts = read_header(content, url=url)
    if facts.width * facts.height > max_pixels:
        raise FetchRefused(f"{url} has {facts.width} x {facts.height} pixels, more than the {max_pixels} allowed")
    sha256 = hashlib.sha256(content).hexdigest()
    file_name = f"images/{sha256[:2]}/{sha256}.{facts.extension}"
    return StoredImage(sha256, file_name, facts.width, facts.height, facts.orientation)


def read_header(content: bytes, *, url: str) -> Probe:
    """Format, upright size and orientation. Raises FetchRefused."""
    kind = image_format(content)
    if kind is None:
        raise FetchRefused(f"{url} is no image that is {', '.join(_READERS)}, but {_looks_like(content)}")
    try:
        width, height, orientation = _READERS[kind](content)
    except (IndexError, struct.error, ValueError) as error:
        raise FetchRefused(f"{url} is not a whole {kind} image: {error}") from None
    if not (width and height):
        raise FetchRefused(f"{url} is a {kind} image of {width} x {height} pixels")
    orientation = orientation if 1 <= orientation <= 8 else 1
    upright = (height, width) if orientation >= 5 else (width, height)
    return Probe(EXTENSIONS[kind], *upright, orientation)


def image_format(content: bytes) -> str | None:
    """The allowed format that these bytes begin as, or None."""
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(_PNG):
        return "PNG"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[:4] in (b"II*\0", b"MM\0*"):
        return "TIFF"
    return "BMP" if content[:2] == b"BM" else None


def _looks_like(content: bytes) -> str:
    start = content[:1000].lstrip().lower()
    if not content:
        return "empty"
    if start.startswith((b"<!doctype", b"<html")) or b"<html" in start:
        return "a web page"
    return "SVG" if b"<svg" in start else f"{len(content)} other bytes"


def _read_jpeg(content: bytes) -> tuple[int, int, int]:
    at, size, orientation = 2, None, 1
    while True:
        while content[at] != 0xFF:  # decoders skip what is between segments
            at += 1
        while content[at] == 0xFF:
            at += 1
        marker = content[at]
        at += 1
        if marker in _BARE:
            continue
        if marker in (0xD9, 0xDA):
            break
        length = content[at] << 8 | content[at + 1]
        if marker in _FRAMES and size is None:
            size = struct.unpack_from(">HH", content, at + 3)
        elif marker == 0xE1 and content[at + 2 : at + 8] == b"Exif\0\0":
            orientation = _exif_orientation(content[at + 8 : at + length])
        at += max(length, 2)
    if size is None or marker == 0xD9 or content.rfind(b"\xff\xd9", at) < 0:
        raise ValueError("it has no end" if size else "it has no frame")
    return size[1], size[0], orientation


def _read_png(content: bytes) -> tuple[int, int, int]:
    if content[12:16] != b"IHDR":
        raise ValueError("it does not begin with IHDR")
    width, height = struct.unpack_from(">II", content, 16)
    at, orientation = 8, 1
    while True:
        length, kind = struct.unpack_from(">I4s", content, at)
        if at + 12 + length > len(content):
            raise ValueError("it has no end")
        if kind == b"eXIf":
            orientation = _exif_orientation(content[at + 8 : at + 8 + length])
        if kind == b"IEND":
            return width, height, orientation
        at += 12 + length


def _read_webp(content: bytes) -> tuple[int, int, int]:
    (riff_bytes,) = struct.unpack_from("<I", content, 4)
    if riff_bytes + 8 > len(content):
        raise ValueError("it has no end")
    size, orientation, at = None, 1, 12
    while at + 8 <= riff_bytes + 8:
        kind, length = struct.unpack_from("<4sI", content, at)
        at += 8
        if kind == b"EXIF":
            orientation = _exif_orientation(content[at : at + length].removeprefix(b"Exif\0\0"))
        elif size is None:
            size = _webp_size(kind, content, at)
        at += length + length % 2
    if size is None:
        raise ValueError("it has no frame")
    return *size, orientation


def _webp_size(kind: bytes, content: bytes, at: int) -> tuple[int, int] | None:
    if kind == b"VP8X":
        width, height = content[at + 4 : at + 7], content[at + 7 : at + 10]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, at + 6)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, at + 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _read_bmp(content: bytes) -> tuple[int, int, int]:
    pixels_at, header_bytes = struct.unpack_from("<II", content, 10)
    if header_bytes == 12:
        width, height = struct.unpack_from("<HH", content, 18)
    else:
        width, height = struct.unpack_from("<ii", content, 18)
    if pixels_at >= len(content) or width <= 0:
        raise ValueError("it has no pixels")
    return width, abs(height), 1


def _read_tiff(content: bytes) -> tuple[int, int, int]:
    """A TIFF counts as upright, since Pillow turns it when it decodes it."""
    tags = _tags(content)
    width, height = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    return (height, width, 1) if 5 <= tags.get(_ORIENTATION, 1) <= 8 else (width, height, 1)


def _exif_orientation(exif: bytes) -> int:
    """The orientation that EXIF tells; 1 where it is broken, as decoders take it."""
    try:
        return _tags(exif).get(_ORIENTATION, 1)
    except (struct.error, ValueError):
        return 1


def _tags(tiff: bytes) -> dict[int, int]:
    """The whole numbers in the first directory of a TIFF, by tag."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        raise ValueError("its tags have no byte order")
    (at,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, at)
    if count > _MAX_TAGS:
        raise ValueError(f"it has {count} tags")
    found: dict[int, int] = {}
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", tiff, place)
        if number == 1 and kind in (3, 4):
            (found[tag],) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", tiff, place + 8)
    return found


_READERS = {"JPEG": _read_jpeg, "PNG": _read_png, "WEBP": _read_webp, "BMP": _read_bmp, "TIFF": _read_tiff}
