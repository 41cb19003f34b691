"""Frames as functions get them: the original, upright, in base64."""

import base64
from collections.abc import Iterator, Sequence

from cvat.embedded.frames import read_frames
from cvat.embedded.store import Store
from cvat.embedded.tables import Frame, Task


def encoded_frames(store: Store, task: Task, frames: Sequence[Frame]) -> Iterator[str]:
    """Frames of a task one after another, as a video is best read."""
    for content in read_frames(store, task, frames, quality=None):
        yield base64.b64encode(content).decode()
