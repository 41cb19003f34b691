"""Quality control by CVAT: ground truth chosen as tasks are made, and its reports read back.

Reports: https://docs.cvat.ai/docs/manual/advanced/analytics-and-monitoring/auto-qa/
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from cvat_sdk import Client
from msgspec import Struct, field

from cvat.client import address, call, read_all
from cvat.errors import CvatAbsent, CvatRefused, told_in_a_sentence
from cvat.jobs import User, list_tasks


class Summary(Struct, frozen=True):
    """What a report counts: objects of the ground truth and of the annotators, and how many agree.

    Precision and recall are in [0, 1]; a server that weighs requirements of its own leaves them out.
    """

    valid_count: int | None = None
    ds_count: int | None = None
    gt_count: int | None = None
    precision: float | None = None
    recall: float | None = None
    accuracy: float | None = None
    conflict_count: int = 0
    conflicts_by_type: Mapping[str, int] = field(default_factory=dict)


class Report(Struct, frozen=True):
    """One report: of a project, a task or a job."""

    id: int
    target: str
    created_date: str
    summary: Summary
    project_id: int | None = None
    task_id: int | None = None
    job_id: int | None = None
    assignee: User | None = None


class _Asked(Struct):
    rq_id: str


def ground_truth(*, frames: float, honeypots: int, seed: int) -> dict[str, Any]:
    """What to tell CVAT of a new task's ground truth: so many frames, or a share of them below 1, chosen at random.

    With `honeypots`, each job gets so many of them among its own frames, unmarked.
    """
    chosen = {"frame_share": frames} if frames < 1 else {"frame_count": int(frames)}
    params: dict[str, Any] = {"mode": "gt", "frame_selection_method": "random_uniform", "random_seed": seed, **chosen}
    return {**params, "mode": "gt_pool", "frames_per_job_count": honeypots} if honeypots else params


def require_quality(client: Client) -> None:
    """Raises CvatRefused when the server has no quality control."""
    try:
        call(client, "GET", "/api/quality/settings?page_size=1")
    except CvatAbsent as error:
        raise CvatRefused(
            f"CVAT at {address(client)} has no quality control; leave out ground truth, or use a server that has it"
        ) from error


def make_reports(client: Client, project_id: int) -> list[int]:
    """Have reports made of the tasks that have ground truth; gives the tasks. Raises CvatError."""
    tasks = [task.id for task in list_tasks(client, project_id) if _has_ground_truth(client, task.id)]
    for task_id in tasks:
        body = msgspec.json.encode({"task_id": task_id})
        asked = msgspec.json.decode(call(client, "POST", "/api/quality/reports", body=body), type=_Asked)
        with told_in_a_sentence(f"making a quality report of task {task_id}", address(client)):
            client.wait_for_completion(asked.rq_id)
    return tasks


class _Job(Struct):
    id: int


def _has_ground_truth(client: Client, task_id: int) -> bool:
    return bool(read_all(client, "/api/jobs", _Job, {"task_id": task_id, "type": "ground_truth"}))


def read_reports(client: Client, project_id: int) -> list[Report]:
    """The newest report of each task and of each of its jobs. Raises CvatError."""
    found = read_all(client, "/api/quality/reports", Report, {"project_id": project_id})
    newest = {(report.target, report.task_id, report.job_id): report for report in found if report.task_id}
    return sorted(newest.values(), key=lambda report: (report.task_id or 0, report.job_id or 0))
