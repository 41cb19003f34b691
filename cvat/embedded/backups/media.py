"""The images or the video of a task in a backup."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cvat.embedded.archives import Archive
from cvat.embedded.backups.layout import DATA, MANIFEST, DataLayout
from cvat.embedded.bodies import DataBody
from cvat.embedded.errors import RefusedUpload
from cvat.embedded.images import media_type, probe
from cvat.embedded.ingest import Source, in_order, selected
from cvat.embedded.settings import Limits
from cvat.embedded.store import Store
from cvat.embedded.videos import is_video, probe_video


@dataclass(frozen=True)
class Media:
    """Files in `incoming`, and the rows of the frames they are, still without their task."""

    files: Sequence[Path]
    rows: Sequence[dict[str, Any]]
    options: DataBody
    video: str | None


def read_media(archive: Archive, folder: str, layout: DataLayout, store: Store, limits: Limits) -> Media:
    """Unpack and probe the media of a task. Raises RefusedUpload; then nothing is left unpacked."""
    options = layout.options
    inside = f"{folder}{DATA}"
    names = [name.removeprefix(inside) for name in archive.names if name.startswith(inside)]
    videos, images = [name for name in names if is_video(name)], [name for name in names if media_type(name)]
    if len(videos) > 1 or (videos and images):
        raise RefusedUpload(f"{inside}: there are several videos, or images beside one; a task has either")
    wanted = videos or selected(_ordered(archive, inside, images, options), options)
    if not wanted:
        raise RefusedUpload(f"{inside}: there are no images; the backup is not whole")
    places = archive.unpack([f"{inside}{name}" for name in wanted], store)
    files = list(places.values())
    try:
        if videos:
            rows = _video_rows(files[0], videos[0], options, limits)
        else:
            rows = [_image_row(path, name, limits) for path, name in zip(files, wanted, strict=True)]
    except BaseException:
        for path in files:
            path.unlink(missing_ok=True)
        raise
    deleted = set(layout.deleted_frames)
    for number, row in enumerate(rows):
        row |= {"number": number, "deleted": number in deleted}
    return Media(files, rows, options, videos[0] if videos else None)


class _Entry(BaseModel):
    """A line of a manifest: an image has an extension, which its name lacks."""

    name: str = ""
    extension: str | None = None


def _ordered(archive: Archive, inside: str, images: Sequence[str], options: DataBody) -> list[str]:
    """Images as the manifest lists them, or without one sorted as the task says."""
    if f"{inside}{MANIFEST}" not in archive.names:
        return [source.name for source in in_order([Source(name, "") for name in images], 0, options)]
    lines = archive.read(f"{inside}{MANIFEST}").splitlines()
    try:
        entries = [_Entry.model_validate_json(line) for line in lines if line.strip()]
    except ValidationError as error:
        raise RefusedUpload(f"{inside}{MANIFEST}: the manifest cannot be read: {error}") from None
    listed = [f"{entry.name}{entry.extension}" for entry in entries if entry.extension is not None]
    odd = {*(set(listed) - set(images)), *(name for name, count in Counter(listed).items() if count > 1)}
    if odd:
        raise RefusedUpload(f"{inside}{MANIFEST} lists {min(odd)!r}, which is not there once; the backup is not whole")
    return listed


def _image_row(path: Path, name: str, limits: Limits) -> dict[str, Any]:
    size = probe(path, name, max_pixels=limits.image_pixels)
    return {"name": name, "file": path.name, "width": size.width, "height": size.height, "time": None}


def _video_rows(path: Path, name: str, options: DataBody, limits: Limits) -> list[dict[str, Any]]:
    video = probe_video(path, name, max_pixels=limits.image_pixels, max_frames=limits.video_frames)
    shared = {"file": path.name, "width": video.width, "height": video.height}
    frames = selected(video.frames, options)
    return [{**shared, "name": f"frame_{frame.number:06d}", "time": frame.time} for frame in frames]
