"""What was pushed to each CVAT project, and what came of its last pull: `annotation.json` on the shelf.

Losing it loses the pulled versions' parents; pulled versions are made anew, and videos' frames fetched again.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cvat.client import address
from datasets.errors import BadDataset
from datasets.files import alone, read_json, write_json
from pipelines.annotation.desk import Desk


class Pulled(Struct, frozen=True):
    """The version that a pull made; `key` is a digest of all that it was made from."""

    key: str
    version: str
    drift: dict[str, int] = {}
    left_out: dict[str, int] = {}


class VideoFrame(Struct, frozen=True):
    """The image on the shelf that shows a frame of a video, and the family of all its frames."""

    sha256: str
    family: str


class History(Struct, frozen=True):
    """`pushed` are versions by digest, in the order of their first push.

    `video_frames` are by the video's SHA-256 and the frame's number, as `sha256#number`. `relabelled` has the last
    request to label an image again that was met, by SHA-256.
    """

    pushed: tuple[str, ...] = ()
    pulled: Pulled | None = None
    video_frames: dict[str, VideoFrame] = {}
    relabelled: dict[str, int] = {}


def read_history(desk: Desk) -> History:
    """The history of the desk's project on its server. Raises BadDataset when the file is broken."""
    return _read_all(desk).get(_scope(desk), History())


def note_pushed(desk: Desk, version: str) -> None:
    """Remember that a version, by digest, was pushed."""
    _change(desk, lambda history: replace(history, pushed=tuple(dict.fromkeys((*history.pushed, version)))))


def note_relabelled(desk: Desk, requests: Mapping[str, int]) -> None:
    """Remember which requests to label images again, by SHA-256, were met."""
    _change(desk, lambda history: replace(history, relabelled={**history.relabelled, **requests}))


def note_pulled(desk: Desk, pulled: Pulled) -> None:
    """Remember what the last pull made."""
    _change(desk, lambda history: replace(history, pulled=pulled))


def note_video_frames(desk: Desk, found: Mapping[str, VideoFrame]) -> None:
    """Remember the images that show frames of videos."""
    _change(desk, lambda history: replace(history, video_frames={**history.video_frames, **found}))


def _change(desk: Desk, change: Callable[[History], History]) -> None:
    with alone(_path(desk)):
        every = _read_all(desk)
        every[_scope(desk)] = change(every.get(_scope(desk), History()))
        write_json(_path(desk), msgspec.to_builtins(every))


def _read_all(desk: Desk) -> dict[str, History]:
    if not _path(desk).exists():
        return {}
    try:
        return msgspec.convert(read_json(_path(desk)), dict[str, History])
    except msgspec.ValidationError as error:
        raise BadDataset(f"{_path(desk)} is broken: {error}; delete it, and the next pull makes it anew") from None


def _path(desk: Desk) -> Path:
    return desk.shelf.root / "annotation.json"


def _scope(desk: Desk) -> str:
    return f"{address(desk.client)} {desk.project.cvat.project}"
