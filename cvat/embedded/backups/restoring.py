"""Projects and tasks made from backups, in the background: all is checked and unpacked first, then there with one
commit.
"""

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.annotations import Scope, create_annotations
from cvat.embedded.archives import Archive, open_archive
from cvat.embedded.background import Outcome, Work
from cvat.embedded.backups.layout import ANNOTATIONS, PROJECT, TASK, ProjectLayout, TaskLayout, read_layout
from cvat.embedded.backups.media import Media, read_media
from cvat.embedded.backups.naming import NamedAnnotations, read_named, to_ids
from cvat.embedded.database import Database, timestamp
from cvat.embedded.errors import RefusedUpload
from cvat.embedded.ground_truth import add_ground_truth
from cvat.embedded.ingest import write_frames
from cvat.embedded.labeled import from_plain
from cvat.embedded.labels import add_labels, labels_of
from cvat.embedded.received import find_file, forget_file
from cvat.embedded.settings import Limits
from cvat.embedded.specs import read_specs
from cvat.embedded.store import Store
from cvat.embedded.tables import ANNOTATION, GROUND_TRUTH, Job, Project, Request, Task

IMPORT_BACKUP = "import:backup"


@dataclass(frozen=True)
class ReadTask:
    """A task of a backup: what it says, its unpacked files, and the annotations of each of its jobs."""

    layout: TaskLayout
    media: Media
    annotations: Sequence[NamedAnnotations]


def restore_request(target: str, file_id: str, user_id: int) -> Request:
    """The request to make a project or task (`target`) from a received backup."""
    return Request(
        id=f"action=import&target={target}&id={uuid.uuid4()}&subresource=backup",
        type=IMPORT_BACKUP,
        target=target,
        owner_id=user_id,
        params={"file": file_id},
    )


def restore_with(database: Database, store: Store, limits: Limits) -> Work:
    """The work of a request for a restore. The received file goes, whether it can be restored or not."""

    def restore(request: Request) -> Outcome:
        file_id, file = find_file(database, store, request.params["file"])
        try:
            with open_archive(file.path, file.name, limits=limits) as archive:
                project = read_layout(ProjectLayout, PROJECT, archive) if request.target == "project" else None
                tasks = _read_tasks(archive, store, limits, [""] if project is None else _task_folders(archive))
        except Exception:
            forget_file(database, store, file_id)
            raise

        def commit(session: Session, row: Request) -> None:
            row.result_id = _restore(session, store, row.owner_id, project, tasks)

        def tidy() -> None:
            _remove_files(tasks)  # there are some only if they did not become a task's
            forget_file(database, store, file_id)

        return Outcome(commit, tidy, undo=tidy)

    return restore


def _task_folders(archive: Archive) -> list[str]:
    numbers = {int(found[1]) for name in archive.names if (found := re.match(r"task_(\d+)/", name))}
    return [f"task_{number}/" for number in sorted(numbers)]


def _read_tasks(archive: Archive, store: Store, limits: Limits, folders: Iterable[str]) -> list[ReadTask]:
    tasks: list[ReadTask] = []
    try:
        for folder in folders:
            layout = read_layout(TaskLayout, f"{folder}{TASK}", archive)
            annotations = read_named(archive.read(f"{folder}{ANNOTATIONS}"), jobs=len(layout.jobs))
            tasks.append(ReadTask(layout, read_media(archive, folder, layout.data, store, limits), annotations))
            _check_jobs(layout, len(tasks[-1].media.rows))
        store.sync([path for task in tasks for path in task.media.files])  # now, as the commit keeps others waiting
    except BaseException:
        _remove_files(tasks)
        raise
    return tasks


def _check_jobs(layout: TaskLayout, size: int) -> None:
    for job in layout.jobs:
        if not job.start_frame <= job.stop_frame < size:
            raise RefusedUpload(
                f"{TASK}: a job of {layout.name!r} has the frames {job.start_frame} to {job.stop_frame}, "
                f"but there are {size} images; the backup is not whole"
            )


def _restore(
    session: Session, store: Store, owner_id: int, layout: ProjectLayout | None, tasks: Sequence[ReadTask]
) -> int:
    """Add rows and files; gives the id of the project or, without one, of the task."""
    project = None if layout is None else _add_project(session, owner_id, layout)
    made: list[int] = []
    try:
        for task in tasks:
            row = _add_task(session, owner_id, project, task.layout)
            made.append(row.id)
            store.keep_in_task(row.id, task.media.files)
            _fill_task(session, row, task)
    except BaseException:
        store.remove_tasks(made)  # before the transaction ends, as the next one may give these ids again
        raise
    return made[0] if project is None else project.id


def _add_project(session: Session, owner_id: int, layout: ProjectLayout) -> Project:
    now = timestamp()
    project = Project(
        name=layout.name, bug_tracker=layout.bug_tracker, owner_id=owner_id, created_date=now, updated_date=now
    )
    session.add(project)
    session.flush()
    add_labels(session, project, layout.labels)
    return project


def _add_task(session: Session, owner_id: int, project: Project | None, layout: TaskLayout) -> Task:
    now = timestamp()
    segment_size, overlap = layout.segments
    task = Task(
        name=layout.name,
        project_id=None if project is None else project.id,
        owner_id=owner_id,
        bug_tracker=layout.bug_tracker,
        subset=layout.subset,
        segment_size=segment_size,
        overlap=overlap,
        created_date=now,
        updated_date=now,
    )
    session.add(task)
    session.flush()
    if project is None:
        add_labels(session, task, layout.labels)
    return task


def _fill_task(session: Session, task: Task, read: ReadTask) -> None:
    kept = [
        (job, named)
        for job, named in zip(read.layout.jobs, read.annotations, strict=True)
        if job.type in (ANNOTATION, GROUND_TRUTH)  # there are no jobs of other types here
    ]
    rows = [{**row, "task_id": task.id} for row in read.media.rows]
    kept.sort(key=lambda pair: pair[0].type != ANNOTATION)
    ranges = [(job.start_frame, job.stop_frame) for job, _ in kept if job.type == ANNOTATION]
    write_frames(session, task, rows, read.media.options, read.media.video, ranges)
    session.flush()
    for job, _ in kept[len(ranges) :]:
        add_ground_truth(session, task, _numbers(task, job.frames))
    specs = read_specs(session, labels_of(task))
    jobs = session.scalars(select(Job).where(Job.task_id == task.id).order_by(Job.id)).all()
    for row, (job, named) in zip(jobs, kept, strict=True):
        row.stage, row.state = job.progress
        create_annotations(session, Scope(task, [row]), from_plain(to_ids(named, specs)))


def _numbers(task: Task, frames: Sequence[int]) -> Sequence[int]:
    """The numbers of frames that are told by their places in the source, or by their numbers if one is no place."""
    numbers = {task.source_number(number): number for number in range(task.size)}
    return [numbers[frame] for frame in frames] if numbers.keys() >= set(frames) else frames


def _remove_files(tasks: Iterable[ReadTask]) -> None:
    for path in (path for task in tasks for path in task.media.files):
        path.unlink(missing_ok=True)
