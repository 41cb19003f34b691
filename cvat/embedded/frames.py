"""Frames as they are sent: one image, or a chunk of them in a zip."""

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from fastapi import Response
from fastapi.responses import FileResponse

from cvat.embedded.images import is_upright, media_type, read_jpeg, read_upright
from cvat.embedded.store import Store
from cvat.embedded.tables import Frame, Task


def frame_response(store: Store, frame: Frame, *, quality: int | None) -> Response:
    """A frame as it was uploaded, or with a `quality` as JPEG. One that EXIF turns is sent turned, as in CVAT."""
    path = store.task_file(frame.task_id, frame.file)
    if quality is not None:
        return Response(read_jpeg(path, quality=quality), media_type="image/jpeg")
    kind = media_type(frame.name) or "application/octet-stream"
    return FileResponse(path, media_type=kind) if is_upright(path) else Response(read_upright(path), media_type=kind)


def chunk_response(store: Store, frames: Iterable[Frame], *, quality: int | None) -> Response:
    """Frames in a zip, numbered from 000000; it is built in memory, as a chunk is a few dozen images."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for number, frame in enumerate(frames):
            content = read_frame(store.task_file(frame.task_id, frame.file), quality=quality)
            suffix = PurePosixPath(frame.name).suffix if quality is None else ".jpeg"
            archive.writestr(f"{number:06d}{suffix}", content)
    return Response(target.getvalue(), media_type="application/zip")


def read_frame(path: Path, *, quality: int | None) -> bytes:
    """The bytes of a frame: original and upright, or with a `quality` as JPEG."""
    if quality is not None:
        return read_jpeg(path, quality=quality)
    return path.read_bytes() if is_upright(path) else read_upright(path)


def quality_of(task: Task, name: str) -> int | None:
    """What the parameter `quality` means: None is the original."""
    return None if name == "original" else task.image_quality
