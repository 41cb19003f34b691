"""Sources as pictures: files decoded while others are predicted on, and every few frames of videos.

What has been seen already is not decoded again, and the same picture twice only once.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from datasets.errors import BadDataset
from datasets.videos import FrameRange, read_frames, video_digest
from pipelines.predict.places import Source
from training.errors import UndecodableImage
from training.predicting.pictures import Pixels, decode_ahead

Key = tuple[str, int | None]
"""A file's SHA-256 and, in a video, the frame's number from 0 on."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One to be predicted on: (H, W, 3) RGB, upright."""

    key: Key
    source: Source
    pixels: Pixels


@dataclass
class Reading:
    """The sources of a prediction, and what became of them: `keys` of each, and those `skipped` with the reason.

    `every` is how many frames of a video are passed on by one; `seen` are keys that need no pixels.
    """

    sources: Sequence[Source]
    every: int
    seen: Collection[Key]
    keys: dict[Source, list[Key]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def pictures(self) -> Iterator[Picture]:
        """What has not been seen, in order; videos come last."""
        for (source, key), decoded in decode_ahead(self._contents()):
            if isinstance(decoded, UndecodableImage):
                self._skip(source, str(decoded))
            else:
                yield Picture(key, source, decoded)
        for source in self.sources:
            if source.is_video:
                yield from self._frames(source)

    def _contents(self) -> Iterator[tuple[tuple[Source, Key], bytes]]:
        under_way = set[Key]()
        for source in self.sources:
            content = b"" if source.is_video else self._read(source)
            if not content:
                continue
            key = hashlib.sha256(content).hexdigest(), None
            self.keys[source] = [key]
            if key not in self.seen and key not in under_way:
                under_way.add(key)
                yield (source, key), content

    def _read(self, source: Source) -> bytes:
        try:
            content = source.path.read_bytes()
        except OSError as error:
            self._skip(source, f"it cannot be read: {error.strerror}")
            return b""
        if not content:
            self._skip(source, "it is empty")
        return content

    def _frames(self, source: Source) -> Iterator[Picture]:
        try:
            sha256 = video_digest(source.path)
            known = sorted(frame for digest, frame in self.seen if digest == sha256 and frame is not None)
            self.keys[source] = [(sha256, frame) for frame in known]
            wanted = FrameRange(start=known[-1] + self.every if known else 0, step=self.every)
            yield from self._unseen(source, sha256, wanted)
        except BadDataset as error:
            if not self.keys.get(source):  # of one that was seen to its end, no frame is left
                self._skip(source, str(error))

    def _unseen(self, source: Source, sha256: str, wanted: FrameRange) -> Iterator[Picture]:
        for number, bgr in read_frames(source.path, wanted):
            self.keys[source].append((sha256, number))
            yield Picture((sha256, number), source, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8))

    def _skip(self, source: Source, reason: str) -> None:
        self.keys.pop(source, None)
        self.skipped[source.name] = reason


def file_name(source: Source, key: Key) -> str:
    """A file for what is drawn of a picture: readable, and no other picture's."""
    sha256, frame = key
    number = "" if frame is None else f"-{frame:06}"
    return f"{Path(source.path).stem[:60]}{number}__{sha256[:16]}.jpg"
