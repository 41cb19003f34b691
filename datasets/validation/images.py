"""Image files: each is read once, hashed, decoded to its last pixel, and compared with what is declared."""

import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from datasets.errors import TooManyPixels
from datasets.store import open_image
from datasets.validation.columns import Columns
from datasets.validation.findings import Notes
from datasets.validation.locate import image_places

_ORIENTATION = 0x0112
_MOST_BYTES = 256 * 2**20
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file that decodes: SHA-256 of its bytes, size in raw pixels, and EXIF orientation (1 to 8)."""

    path: Path
    sha256: str
    width: int
    height: int
    orientation: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no picture."""

    code: str
    detail: str


def read_picture(folder: Path, file_name: str) -> Picture | Problem | None:
    """The picture called `file_name` in a COCO file's folder; None for a name that must not be followed."""
    places = image_places(folder, file_name)
    if not places:
        return None
    try:
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            return Problem("missing-image-file", f"neither {places[0]} nor {places[1]} is a file")
        if not path.resolve().is_relative_to(folder.resolve()):
            return Problem("symlink-outside", f"{path} leads to {path.resolve()}")
        if path.stat().st_size > _MOST_BYTES:
            return Problem("image-bomb", f"{path.stat().st_size} bytes, more than {_MOST_BYTES}")
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # names that no system takes, and files that cannot be read
        return Problem("missing-image-file", f"cannot be opened: {error}")
    return inspect_picture(path, content)


def inspect_picture(path: Path, content: bytes) -> Picture | Problem:
    """Hash and decode one image's bytes."""
    try:
        with open_image(content) as picture:
            pixels = picture.width * picture.height
            if pixels > (PillowImage.MAX_IMAGE_PIXELS or pixels):
                return Problem("image-bomb", f"{picture.width} x {picture.height} pixels")
            picture.load()
            orientation = picture.getexif().get(_ORIENTATION, 1)
            size = picture.size
    except TooManyPixels as error:
        return Problem("image-bomb", str(error))
    except Exception as error:  # a decoder raises anything on hostile bytes; told as a finding
        return Problem("unreadable-image", f"{len(content)} bytes: {error or type(error).__name__}")
    sound = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    return Picture(path, hashlib.sha256(content).hexdigest(), *size, sound)


def read_pictures(folder: Path, file_names: Sequence[str], *, workers: int) -> Iterator[Picture | Problem | None]:
    """The pictures of many names, in order, a batch at a time, so that memory does not grow with their number."""
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(file_names), _BATCH):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # odd metadata of pixels that decode; too many pixels are counted above
                batch = list(pool.map(lambda name: read_picture(folder, name), file_names[start : start + _BATCH]))
            yield from batch


def check_picture(columns: Columns, row: int, picture: Picture, notes: Notes) -> None:
    """Compare an image's real size with the declared one, by EXIF orientation too."""
    image = columns.records.images[row]
    declared = (columns.widths[row], columns.heights[row])
    raw = (picture.width, picture.height)
    upright = raw[::-1] if picture.orientation >= 5 else raw
    if np.isnan(declared).any():
        return
    size = f"{image.width} x {image.height}"
    if declared == upright:
        if picture.orientation > 1 and raw == upright:
            notes.add(
                "exif-ambiguous", f"EXIF orientation {picture.orientation}, {size}", "images", row, image.file_name
            )
    elif declared == raw:
        detail = f"declared {size}, upright it is {upright[0]} x {upright[1]} (EXIF orientation {picture.orientation})"
        notes.add("exif-raw-pixels", detail, "images", row, image.file_name)
    else:
        detail = f"declared {size}, the image is {upright[0]} x {upright[1]}"
        notes.add("size-mismatch", detail, "images", row, image.file_name)


def default_workers() -> int:
    """Threads that decode images side by side: one a core, at most four, as each may hold a large image."""
    return min(4, os.cpu_count() or 1)
