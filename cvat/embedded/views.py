"""Rows as CVAT shows them. Absolute addresses begin with `base`, the server's own as the caller wrote it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from cvat.embedded.background import FINISHED
from cvat.embedded.tables import GROUND_TRUTH, Attribute, Frame, Issue, Job, Label, Project, Request, Task, User

#: How long the answer says that a result can be fetched; it is kept until its task goes or it is made anew.
RESULT_LIFETIME = timedelta(days=1)

_ONLY_LOCAL = {"organization": None, "target_storage": None, "source_storage": None}


class Views:
    """Answers about rows of one session; each method takes a whole page, so that a list costs a few queries."""

    def __init__(self, session: Session, base: str) -> None:
        self._session = session
        self._base = base
        self._users = {user.id: user for user in session.scalars(select(User))}

    def users(self, rows: Iterable[User]) -> list[dict[str, Any]]:
        """Users with their rights."""
        return [
            {
                **self.person(user.id),
                "email": "",
                "groups": ["admin"],
                "is_staff": True,
                "is_superuser": True,
                "is_active": True,
                "last_login": user.last_login,
                "date_joined": user.date_joined,
                "has_analytics_access": False,
            }
            for user in rows
        ]

    def person(self, user_id: int | None) -> Any:
        """A user as others see him, or None."""
        if user_id is None:
            return None
        url = f"{self._base}api/users/{user_id}"
        return {
            "url": url,
            "id": user_id,
            "username": self._users[user_id].username,
            "first_name": "",
            "last_name": "",
        }

    def projects(self, rows: Sequence[Project]) -> list[dict[str, Any]]:
        """Projects with the number of their tasks and the subsets in use."""
        tasks = defaultdict[int, list[str]](list)
        wanted = select(Task.project_id, Task.subset).where(Task.project_id.in_([row.id for row in rows]))
        for project_id, subset in self._session.execute(wanted):
            tasks[project_id].append(subset)
        return [
            {
                "url": f"{self._base}api/projects/{row.id}",
                "id": row.id,
                "name": row.name,
                "owner": self.person(row.owner_id),
                "assignee": self.person(row.assignee_id),
                "guide_id": None,
                "bug_tracker": row.bug_tracker,
                "created_date": row.created_date,
                "updated_date": row.updated_date,
                "status": "annotation",
                "dimension": "2d" if tasks[row.id] else None,
                "organization_id": None,
                **_ONLY_LOCAL,
                "tasks": {"count": len(tasks[row.id]), "url": f"{self._base}api/tasks?project_id={row.id}"},
                "labels": {"url": f"{self._base}api/labels?project_id={row.id}"},
                "assignee_updated_date": row.assignee_updated_date,
                "task_subsets": sorted({subset for subset in tasks[row.id] if subset}),
            }
            for row in rows
        ]

    def labels(self, rows: Sequence[Label]) -> list[dict[str, Any]]:
        """Top labels with their attributes and sublabels."""
        parts = self._session.scalars(
            select(Label).where(Label.parent_id.in_([row.id for row in rows])).order_by(Label.id)
        ).all()
        attributes = self._attributes([*rows, *parts])
        return [
            {
                **_label(row, attributes[row.id]),
                "sublabels": [_label(part, attributes[part.id]) for part in parts if part.parent_id == row.id],
                "project_id": row.project_id,
                "parent_id": row.parent_id,
                **({"task_id": row.task_id} if row.task_id else {}),
                **({"svg": row.svg} if row.type == "skeleton" else {}),
            }
            for row in rows
        ]

    def tasks(self, rows: Sequence[Task]) -> list[dict[str, Any]]:
        """Tasks with the progress of their jobs; those without data lack the fields about it, as in CVAT."""
        progress = self._progress([row.id for row in rows])
        validated = select(Job.task_id).where(Job.type == GROUND_TRUTH, Job.task_id.in_([row.id for row in rows]))
        with_truth = set(self._session.scalars(validated))
        return [
            self._task(row, *progress.get(row.id, (0, 0, 0)))
            | {"validation_mode": "gt" if row.id in with_truth else None}
            for row in rows
        ]

    def jobs(self, rows: Sequence[Job]) -> list[dict[str, Any]]:
        """Jobs with what they take from their task."""
        wanted = select(Task).where(Task.id.in_({row.task_id for row in rows}))
        tasks = {task.id: task for task in self._session.scalars(wanted)}
        counted = select(Issue.job_id, func.count()).where(Issue.job_id.in_([row.id for row in rows]))
        issues = dict(self._session.execute(counted.group_by(Issue.job_id)).tuples().all())
        return [self._job(row, tasks[row.task_id], issues.get(row.id, 0)) for row in rows]

    def requests(self, rows: Iterable[Request]) -> list[dict[str, Any]]:
        """The states of background requests."""
        return [
            {
                "status": row.status,
                "message": row.message,
                "id": row.id,
                "operation": {
                    "type": row.type,
                    "target": row.target,
                    "project_id": row.project_id,
                    "task_id": row.task_id,
                    "job_id": row.job_id,
                    "format": row.format,
                    "lightweight": None,
                },
                "progress": 0.0,
                "created_date": row.created_date,
                "started_date": row.started_date,
                "finished_date": row.finished_date,
                "expiry_date": _expiry(row),
                "owner": {"id": row.owner_id, "username": self._users[row.owner_id].username},
                "result_url": self._result_url(row),
                "result_id": row.result_id,
            }
            for row in rows
        ]

    def _attributes(self, labels: Iterable[Label]) -> defaultdict[int, list[Attribute]]:
        found = defaultdict[int, list[Attribute]](list)
        wanted = select(Attribute).where(Attribute.label_id.in_([label.id for label in labels])).order_by(Attribute.id)
        for attribute in self._session.scalars(wanted):
            found[attribute.label_id].append(attribute)
        return found

    def _progress(self, task_ids: Sequence[int]) -> dict[int, tuple[int, int, int]]:
        """All jobs, those in validation and those accepted, by task."""
        validation = func.sum(case((Job.stage == "validation", 1), else_=0))
        accepted = func.sum(case(((Job.stage == "acceptance") & (Job.state == "completed"), 1), else_=0))
        wanted = select(Job.task_id, func.count(), validation, accepted).where(Job.task_id.in_(task_ids))
        return {row[0]: (row[1], row[2], row[3]) for row in self._session.execute(wanted.group_by(Job.task_id))}

    def _task(self, row: Task, jobs: int, in_validation: int, accepted: int) -> dict[str, Any]:
        return {
            "url": f"{self._base}api/tasks/{row.id}",
            "id": row.id,
            "name": row.name,
            "project_id": row.project_id,
            "mode": _mode(row) if row.size else "",
            "owner": self.person(row.owner_id),
            "assignee": self.person(row.assignee_id),
            "bug_tracker": row.bug_tracker,
            "created_date": row.created_date,
            "updated_date": row.updated_date,
            "overlap": row.overlap,
            "segment_size": row.segment_size,
            "status": _task_status(jobs, in_validation, accepted),
            **(_task_data(row) if row.size else {}),
            "guide_id": None,
            "dimension": "2d",
            "subset": row.subset,
            "organization_id": None,
            **_ONLY_LOCAL,
            "jobs": {
                "count": jobs,
                "completed": accepted,
                "validation": in_validation,
                "url": f"{self._base}api/jobs?task_id={row.id}",
            },
            "labels": {"url": f"{self._base}api/labels?task_id={row.id}"},
            "assignee_updated_date": row.assignee_updated_date,
            "consensus_enabled": False,
        }

    def _job(self, row: Job, task: Task, issues: int) -> dict[str, Any]:
        return {
            "url": f"{self._base}api/jobs/{row.id}",
            "id": row.id,
            "task_id": row.task_id,
            "project_id": task.project_id,
            "assignee": self.person(row.assignee_id),
            "guide_id": None,
            "dimension": "2d",
            "bug_tracker": task.bug_tracker,
            "status": job_status(row),
            "stage": row.stage,
            "state": row.state,
            "mode": _mode(task),
            "frame_count": len(row.numbers),
            "start_frame": row.start_frame,
            "stop_frame": row.stop_frame,
            "data_chunk_size": task.chunk_size,
            **_chunk_types(task),
            "created_date": row.created_date,
            "updated_date": row.updated_date,
            "issues": {"url": f"{self._base}api/issues?job_id={row.id}", "count": issues},
            "labels": {"url": f"{self._base}api/labels?job_id={row.id}"},
            "type": row.type,
            **_ONLY_LOCAL,
            "assignee_updated_date": row.assignee_updated_date,
            "parent_job_id": None,
            "consensus_replicas": 0,
        }

    def _result_url(self, row: Request) -> str | None:
        if row.result_file is None or row.status != FINISHED:
            return None
        resource = "backup" if row.type.endswith(":backup") else "dataset"
        target_id = {"project": row.project_id, "task": row.task_id, "job": row.job_id}[row.target]
        return f"{self._base}api/{row.target}s/{target_id}/{resource}/download?rq_id={quote(row.id, safe='')}"


def data_meta(task: Task, frames: Iterable[Frame], included: Sequence[int] | None = None) -> dict[str, Any]:
    """What is known about frames of a task, given in order. A video is told as one frame, as in CVAT; with `included`
    the frames of other numbers keep their places, without their names."""
    frames = list(frames)
    here = {frame.number for frame in frames} if included is None else set(included)
    return {
        "chapters": None if task.video is None else [],
        "chunks_updated_date": task.data_date,
        "chunk_size": task.chunk_size or None,
        "size": len(here),
        "image_quality": task.image_quality,
        "start_frame": task.start_frame,
        "stop_frame": task.stop_frame,
        "frame_filter": task.frame_filter,
        "frames": [
            {
                "width": frame.width,
                "height": frame.height,
                "name": task.video or (frame.name if frame.number in here else "placeholder.jpg"),
                "related_files": 0,
                "has_related_context": False,
            }
            for frame in (frames if task.video is None else frames[:1])
        ],
        "deleted_frames": [frame.number for frame in frames if frame.deleted and frame.number in here],
        "included_frames": None if included is None else [task.source_number(number) for number in included],
        "storage": "local",
        "cloud_storage_id": None,
    }


def _label(row: Label, attributes: Iterable[Attribute]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "color": row.color,
        "attributes": [
            {
                "id": attribute.id,
                "name": attribute.name,
                "mutable": attribute.mutable,
                "input_type": attribute.input_type,
                "default_value": attribute.default_value,
                "values": attribute.values.split("\n"),
            }
            for attribute in attributes
        ],
        "type": row.type,
        "has_parent": row.parent_id is not None,
    }


def _task_data(row: Task) -> dict[str, Any]:
    return {
        "data_chunk_size": row.chunk_size,
        **_chunk_types(row),
        "data_cloud_storage_id": None,
        "size": row.size,
        "image_quality": row.image_quality,
        "data": row.id,
    }


def _mode(row: Task) -> str:
    return "annotation" if row.video is None else "interpolation"


def _chunk_types(row: Task) -> dict[str, str]:
    return {
        "data_original_chunk_type": "imageset" if row.video is None else "video",
        "data_compressed_chunk_type": "imageset" if row.video is None or row.zip_chunks else "video",
    }


def _task_status(jobs: int, in_validation: int, accepted: int) -> str:
    if jobs == 0 or in_validation + accepted < jobs:
        return "annotation"
    return "completed" if accepted == jobs else "validation"


def job_status(row: Job) -> str:
    """Stage and state in one word."""
    if row.stage == "annotation":
        return "annotation"
    return "completed" if (row.stage, row.state) == ("acceptance", "completed") else "validation"


def _expiry(row: Request) -> str | None:
    if row.finished_date is None:
        return None
    finished = datetime.strptime(row.finished_date, "%Y-%m-%dT%H:%M:%S.%fZ")
    return (finished + RESULT_LIFETIME).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
