"""Frames of a video as images of the store. A frame is told by its video's SHA-256 and its number, from 0 on."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.coco import Image, View
from datasets.errors import BadDataset
from datasets.store import ImageStore

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class FrameRange:
    """Every `step`-th frame from `start` to `stop`, both of which count; to the end where there is no `stop`."""

    start: int = 0
    stop: int | None = None
    step: int = 1

    def __contains__(self, number: int) -> bool:
        return number >= self.start and not self.is_past(number) and (number - self.start) % self.step == 0

    def is_past(self, number: int) -> bool:
        """Whether no frame from this on counts."""
        return self.stop is not None and number > self.stop

    def number(self, place: int) -> int:
        """The number of the `place`-th frame that counts, from 0 on."""
        return self.start + place * self.step


def video_digest(path: Path) -> str:
    """SHA-256 of a video's bytes. Raises BadDataset when it cannot be read."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}; check the path and its rights") from None


def read_frames(path: Path, wanted: FrameRange) -> Iterator[tuple[int, Pixels]]:
    """The wanted frames with their numbers: (height, width, 3) BGR, upright.

    Raises:
        BadDataset: it is no video that OpenCV reads, or has none of these frames.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        number, found = 0, False
        while not wanted.is_past(number) and capture.grab():
            if number in wanted:
                _, pixels = capture.retrieve()
                yield number, np.asarray(pixels, np.uint8)
                found = True
            number += 1
    finally:
        capture.release()
    if not found:
        had = f"it has {number} frames, none of those wanted" if number else "it is no video that can be read"
        raise BadDataset(f"{path} gives no frame: {had}; choose other frames, or convert it to MP4")


def store_frames(
    path: Path, sha256: str, wanted: FrameRange, store: ImageStore, *, on_frame: Callable[[], object] = lambda: None
) -> list[Image]:
    """The wanted frames of the video of that SHA-256 as PNG images of one family; equal frames are one image.

    Raises:
        BadDataset: as `read_frames`.
    """
    family, images = f"{path.stem}-{sha256[:8]}", dict[str, Image]()
    with store.batch() as batch:
        for number, pixels in read_frames(path, wanted):
            stored = batch.write_image(cv2.imencode(".png", pixels)[1].tobytes())
            view = View(path.name, f"{path.stem}-{number:06}.png", family)
            image = Image(
                stored.sha256,
                stored.file_name,
                stored.width,
                stored.height,
                family=family,
                views=(view,),
                derived_from=sha256,
            )
            images.setdefault(stored.sha256, image)
            on_frame()
    return list(images.values())
