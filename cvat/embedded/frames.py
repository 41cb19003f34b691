"""Frames as they are sent: one image, or a chunk of them as a zip or, of a video, as a clip."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from fastapi import Response
from fastapi.responses import FileResponse

from cvat.embedded.images import is_upright, media_type, read_jpeg, read_upright
from cvat.embedded.store import Store
from cvat.embedded.tables import Frame, Task
from cvat.embedded.videos import VideoFrame, encode_picture, reading, write_clip

#: Frames of a video are PNG in exports and where the original is asked for, as in CVAT.
VIDEO_SUFFIX = ".PNG"

#: Clips are read frame by frame; CVAT gives them this many a second, too.
_CLIP_RATE = 25.0


def frame_response(store: Store, task: Task, frame: Frame, *, quality: int | None) -> Response:
    """A frame as it was uploaded, or with a `quality` as JPEG. One that EXIF turns is sent turned, as in CVAT."""
    path = store.task_file(frame.task_id, frame.file)
    kind = "image/png" if task.video else media_type(frame.name) or "application/octet-stream"
    if quality is None and not task.video and is_upright(path):
        return FileResponse(path, media_type=kind)
    (content,) = read_frames(store, task, [frame], quality=quality)
    return Response(content, media_type=kind if quality is None else "image/jpeg")


def chunk_response(store: Store, task: Task, frames: Sequence[Frame], *, quality: int | None) -> Response:
    """Frames in order; it is built in memory, as a chunk is a few dozen images."""
    if task.video and (quality is None or not task.zip_chunks):
        return Response(_clip(store, task, frames), media_type="video/mp4")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        contents = read_frames(store, task, frames, quality=quality)
        for number, (frame, content) in enumerate(zip(frames, contents, strict=True)):
            suffix = PurePosixPath(frame.name).suffix if quality is None else ".jpeg"
            archive.writestr(f"{number:06d}{suffix}", content)
    return Response(target.getvalue(), media_type="application/zip")


def read_frames(store: Store, task: Task, frames: Sequence[Frame], *, quality: int | None) -> Iterator[bytes]:
    """The bytes of frames: original and upright (of a video PNG), or with a `quality` JPEG."""
    if not task.video:
        for frame in frames:
            yield _read_image(store.task_file(task.id, frame.file), quality=quality)
    elif frames:
        with reading(store.task_file(task.id, frames[0].file)) as video:
            for frame in frames:
                yield encode_picture(video.picture(_place(task, frame)), quality=quality)


def quality_of(task: Task, name: str) -> int | None:
    """What the parameter `quality` means: None is the original."""
    return None if name == "original" else task.image_quality


def _read_image(path: Path, *, quality: int | None) -> bytes:
    if quality is not None:
        return read_jpeg(path, quality=quality)
    return path.read_bytes() if is_upright(path) else read_upright(path)


def _clip(store: Store, task: Task, frames: Sequence[Frame]) -> bytes:
    path = store.incoming_file().with_suffix(".mp4")
    try:
        with reading(store.task_file(task.id, frames[0].file)) as video:
            write_clip((video.picture(_place(task, frame)) for frame in frames), path, rate=_CLIP_RATE)
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def _place(task: Task, frame: Frame) -> VideoFrame:
    return VideoFrame(task.source_number(frame.number), frame.time or 0.0)
