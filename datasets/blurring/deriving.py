"""An image with regions made unreadable, as an image of its own. Boxes are xyxy: whole pixels of the upright image."""

import io

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from datasets.blurring.finding import Boxes, Find, Pixels
from datasets.store import open_image

_CELLS = 3
_QUALITY = 95


def derive(content: bytes, find: Find) -> tuple[bytes, Boxes] | None:
    """The image with what `find` finds made unreadable, upright and without EXIF, and where that was; None for nothing.

    A JPEG stays one, at quality 95; any other image becomes a PNG. Raises BadDataset when it is no whole image.
    """
    with open_image(content) as picture:
        is_jpeg = picture.format in ("JPEG", "MPO")
        pixels = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), np.uint8)
    boxes = find(np.ascontiguousarray(pixels[:, :, ::-1]))
    return (_encoded(blurred(pixels, boxes), is_jpeg=is_jpeg), boxes) if len(boxes) else None


def blurred(pixels: Pixels, boxes: Boxes) -> Pixels:
    """The picture with no more than three cells of colour across each box's shorter side, which no filter undoes."""
    made = pixels.copy()
    for left, top, right, bottom in boxes.tolist():
        region = made[top:bottom, left:right]
        height, width = region.shape[:2]
        cell = max(1.0, min(width, height) / _CELLS)
        few = (max(1, round(width / cell)), max(1, round(height / cell)))
        mean = cv2.resize(region, few, interpolation=cv2.INTER_AREA)
        made[top:bottom, left:right] = cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)
    return made


def _encoded(pixels: Pixels, *, is_jpeg: bool) -> bytes:
    content = io.BytesIO()
    picture = PillowImage.fromarray(pixels)
    if is_jpeg:
        picture.save(content, "JPEG", quality=_QUALITY, subsampling=0)
    else:
        picture.save(content, "PNG")
    return content.getvalue()
