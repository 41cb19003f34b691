"""Videos to CVAT: their frames as a version on the shelf, or the file as a task of its own."""

from pathlib import Path
from typing import Any

from cvat.project import push_project
from cvat.settings import CvatSettings
from cvat.turns import find_users
from cvat.videos import Video, VideoPusher
from datasets.coco import make_dataset, to_records
from datasets.files import is_complete
from datasets.versions import write_content
from datasets.videos import FrameRange, store_frames, video_digest
from pipelines.annotation.desk import Desk
from pipelines.annotation.pushing import WAIT_SECONDS, PushChoice
from pipelines.names import name_like


def version_of_frames(desk: Desk, path: Path, wanted: FrameRange) -> str:
    """The name of the version that holds a video's frames; made once for the same bytes and frames.

    Raises:
        BadDataset: the video cannot be read, or has no such frames.
    """
    sha256 = video_digest(path)
    cut = f"-{wanted.start}-{'end' if wanted.stop is None else wanted.stop}-{wanted.step}"
    name = name_like(f"{path.stem[:40]}-{sha256[:8]}{'' if wanted == FrameRange() else cut}")
    known = desk.shelf.names().get(name)
    if known is None or not is_complete(desk.shelf.versions / known):
        with desk.progress.step(f"take frames of {path}") as step:
            images = store_frames(path, sha256, wanted, desk.shelf.store, on_frame=step.advance)
        content = to_records(make_dataset(desk.project.taxonomy, images, ()))
        desk.shelf.write_name(name, write_content(content, desk.shelf.versions))
    return name


def push_video(
    desk: Desk, path: Path, wanted: FrameRange, settings: CvatSettings, choice: PushChoice
) -> dict[str, Any]:
    """Push a video file as one task; gives what was done. Raises CarloopError."""
    video = Video(path, video_digest(path), wanted)
    users = find_users(desk.client, choice.assign)
    with desk.progress.step(f"push {path}"), desk.ledger.lock("push", wait_seconds=WAIT_SECONDS):
        project_id = push_project(desk.client, settings.project, desk.project.taxonomy)
        pusher = VideoPusher(desk.client, desk.ledger, project_id, settings)
        task_id = pusher.push(
            video, title=choice.title or desk.project.name, subset=choice.subset or "", assignees=users
        )
    frames = len(desk.ledger.read_frames()[task_id])
    return {"project_id": project_id, "tasks": [task_id], "frames": frames}
