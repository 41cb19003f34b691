"""One small record per image that says all the search for duplicates needs, so that no image is decoded twice.

A descriptor is a row of the structured array type `DESCRIPTOR`, about 4 kB, and goes into a .npy file as it is.
Sizes are in pixels of the upright image (EXIF orientation applied).
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, ImageOps
from PIL import Image as PillowImage

from datasets.store import open_image

SIDE = 64
DESCRIPTOR = np.dtype([("width", "<u4"), ("height", "<u4"), ("grey", "u1", (SIDE, SIDE))])

_DECODED = 3 * SIDE // 2  # a JPEG is decoded at the smallest scale that has this many pixels on each side
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def describe(pixels: NDArray[np.uint8]) -> NDArray[np.void]:
    """The descriptor, a 0-d array of DESCRIPTOR, of an upright image: (H, W) grey or (H, W, 3) RGB."""
    pixels = np.ascontiguousarray(pixels)  # OpenCV knows no views that run backwards
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    return _record(grey, width=pixels.shape[1], height=pixels.shape[0])


def describe_image(content: bytes) -> NDArray[np.void]:
    """The same of an image file's bytes. Raises BadDataset where `open_image` does."""
    with open_image(content) as picture:
        width, height = picture.size
        picture.draft("L", (_DECODED, _DECODED))
        if picture.getexif().get(ExifTags.Base.Orientation) in _TURNED:
            width, height = height, width
        grey = np.asarray(_grey(ImageOps.exif_transpose(picture)))
    return _record(grey, width=width, height=height)


def _grey(picture: PillowImage.Image) -> PillowImage.Image:
    if picture.mode.startswith("I"):  # 16 bits; Pillow would cut them off at 255
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return picture.convert("L")


def _record(grey: NDArray[Any], *, width: int, height: int) -> NDArray[np.void]:
    record = np.zeros((), DESCRIPTOR)
    record["width"], record["height"] = width, height
    record["grey"] = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return record
