"""Grey pictures, windows on them, and boxes. Windows and boxes are in pixels of the whole picture."""

import base64
import binascii
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BeforeValidator, PlainSerializer

MAX_SIDE = 160
"""The longest side of a crop that is kept from one call to the next."""
MAX_PNG_BYTES = 2 * MAX_SIDE * MAX_SIDE
"""More than the PNG of any such crop has."""

Grey = NDArray[np.uint8]
"""A grey picture: (height, width)."""
Points = NDArray[np.float64]
"""Points: (N, 2), x before y."""


def _read_png(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, str) or len(value) > 2 * MAX_PNG_BYTES:
        raise ValueError("it should be a small PNG in base64")
    try:
        with Image.open(BytesIO(base64.b64decode(value, validate=True)), formats=("PNG",)) as image:
            if image.mode != "L" or max(image.size) > MAX_SIDE:
                raise ValueError(f"it should be grey and at most {MAX_SIDE} pixels wide and high")
            return np.array(image)
    except (binascii.Error, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"it should be a PNG in base64 ({type(error).__name__})") from None


def _write_png(grey: Grey) -> str:
    _, content = cv2.imencode(".png", grey)
    return base64.b64encode(content.tobytes()).decode()


StoredGrey = Annotated[Grey, BeforeValidator(_read_png), PlainSerializer(_write_png)]
"""A small grey picture that is a PNG in base64 outside."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box by its middle and its size, at least one pixel."""

    x: float
    y: float
    width: float
    height: float

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        half_width, half_height = self.width / 2, self.height / 2
        return self.x - half_width, self.y - half_height, self.x + half_width, self.y + half_height

    @property
    def size(self) -> float:
        """The side of a square of the same area."""
        return float(np.sqrt(self.width * self.height))

    def scaled(self, factor: float) -> "Box":
        """About the same middle."""
        return Box(self.x, self.y, self.width * factor, self.height * factor)

    def move(self, points: Points, to: "Box") -> Points:
        """Where points of this box lie in another."""
        gains = to.width / self.width, to.height / self.height
        moved: Points = (points - (self.x, self.y)) * gains + (to.x, to.y)
        return moved

    def within(self, size: tuple[int, int]) -> "Box":
        """This box on its own crop of (width, height) pixels, counted from the middle of the first."""
        return Box((size[0] - 1) / 2, (size[1] - 1) / 2, *size)


def box_around(points: Points) -> Box:
    """The upright box around points."""
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    middle = (left + right) / 2, (top + bottom) / 2
    return Box(float(middle[0]), float(middle[1]), max(float(right - left), 1), max(float(bottom - top), 1))


def confine(box: Box, picture: Grey) -> Box:
    """A box no larger than twice the picture, whose middle lies on it."""
    height, width = picture.shape
    middle = min(max(box.x, 0.0), width - 1.0), min(max(box.y, 0.0), height - 1.0)
    return Box(*middle, min(max(box.width, 1.0), 2.0 * width), min(max(box.height, 1.0), 2.0 * height))


def cut(picture: Grey, box: Box, size: tuple[int, int]) -> Grey:
    """The part of a picture under a box, as (width, height) pixels; beyond the edge the outermost pixels go on.

    The box's middle has to lie on the picture.
    """
    shrunk = max(box.width / size[0], box.height / size[1])
    if shrunk > 1:  # a plain warp would skip pixels
        picture, box = _shrink(picture, box, by=shrunk)
    left, top, *_ = box.xyxy
    gain_x, gain_y = box.width / size[0], box.height / size[1]
    to_picture = np.array([[gain_x, 0, left + (gain_x - 1) / 2], [0, gain_y, top + (gain_y - 1) / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop: Grey = cv2.warpAffine(picture, to_picture, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return crop


def _shrink(picture: Grey, box: Box, *, by: float) -> tuple[Grey, Box]:
    """The part of a picture around a box, averaged so that it is about `by` times smaller, and the box on it."""
    height, width = picture.shape
    left, top, right, bottom = box.xyxy
    x, y = max(int(left) - 1, 0), max(int(top) - 1, 0)
    part = picture[y : min(int(bottom) + 2, height), x : min(int(right) + 2, width)]
    small = max(round(part.shape[1] / by), 1), max(round(part.shape[0] / by), 1)
    gain_x, gain_y = small[0] / part.shape[1], small[1] / part.shape[0]
    on_small = Box((box.x - x) * gain_x, (box.y - y) * gain_y, box.width * gain_x, box.height * gain_y)
    return cv2.resize(part, small, interpolation=cv2.INTER_AREA), on_small


def fit(box: Box, longest: int) -> tuple[int, int]:
    """(width, height) of a crop of a box: its own size, or smaller so that no side exceeds `longest`."""
    gain = min(longest / max(box.width, box.height), 1)
    return max(round(box.width * gain), 1), max(round(box.height * gain), 1)
