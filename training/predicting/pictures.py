"""Pictures as predictors take them: (H, W, 3) uint8 RGB, upright, origin top left; and squares of them."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from datasets.errors import BadDataset, TooManyPixels
from datasets.store import FORMATS, open_image
from training.errors import UndecodableImage

GREY = 114
MAX_PIXELS = 89_478_485
"""Width times height of the largest picture that is decoded: what Pillow thinks safe and the image store takes."""
READABLE = (*FORMATS, "GIF")
"""What the image store holds, and the first frame of a GIF; of anything else not even the header is read."""

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
"""A picture: (H, W, 3) RGB, upright."""
Key = TypeVar("Key")

_JPEGS = ("JPEG", "MPO")
_DEEP_GREY = ("I;16", "I;16B", "I;16L", "I;16N")
_TURNS = {3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}


def decode_image(content: bytes) -> Pixels:
    """The picture in an image file's bytes, turned upright by its EXIF orientation.

    Sixteen bits of grey are scaled to eight, other depths of grey stretched from their darkest to their lightest.
    Transparency is dropped, as CVAT's own frames and the trainer's reader do: the colours beneath it are seen.

    Raises UndecodableImage for other formats than READABLE, for more than MAX_PIXELS, which is found out before
    anything is decoded, and for what cannot be decoded in full.
    """
    try:
        with open_image(content, formats=READABLE) as image:
            if image.width * image.height > MAX_PIXELS:
                raise TooManyPixels(f"{image.width} x {image.height} are more than {MAX_PIXELS} pixels")
            return _decode(image, content)
    except Exception as error:  # each of Pillow's formats raises its own kinds
        reason = str(error)[:200] if isinstance(error, BadDataset) else f"{type(error).__name__}: {error}"[:200]
        raise UndecodableImage(f"{len(content)} bytes are no picture ({reason}); replace them") from error


def _decode(image: Image.Image, content: bytes) -> Pixels:
    if image.format in _JPEGS and image.mode in ("RGB", "L"):
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        # OpenCV gives Pillow's pixels in a third of the time, and nothing for what is cut short
        pixels: Pixels | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        if pixels is not None and pixels.shape[:2] == (image.height, image.width) and orientation in (1, *_TURNS):
            turned: Pixels = pixels if orientation == 1 else cv2.rotate(pixels, _TURNS[orientation])
            return turned
    return _to_rgb(ImageOps.exif_transpose(image))


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode in _DEEP_GREY:
        return _grey((np.asarray(image).astype(np.uint32) + 128) // 257)
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image).astype(np.float64))
        darkest, lightest = values.min(), values.max()
        return _grey((values - darkest) * (255 / max(lightest - darkest, 1e-9)))
    return np.array(image.convert("RGB"))


def _grey(values: NDArray[np.generic]) -> Pixels:
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)


def decode_ahead(
    contents: Iterable[tuple[Key, bytes]], *, threads: int = 2
) -> Iterator[tuple[Key, Pixels | UndecodableImage]]:
    """Each (key, image file's bytes) decoded by threads while the caller works on an earlier one, in order.

    What cannot be decoded comes as its error. At most 2 x `threads` pictures wait, so `contents` may be endless.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[Key, Future[Pixels | UndecodableImage]]] = deque()
        for key, content in contents:
            waiting.append((key, pool.submit(_try_decode, content)))
            if len(waiting) > 2 * threads:
                key, future = waiting.popleft()
                yield key, future.result()
        for key, future in waiting:
            yield key, future.result()


def _try_decode(content: bytes) -> Pixels | UndecodableImage:
    try:
        return decode_image(content)
    except UndecodableImage as error:
        return error


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a (height, width) picture lies on a square of `size` pixels: scaled, then moved by (left, top).

    Source: `LetterBox` in https://github.com/ultralytics/ultralytics/blob/main/ultralytics/data/augment.py
    """

    size: int
    height: int
    width: int

    @property
    def scaled_hw(self) -> tuple[int, int]:
        gain = min(self.size / self.height, self.size / self.width)
        return max(round(self.height * gain), 1), max(round(self.width * gain), 1)

    @property
    def left_top(self) -> tuple[int, int]:
        height, width = self.scaled_hw
        return round((self.size - width) / 2 - 0.1), round((self.size - height) / 2 - 0.1)

    def place(self, pixels: Pixels) -> Pixels:
        """The picture centred on grey: (size, size, 3)."""
        height, width = self.scaled_hw
        left, top = self.left_top
        canvas = np.full((self.size, self.size, 3), GREY, np.uint8)
        same_size = (height, width) == pixels.shape[:2]
        scaled = pixels if same_size else cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        canvas[top : top + height, left : left + width] = scaled
        return canvas

    def restore(self, boxes_xyxy: Floats) -> Floats:
        """(N, 4) boxes on the square as boxes on the picture, clipped to it."""
        height, width = self.scaled_hw
        left, top = self.left_top
        gain_xy = np.array([width / self.width, height / self.height] * 2, np.float32)
        restored = (boxes_xyxy - np.array([left, top] * 2, np.float32)) / gain_xy
        return restored.clip(0, np.array([self.width, self.height] * 2, np.float32))
