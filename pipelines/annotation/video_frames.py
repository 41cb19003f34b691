"""Frames of videos that CVAT holds as files, as images of the shelf: fetched once each, as CVAT shows them."""

from collections.abc import Iterable, Mapping, Sequence

from cvat.client import call
from datasets.coco import Image
from datasets.store import probe
from pipelines.annotation.desk import Desk
from pipelines.annotation.history import VideoFrame, note_video_frames, read_history


def is_video(pushed: Sequence[str]) -> bool:
    """Whether what the ledger has of a task's frames names a video and numbers in it, `sha256#number`."""
    return any("#" in frame for frame in pushed)


def fetch_frames(desk: Desk, task_id: int, pushed: Sequence[str], names: Sequence[str]) -> list[str]:
    """The SHA-256 of the image of each frame of a video's task; those that are not on the shelf are fetched.

    Raises:
        CvatError: CVAT does not give one.
        BadDataset: what it gives is no image.
    """
    known = read_history(desk).video_frames
    there = desk.shelf.holding({found.sha256 for found in known.values()})
    fetched = {}
    with desk.shelf.store.batch() as batch:
        for number, (frame, name) in enumerate(zip(pushed, names, strict=True)):
            if frame not in known or known[frame].sha256 not in there:
                path = f"/api/tasks/{task_id}/data?type=frame&quality=original&number={number}"
                stored = batch.write_image(call(desk.client, "GET", path))
                fetched[frame] = VideoFrame(stored.sha256, f"{name.rpartition('__')[0]}-{frame[:8]}")
    if fetched:
        note_video_frames(desk, fetched)
    shown = {**known, **fetched}
    return [shown[frame].sha256 for frame in pushed]


def images_of_videos(desk: Desk, video_frames: Mapping[str, VideoFrame], sha256s: Iterable[str]) -> dict[str, Image]:
    """Those of these images that show a frame of a video, by SHA-256."""
    frame_of = {found.sha256: (frame, found.family) for frame, found in video_frames.items()}
    return {sha256: _image(desk, sha256, *frame_of[sha256]) for sha256 in sha256s if sha256 in frame_of}


def _image(desk: Desk, sha256: str, frame: str, family: str) -> Image:
    (path,) = desk.shelf.store.path(f"images/{sha256[:2]}").glob(f"{sha256}.*")
    facts = probe(path.read_bytes())
    file_name = path.relative_to(desk.shelf.store.root).as_posix()
    video = frame.partition("#")[0]
    return Image(sha256, file_name, facts.width, facts.height, family=family, derived_from=video)
