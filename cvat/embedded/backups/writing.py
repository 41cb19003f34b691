"""Backups of projects and tasks as zip files, made in the background."""

import hashlib
import zipfile
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.annotations import Scope, read_annotations
from cvat.embedded.background import Outcome, Work
from cvat.embedded.backups.layout import (
    ANNOTATIONS,
    DATA,
    MANIFEST,
    PROJECT,
    TASK,
    manifest_jsonl,
    project_json,
    task_json,
)
from cvat.embedded.backups.naming import to_names
from cvat.embedded.database import Database
from cvat.embedded.labels import labels_of
from cvat.embedded.specs import read_specs
from cvat.embedded.store import Store
from cvat.embedded.tables import Frame, Job, Label, Project, Request, Task
from cvat.embedded.views import job_status

EXPORT_BACKUP = "export:backup"


def backup_request(target: Project | Task, user_id: int) -> Request:
    """The request for a backup."""
    kind = "project" if isinstance(target, Project) else "task"
    return Request(
        id=f"action=export&target={kind}&target_id={target.id}&user_id={user_id}&subresource=backup",
        type=EXPORT_BACKUP,
        target=kind,
        owner_id=user_id,
        project_id=target.id if isinstance(target, Project) else target.project_id,
        task_id=target.id if isinstance(target, Task) else None,
        params={},
    )


def backup_with(database: Database, store: Store) -> Work:
    """The work of a request for a backup."""

    def backup(request: Request) -> Outcome:
        name = hashlib.sha256(request.id.encode()).hexdigest() + ".zip"
        with store.writing() as written:
            with zipfile.ZipFile(written, "w") as archive, database.reading() as session:
                if request.target == "project":
                    _write_project(archive, session, store, session.get_one(Project, request.project_id))
                else:
                    _write_task(archive, session, store, session.get_one(Task, request.task_id), "")
            store.keep({written: store.export_file(name)})

        def commit(_session: Session, finished: Request) -> None:
            finished.result_file = name

        return Outcome(commit)

    return backup


def _write_project(archive: zipfile.ZipFile, session: Session, store: Store, project: Project) -> None:
    specs = read_specs(session, Label.project_id == project.id)
    archive.writestr(PROJECT, project_json(project, specs))
    wanted = select(Task).where(Task.project_id == project.id, Task.size > 0).order_by(Task.id)
    for number, task in enumerate(session.scalars(wanted)):
        _write_task(archive, session, store, task, f"task_{number}/")


def _write_task(archive: zipfile.ZipFile, session: Session, store: Store, task: Task, folder: str) -> None:
    specs = read_specs(session, labels_of(task))
    jobs = session.scalars(select(Job).where(Job.task_id == task.id).order_by(Job.id)).all()
    frames = session.scalars(select(Frame).where(Frame.task_id == task.id).order_by(Frame.number)).all()
    for file, name in {frame.file: task.video or frame.name for frame in frames}.items():
        archive.write(store.task_file(task.id, file), f"{folder}{DATA}{name}")
    if not task.video:
        archive.writestr(f"{folder}{DATA}{MANIFEST}", manifest_jsonl(frames), zipfile.ZIP_DEFLATED)
    data = _data(task, [frame.number for frame in frames if frame.deleted])
    archive.writestr(f"{folder}{TASK}", task_json(task, specs, [_job(job, task) for job in jobs], data))
    annotations = [to_names(msgspec.to_builtins(read_annotations(session, Scope(task, [job]))), specs) for job in jobs]
    archive.writestr(f"{folder}{ANNOTATIONS}", orjson.dumps(annotations), zipfile.ZIP_DEFLATED)


def _data(task: Task, deleted_frames: list[int]) -> dict[str, Any]:
    """How the files become frames. Of images only those that are frames were kept, so there is nothing to choose."""
    told = {
        "chunk_size": task.chunk_size,
        "image_quality": task.image_quality,
        "chunk_type": "imageset" if task.zip_chunks else "video",
        "storage_method": "cache",
        "storage": "local",
        "sorting_method": "lexicographical" if task.video else "predefined",
        "deleted_frames": deleted_frames,
    }
    chosen = {"start_frame": task.start_frame, "stop_frame": task.stop_frame, "frame_filter": task.frame_filter}
    return {**told, **chosen} if task.video else told


def _job(job: Job, task: Task) -> Mapping[str, Any]:
    frames = [task.source_number(frame) if task.video else frame for frame in job.frames or ()]
    return {
        "start_frame": job.start_frame,
        "stop_frame": job.stop_frame,
        "frames": frames,
        "type": job.type,
        "status": job_status(job),
        "stage": job.stage,
        "state": job.state,
    }
