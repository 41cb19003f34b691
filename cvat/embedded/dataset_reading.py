"""Tasks, jobs and projects as exports see them. Frames marked deleted are left out."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.annotations import Scope, read_annotations
from cvat.embedded.database import timestamp
from cvat.embedded.formats.dataset import DEFAULT_SUBSET, Dataset, DatasetFrame, Part, Seen
from cvat.embedded.frames import VIDEO_SUFFIX
from cvat.embedded.labeled import Element, LabeledData, Shape, Tag, Track
from cvat.embedded.labels import labels_of
from cvat.embedded.rows import annotation_jobs, find_job, find_project, find_task
from cvat.embedded.specs import read_specs, top_labels
from cvat.embedded.tables import Frame, Job, Label, Project, Task, User
from cvat.embedded.tracks import Sight, sights
from datasets.errors import BadInput

Kind = Literal["task", "job", "project"]


def read_dataset(session: Session, kind: Kind, id_: int) -> Dataset:
    """What an export of one of these has. Raises BadInput where there are no images."""
    if kind == "project":
        return _read_project(session, find_project(session, id_))
    only = find_job(session, id_) if kind == "job" else None
    task = find_task(session, only.task_id if only else id_)
    if not task.size:
        raise BadInput(f"task {task.id} has no images to export; upload some first")
    jobs = [only] if only else annotation_jobs(session, task.id)
    part = _PartReader(session, None, count()).read(task, jobs, first_number=0)
    labels = top_labels(read_specs(session, labels_of(task)))
    return Dataset(kind, _job_facts(part, only) if only else part.facts, labels, [part], written=timestamp())


def _read_project(session: Session, project: Project) -> Dataset:
    wanted = select(Task).where(Task.project_id == project.id, Task.size > 0).order_by(Task.subset, Task.id)
    reader, parts, numbers = _PartReader(session, Counter(), count()), [], Counter[str]()
    for task in session.scalars(wanted):
        parts.append(reader.read(task, annotation_jobs(session, task.id), first_number=numbers[task.subset]))
        numbers[task.subset] += task.start_frame + task.frame_step * task.size
    if not parts:
        raise BadInput(f"project {project.id} has no tasks with images to export; upload some first")
    labels = top_labels(read_specs(session, Label.project_id == project.id))
    return Dataset("project", _project_facts(session, project, parts), labels, parts, written=timestamp())


class _PartReader:
    """Reads the tasks of one export, in which tracks are numbered throughout. With `names`, the number of images of
    each subset and name so far, a name that is there already gets a number."""

    def __init__(self, session: Session, names: Counter[tuple[str, str]] | None, track_numbers: Iterator[int]) -> None:
        self._session = session
        self._names = names
        self._track_numbers = track_numbers

    def read(self, task: Task, jobs: Sequence[Job], *, first_number: int) -> Part:
        """A task, or some jobs of it; `first_number` is added to the numbers of its frames."""
        found = read_annotations(self._session, Scope(task, jobs))
        frames = range(min(job.start_frame for job in jobs), max(job.stop_frame for job in jobs) + 1)
        inside = {number for job in jobs for number in job.numbers}
        wanted = select(Frame).where(Frame.task_id == task.id, Frame.deleted.is_(False)).order_by(Frame.number)
        tags, shapes = _tags_by_frame(found.tags), self._seen_by_frame(found, frames.stop)
        numbers = {frame: first_number + task.source_number(frame) for frame in frames}
        subset = _folder(task.subset) or DEFAULT_SUBSET
        rows = [frame for frame in self._session.scalars(wanted) if frame.number in inside]
        kept = {frame.number for frame in rows}
        return Part(
            task_id=task.id,
            subset=subset,
            numbers=numbers,
            frames=[
                self._frame(frame, task, numbers[frame.number], subset, tags[frame.number], shapes[frame.number])
                for frame in rows
            ],
            shapes=[shape for shape in found.shapes if shape.frame in kept],
            tracks=found.tracks,
            facts=_task_facts(self._session, task, jobs),
        )

    def _frame(
        self, frame: Frame, task: Task, number: int, subset: str, tags: Sequence[Tag], shapes: Sequence[Seen]
    ) -> DatasetFrame:
        name = f"frame_{number:06d}" if task.video else self._unique(frame.name, subset)
        return DatasetFrame(
            index=frame.number,
            number=number,
            name=name,
            file_name=name + VIDEO_SUFFIX if task.video else name,
            width=frame.width,
            height=frame.height,
            subset=subset,
            tags=tags,
            shapes=shapes,
        )

    def _unique(self, name: str, subset: str) -> str:
        """The name, or with a number where an image of another task of the subset has it, as in CVAT."""
        if self._names is None:
            return name
        stem, dot, suffix = name.rpartition(".")
        used = self._names[subset, stem]
        self._names[subset, stem] += 1
        return self._unique(f"{stem}_{used}{dot}{suffix}", subset) if used else name

    def _seen_by_frame(self, found: LabeledData, end: int) -> Mapping[int, list[Seen]]:
        """What is to be seen on each frame, from the back to the front."""
        seen = defaultdict[int, list[Seen]](list)
        for shape in found.shapes:
            seen[shape.frame].append(Seen(shape))
        for track in found.tracks:
            number = next(self._track_numbers)
            for shape, is_key in _shapes_of(track, end):
                seen[shape.frame].append(Seen(shape, number, is_key))
        for shapes in seen.values():
            shapes.sort(key=lambda item: item.shape.z_order)
        return seen


def _folder(subset: str) -> str:
    """A subset as the name of a folder, which leads nowhere else."""
    return re.sub(r"[/\\:]|^\.+$", "_", subset)


def _tags_by_frame(tags: Iterable[Tag]) -> Mapping[int, list[Tag]]:
    found = defaultdict[int, list[Tag]](list)
    for tag in tags:
        found[tag.frame].append(tag)
    return found


def _shapes_of(track: Track, end: int) -> Iterator[tuple[Shape, bool]]:
    """A track as a shape on each frame where it is seen, and whether it has a key frame there."""
    elements = [
        (part, {sight.shape.frame: sight for sight in sights(part, end, hidden=True)}) for part in track.elements
    ]
    for sight in sights(track, end):
        frame = sight.shape.frame
        parts = [(part, seen[frame]) for part, seen in elements if frame in seen]
        if sight.shape.outside or (track.elements and all(seen.shape.outside for _, seen in parts)):
            continue
        is_key = any(seen.is_key for _, seen in parts) if parts else sight.is_key
        shown = [Element(**_fields(part, seen)) for part, seen in parts]
        yield Shape(**_fields(track, sight), elements=shown), is_key


def _fields(track: Tag, sight: Sight) -> dict[str, Any]:
    shape = sight.shape
    return {
        "label_id": track.label_id,
        "group": track.group,
        "source": track.source,
        "attributes": [*shape.attributes, *track.attributes],
        "frame": shape.frame,
        "type": shape.type,
        "occluded": shape.occluded,
        "outside": shape.outside,
        "z_order": shape.z_order,
        "rotation": shape.rotation,
        "points": shape.points,
    }


def _task_facts(session: Session, task: Task, jobs: Sequence[Job]) -> dict[str, object]:
    facts: dict[str, object] = {
        "id": task.id,
        "name": task.name,
        "size": task.size,
        "mode": "annotation" if task.video is None else "interpolation",
        "overlap": task.overlap,
        "bugtracker": task.bug_tracker,
        "created": task.created_date,
        "updated": task.updated_date,
        "subset": task.subset or DEFAULT_SUBSET,
        "start_frame": task.start_frame,
        "stop_frame": task.stop_frame,
        "frame_filter": task.frame_filter,
        "segments": [
            {"segment": {"id": job.id, "start": job.start_frame, "stop": job.stop_frame, "url": f"/api/jobs/{job.id}"}}
            for job in jobs
        ],
        **_people(session, task),
    }
    if task.video is not None:
        frame = session.get_one(Frame, (task.id, 0))
        facts |= {"original_size": {"width": frame.width, "height": frame.height}, "source": task.video}
    return facts


def _job_facts(part: Part, job: Job) -> dict[str, object]:
    span = {"start_frame": part.numbers[job.start_frame], "stop_frame": part.numbers[job.stop_frame]}
    return {**part.facts, "id": job.id, "size": len(job.numbers), **span}


def _project_facts(session: Session, project: Project, parts: Sequence[Part]) -> dict[str, object]:
    return {
        "id": project.id,
        "name": project.name,
        "bugtracker": project.bug_tracker,
        "created": project.created_date,
        "updated": project.updated_date,
        "tasks": [{"task": part.facts} for part in parts],
        "subsets": "\n".join(dict.fromkeys(part.subset for part in parts)),
        **_people(session, project),
    }


def _people(session: Session, row: Task | Project) -> dict[str, object]:
    def person(user_id: int | None) -> object:
        user = session.get(User, user_id) if user_id is not None else None
        return {"username": user.username, "email": ""} if user else ""

    return {"owner": person(row.owner_id), "assignee": person(row.assignee_id)}
