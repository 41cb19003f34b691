"""Uploaded files becoming the frames and jobs of a task, in the background.

The frames appear with one commit, at the end. Until then the uploads stay as they are, so a killed import is simply
done again from them.
"""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from cvat.embedded.archives import unpack
from cvat.embedded.background import Outcome, Work
from cvat.embedded.bodies import DataBody, ValidationBody
from cvat.embedded.database import Database, timestamp
from cvat.embedded.errors import RefusedUpload
from cvat.embedded.ground_truth import add_ground_truth, draw_frames, frames_named
from cvat.embedded.images import probe
from cvat.embedded.settings import Limits
from cvat.embedded.share import Share
from cvat.embedded.store import Store
from cvat.embedded.tables import Frame, Job, Request, Task, Upload
from cvat.embedded.videos import is_video, probe_video

CREATE_TASK = "create:task"

Item = TypeVar("Item")

#: CVAT's chunk: 36 images of Full HD, more of smaller ones and fewer of larger ones, between these bounds.
_CHUNK_PIXELS = 36 * 1920 * 1080
_CHUNK_BOUNDS = (2, 72)
_VIDEO_CHUNK = 36


@dataclass(frozen=True)
class Source:
    """An image that came with an upload: its name, with folders if it came in a zip, and its file in the task."""

    name: str
    file: str


def ingest_with(database: Database, store: Store, limits: Limits, share: Share) -> Work:
    """The work of a request that creates a task's data."""

    def ingest(request: Request) -> Outcome:
        options, task_id = DataBody.model_validate(request.params), cast(int, request.task_id)
        uploads = _read_uploads(database, task_id)
        if options.server_files and uploads:
            raise RefusedUpload("send files, or name those on the share, not both")
        uploads = uploads or _take_shared(task_id, options.server_files, share, store)
        video = _only_video(uploads)
        if video is not None:
            rows = _video_rows(task_id, video, store, options, limits)
        else:
            rows = _image_rows(task_id, uploads, store, options, limits)
        if not rows:
            raise RefusedUpload(
                "no images were uploaded, or none between the frames asked for; upload some and try again"
            )

        def commit(session: Session, _request: Request) -> None:
            write_frames(session, session.get_one(Task, task_id), rows, options, video.name if video else None)

        return Outcome(commit, tidy=lambda: remove_uploads(database, store, task_id))

    return ingest


def remove_uploads(database: Database, store: Store, task_id: int) -> None:
    """Remove what the upload of a finished task left: archives and images that are no frames."""
    with database.reading() as session:
        frames = set(session.scalars(select(Frame.file).where(Frame.task_id == task_id)))
    store.remove_from_task(task_id, except_for=frames)
    with database.writing() as session:
        session.execute(delete(Upload).where(Upload.task_id == task_id))


def cut(size: int, *, segment_size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """First and last frame of each job, for `size` frames in jobs of `segment_size` that share `overlap` frames."""
    for start in range(0, max(size - overlap, 1), segment_size - overlap):
        yield start, min(start + segment_size, size) - 1


def _read_uploads(database: Database, task_id: int) -> Sequence[Upload]:
    with database.reading() as session:
        return session.scalars(select(Upload).where(Upload.task_id == task_id).order_by(Upload.position)).all()


def _take_shared(task_id: int, names: Sequence[str], share: Share, store: Store) -> Sequence[Upload]:
    """Files of the share as if they had been uploaded, with the folders in their names."""
    copies = share.copy(names, store)
    store.keep_in_task(task_id, copies.values())
    return [Upload(id=path.name, task_id=task_id, name=name) for name, path in copies.items()]


def _only_video(uploads: Sequence[Upload]) -> Upload | None:
    videos = [upload for upload in uploads if is_video(upload.name)]
    if videos and len(uploads) > 1:
        raise RefusedUpload("send either one video or images, not both; several videos are several tasks")
    return videos[0] if videos else None


def _video_rows(task_id: int, upload: Upload, store: Store, options: DataBody, limits: Limits) -> list[dict[str, Any]]:
    path = store.task_file(task_id, upload.id)
    video = probe_video(path, upload.name, max_pixels=limits.image_pixels, max_frames=limits.video_frames)
    shared = {"task_id": task_id, "file": upload.id, "width": video.width, "height": video.height, "deleted": False}
    return [
        {**shared, "number": number, "name": f"frame_{frame.number:06d}", "time": frame.time}
        for number, frame in enumerate(selected(video.frames, options))
    ]


def _image_rows(
    task_id: int, uploads: Sequence[Upload], store: Store, options: DataBody, limits: Limits
) -> list[dict[str, Any]]:
    sources = selected(_read_sources(task_id, uploads, store, options, limits), options)
    return [_image_row(task_id, number, source, store, limits) for number, source in enumerate(sources)]


def selected(items: Sequence[Item], options: DataBody) -> Sequence[Item]:
    """The items that become frames."""
    after_last = None if options.stop_frame is None else options.stop_frame + 1
    return items[options.start_frame : after_last : options.frame_step]


def _read_sources(
    task_id: int, uploads: Sequence[Upload], store: Store, options: DataBody, limits: Limits
) -> list[Source]:
    archives = [upload for upload in uploads if upload.name.lower().endswith(".zip")]
    if not archives:
        return in_order([Source(upload.name, upload.id) for upload in uploads], task_id, options)
    if len(uploads) > 1:
        raise RefusedUpload("send either one zip archive or loose images, not both")
    if options.sorting_method == "predefined":
        raise RefusedUpload("a zip has no order of its own; choose another sorting_method or send the images loose")
    (archive,) = archives
    places = unpack(store.task_file(task_id, archive.id), archive.name, store, limits=limits)
    store.keep_in_task(task_id, places.values())
    return in_order([Source(name, place.name) for name, place in places.items()], task_id, options)


def in_order(sources: Sequence[Source], task_id: int, options: DataBody) -> list[Source]:
    """Images in the order asked for; `predefined` without a list leaves them as they are."""
    if options.sorting_method == "predefined":
        return _as_listed(sources, options.upload_file_order)
    if options.sorting_method == "random":
        return random.Random(task_id).sample(sources, len(sources))
    return sorted(sources, key=_natural if options.sorting_method == "natural" else lambda source: source.name)


def _as_listed(sources: Sequence[Source], names: Sequence[str]) -> list[Source]:
    if not names:
        return list(sources)
    by_name = {source.name: source for source in sources}
    listed = [re.split(r"[\\/]", name)[-1] for name in names]
    if sorted(listed) != sorted(by_name):
        odd = sorted(set(listed) - set(by_name)) or sorted(set(by_name) - set(listed)) or listed
        raise RefusedUpload(
            f"upload_file_order has {len(listed)} names for {len(by_name)} files, e.g. {odd[0]!r}; list each once"
        )
    return [by_name[name] for name in listed]


def _natural(source: Source) -> list[Any]:
    """Digits as numbers: image 9 before image 10. Text and numbers alternate, so they are never compared."""
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", source.name)]


def _image_row(task_id: int, number: int, source: Source, store: Store, limits: Limits) -> dict[str, Any]:
    size = probe(store.task_file(task_id, source.file), source.name, max_pixels=limits.image_pixels)
    row = {"task_id": task_id, "number": number, "name": source.name, "file": source.file}
    return {**row, "width": size.width, "height": size.height, "time": None, "deleted": False}


def write_frames(
    session: Session,
    task: Task,
    rows: Sequence[dict[str, Any]],
    options: DataBody,
    video: str | None,
    ranges: Iterable[tuple[int, int]] | None = None,
) -> None:
    """Give a task its frames and jobs: with these ranges of frames, or cut as the task says."""
    now = timestamp()
    task.size = len(rows)
    task.image_quality = options.image_quality
    task.video, task.zip_chunks = video, options.use_zip_chunks or video is None
    task.chunk_size = options.chunk_size or (
        _VIDEO_CHUNK if video else _chunk_size(rows[0]["width"] * rows[0]["height"])
    )
    task.start_frame = options.start_frame
    task.stop_frame = options.start_frame + (len(rows) - 1) * options.frame_step
    task.frame_filter = options.frame_filter
    task.data_date = task.updated_date = now
    task.segment_size = task.segment_size or task.size
    task.overlap = min(task.overlap, task.segment_size // 2)
    session.connection().execute(insert(Frame), list(rows))
    for first, last in ranges or cut(task.size, segment_size=task.segment_size, overlap=task.overlap):
        session.add(Job(task_id=task.id, start_frame=first, stop_frame=last, created_date=now, updated_date=now))
    if options.validation_params is not None:
        session.flush()
        add_ground_truth(session, task, _ground_truth(session, task, options.validation_params))


def _ground_truth(session: Session, task: Task, choice: ValidationBody) -> list[int]:
    return draw_frames(session, task, choice) if choice.is_drawn else frames_named(session, task, choice.frames)


def _chunk_size(pixels: int) -> int:
    least, most = _CHUNK_BOUNDS
    return max(least, min(most, _CHUNK_PIXELS // max(pixels, 1)))
