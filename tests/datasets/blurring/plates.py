"""A drawn number plate that OpenCV's cascade finds."""

import io

import cv2
import numpy as np
from PIL import Image as PillowImage

from datasets.blurring.finding import Pixels

PLATE_XYXY = (60, 100, 198, 132)


def plate() -> Pixels:
    """320 x 240 pixels, BGR, with a plate at PLATE_XYXY."""
    pixels = np.full((240, 320, 3), 90, np.uint8)
    left, top, right, bottom = PLATE_XYXY
    cv2.rectangle(pixels, (left - 2, top - 2), (right + 2, bottom + 2), (10, 10, 10), -1)
    cv2.rectangle(pixels, (left, top), (right, bottom), (240, 240, 240), -1)
    cv2.putText(
        pixels,
        "A 123 BC 77",
        (left + 3, bottom - 5),
        cv2.FONT_HERSHEY_SIMPLEX,
        32 / 34,
        (10, 10, 10),
        2,
        cv2.LINE_AA,
    )
    return pixels


def encoded(pixels: Pixels, form: str = "JPEG") -> bytes:
    content = io.BytesIO()
    PillowImage.fromarray(pixels[:, :, ::-1]).save(content, form)
    return content.getvalue()
