"""Quality control: what CVAT is told of ground truth, what its reports say, and servers that have none."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cvat_sdk import Client

from cvat.client import Credentials, connect
from cvat.errors import CvatRefused
from cvat.quality import ground_truth, make_reports, read_reports, require_quality
from tests.cvat.played import directly
from tests.cvat.proxy import Proxy

SUMMARY = {
    "frame_count": 2,
    "conflict_count": 2,
    "valid_count": 1,
    "ds_count": 2,
    "gt_count": 2,
    "precision": 0.5,
    "recall": 0.5,
    "accuracy": 1 / 3,
    "conflicts_by_type": {"missing_annotation": 1, "extra_annotation": 1},
}


def report(number: int, **more: Any) -> dict[str, Any]:
    base = {"id": number, "target": "task", "task_id": 7, "job_id": None, "created_date": "2026-01-01T00:00:00Z"}
    return {**base, "parent_id": None, "assignee": None, "summary": SUMMARY, **more}


REPORTS = [
    report(1, summary={**SUMMARY, "valid_count": 0}),
    report(2),
    report(3, target="job", job_id=9, assignee={"id": 4, "username": "alice", "url": "…"}),
    report(4, target="project", task_id=None),
]


class ProxyWithQuality(Proxy):
    """A server without quality control, behind answers as CVAT 2.54 gives them."""

    def pass_on(self, method, path, headers, body):
        place = path.partition("?")[0]
        rows: dict[str, list[Any]] = {"/api/quality/reports": REPORTS, "/api/quality/settings": []}
        if place in rows:
            content = {"rq_id": "made"} if method == "POST" else {"next": None, "results": rows[place]}
        elif place == "/api/tasks":
            content = {"next": None, "results": [{"id": n, "name": "", "updated_date": "", "size": 3} for n in (7, 8)]}
        elif place == "/api/jobs":
            content = {"next": None, "results": [{"id": 9}] if "task_id=7" in path else []}
        else:
            return super().pass_on(method, path, headers, body)
        return _Answer(), json.dumps(content).encode()


class _Answer:
    status = 200

    def getheaders(self) -> list[tuple[str, str]]:
        return [("Content-Type", "application/vnd.cvat+json")]

    def getheader(self, name: str) -> None:
        return None


@contextmanager
def with_quality(server) -> Iterator[tuple[Client, Proxy]]:
    proxy = ProxyWithQuality(server.url)
    with proxy.running(), connect(proxy.url, Credentials(server.user, server.password)) as client:
        yield client, proxy


@pytest.mark.parametrize(("frames", "chosen"), [(20.0, {"frame_count": 20}), (0.05, {"frame_share": 0.05})])
def test_ground_truth_is_a_number_of_frames_or_a_share(frames: float, chosen: dict[str, float]) -> None:
    told = ground_truth(frames=frames, honeypots=0, seed=3)
    assert told == {"mode": "gt", "frame_selection_method": "random_uniform", "random_seed": 3, **chosen}


def test_honeypots_come_from_a_pool_and_hide_in_each_job() -> None:
    told = ground_truth(frames=20, honeypots=2, seed=3)
    assert (told["mode"], told["frame_count"], told["frames_per_job_count"]) == ("gt_pool", 20, 2)


def test_a_server_without_quality_control_is_told(shared_cvat_server) -> None:
    with directly(shared_cvat_server) as client, pytest.raises(CvatRefused, match="has no quality control"):
        require_quality(client)


def test_reports_are_made_of_tasks_that_have_ground_truth(shared_cvat_server, monkeypatch) -> None:
    with with_quality(shared_cvat_server) as (client, proxy):
        require_quality(client)
        waited: list[str] = []
        monkeypatch.setattr(client, "wait_for_completion", waited.append)
        assert make_reports(client, project_id=1) == [7]
    assert waited == ["made"]
    assert [request.path for request in proxy.requests if request.method == "POST"][1:] == ["/api/quality/reports"]


def test_the_newest_report_of_each_task_and_job_is_read(shared_cvat_server) -> None:
    with with_quality(shared_cvat_server) as (client, _):
        task, job = read_reports(client, project_id=1)
    assert (task.id, task.summary.valid_count, task.summary.precision) == (2, 1, 0.5)
    assert (job.id, job.job_id, job.assignee and job.assignee.username) == (3, 9, "alice")
