"""A video as a task of its own: uploaded as it is, cut into frames by CVAT, drawn on with tracks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cvat_sdk import Client

from cvat.client import repeat
from cvat.jobs import User, list_jobs, read_task_frames
from cvat.settings import CvatSettings
from cvat.tasks import make_task
from cvat.turns import Turns
from cvat.uploads import send_video
from datasets.files import digest
from datasets.ledger import Ledger
from datasets.videos import FrameRange

_KEY_DIGITS = 12


@dataclass(frozen=True)
class Video:
    """A video file, and which of its frames are wanted."""

    path: Path
    sha256: str
    frames: FrameRange

    @property
    def name(self) -> str:
        """The name of the file in CVAT, and the task's without the title."""
        return f"{self.path.stem}__{self.sha256[:16]}{self.path.suffix}"

    @property
    def key(self) -> str:
        wanted = self.frames
        return digest([self.sha256, wanted.start, wanted.stop, wanted.step])[:_KEY_DIGITS]


@dataclass
class VideoPusher:
    """Pushes videos into one project. One process at a time may, so hold the ledger's lock."""

    client: Client
    ledger: Ledger
    project_id: int
    settings: CvatSettings

    def push(self, video: Video, *, title: str, subset: str, assignees: Sequence[User]) -> int:
        """The id of the video's task, made if need be; its jobs are assigned and its frames noted.

        Raises:
            CvatError: CVAT does not take it.
        """
        task_id = repeat(lambda: self._make(video, f"{title} {video.path.stem} ({video.key})", subset))
        turns = Turns(assignees, list_jobs(self.client, project_id=self.project_id) if assignees else ())
        turns.write(self.client, list_jobs(self.client, task_id=task_id))
        size = read_task_frames(self.client, task_id).size
        self.ledger.write_frames(task_id, [f"{video.sha256}#{video.frames.number(place)}" for place in range(size)])
        return task_id

    def _make(self, video: Video, name: str, subset: str) -> int:
        wanted = video.frames
        fields = {
            "image_quality": self.settings.image_quality,
            "start_frame": wanted.start,
            **({} if wanted.stop is None else {"stop_frame": wanted.stop}),
            **({"frame_filter": f"step={wanted.step}"} if wanted.step > 1 else {}),
        }
        cut = {"segment_size": self.settings.segment_size, "overlap": self.settings.overlap}
        spec = {"name": name, "project_id": self.project_id, "subset": subset, **cut}

        def fill(task_id: int) -> None:
            send_video(self.client, task_id, video.path, video.name, fields)

        return make_task(self.client, spec, 1, fill)
