"""Videos: which frames they have, and single frames as pictures. Times are milliseconds from the start.

A frame is found by its number and its time: a jump to a number is only as good as the file's index, so what it gives is
checked by the time noted when the video came in, and where that differs the video is read from its start.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cvat.embedded.errors import RefusedUpload

_SUFFIXES = {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv"}

#: How the files of real videos begin. FFmpeg would also take playlists, which can name any other file.
_BEGINNINGS: tuple[Callable[[bytes], bool], ...] = (
    lambda head: head[:4] == b"RIFF" and head[8:11] == b"AVI",
    lambda head: head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"),
    lambda head: head[:4] in (b"\x1aE\xdf\xa3", b"OggS", b"\x30\x26\xb2\x75", b"FLV\x01"),
    lambda head: head[:4] in (b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3"),
    lambda head: head[:1] == b"G" and head[188:189] == b"G",
)

#: A frame that is at most this far ahead is reached by reading on.
_NEAR = 50


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """The place of a frame in its video."""

    number: int
    time: float


@dataclass(frozen=True, slots=True)
class Video:
    """Width and height as shown, in pixels, and all frames in order."""

    width: int
    height: int
    frames: list[VideoFrame]


def is_video(name: str) -> bool:
    """Whether a file is a video by its name."""
    return PurePosixPath(name).suffix.lower() in _SUFFIXES


def probe_video(path: Path, name: str, *, max_pixels: int, max_frames: int) -> Video:
    """Read a video through.

    Raises:
        RefusedUpload: it cannot be read, or has too many pixels or frames.
    """
    refused = f"{name}: this is not a video that can be read; convert it to MP4"
    if not _begins_as_video(path):
        raise RefusedUpload(refused)
    with _opened(path) as capture:
        pixels = capture.get(_cv2().CAP_PROP_FRAME_WIDTH) * capture.get(_cv2().CAP_PROP_FRAME_HEIGHT)
        if pixels > max_pixels:
            raise RefusedUpload(f"{name}: frames of {pixels:.0f} pixels are more than the {max_pixels} allowed")
        frames = [VideoFrame(number, time) for number, time in enumerate(_times(capture, max_frames + 1))]
    if len(frames) > max_frames:
        raise RefusedUpload(f"{name}: there are more than the {max_frames} frames allowed; cut the video in parts")
    if not frames:
        raise RefusedUpload(refused)
    with reading(path) as video:
        height, width = video.picture(frames[0]).shape[:2]
    return Video(width, height, frames)


def _begins_as_video(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(189)
    return any(matches(head) for matches in _BEGINNINGS)


def _times(capture: Any, most: int) -> Iterator[float]:
    for _ in range(most):
        if not capture.grab():
            return
        yield capture.get(_cv2().CAP_PROP_POS_MSEC)


@contextmanager
def reading(path: Path) -> Iterator["VideoReader"]:
    """A video to take pictures from; quickest in their order."""
    reader = VideoReader(path)
    try:
        yield reader
    finally:
        reader.close()


class VideoReader:
    """Gives the pictures of a video's frames."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._capture = _open(path)
        self._next = 0

    def picture(self, frame: VideoFrame) -> Any:
        """A frame as an array (height, width, 3) of blue, green, red, turned as it is shown."""
        if not self._next <= frame.number < self._next + _NEAR:
            self._jump(frame)
        while self._next <= frame.number:
            self._grab()
        return self._capture.retrieve()[1]

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def _jump(self, frame: VideoFrame) -> None:
        self._capture.set(_cv2().CAP_PROP_POS_FRAMES, frame.number)
        self._next = frame.number
        self._grab()
        if self._capture.get(_cv2().CAP_PROP_POS_MSEC) != frame.time:
            self._capture.release()
            self._capture, self._next = _open(self._path), 0

    def _grab(self) -> None:
        if not self._capture.grab():
            raise OSError(f"{self._path}: frame {self._next} can no longer be read; upload the video again")
        self._next += 1


def encode_picture(picture: Any, *, quality: int | None) -> bytes:
    """A picture as JPEG of a quality, or without one as PNG."""
    cv2 = _cv2()
    if quality is None:
        return bytes(cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, max(quality, 1)])[1])


def write_clip(pictures: Iterable[Any], path: Path, *, rate: float) -> None:
    """Write pictures as an MP4 video of `rate` frames a second."""
    cv2 = _cv2()
    writer = None
    for picture in pictures:
        if writer is None:
            size = (picture.shape[1], picture.shape[0])
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
        writer.write(picture)
    if writer is not None:
        writer.release()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    capture = _open(path)
    try:
        yield capture
    finally:
        capture.release()


def _open(path: Path) -> Any:
    return _cv2().VideoCapture(str(path), _cv2().CAP_FFMPEG)


def _cv2() -> Any:
    """OpenCV, which most servers never need."""
    import cv2

    return cv2
