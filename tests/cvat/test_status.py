"""`carloop cvat status` tells how far the work is, from few requests."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from cvat_sdk import Client, models

from cvat.errors import CvatAbsent
from cvat.jobs import Job, Task, User, list_jobs
from cvat.status import Work, sum_up
from datasets.store import ImageStore
from pipelines.annotation.status import status_command
from tests.cvat.played import directly, photograph, push
from tests.cvat.proxy import Proxy

ANNA = User(1, "anna")
TASKS = [Task(1, "one", "", "train"), Task(2, "two", "", "test")]
JOBS = [
    Job(1, 1, "acceptance", "completed", 0, 9, "", ANNA),
    Job(2, 1, "annotation", "completed", 10, 14, "", ANNA),
    Job(3, 2, "annotation", "new", 0, 3, ""),
]


def test_jobs_and_frames_are_counted_by_task_person_stage_and_state() -> None:
    status = sum_up(TASKS, JOBS, "acceptance", is_pulled=lambda job: False)
    assert status.work == Work(jobs=3, frames=19, jobs_done=1, frames_done=10)
    assert [task.work for task in status.tasks] == [Work(2, 15, 1, 10), Work(1, 4, 0, 0)]
    assert status.people == {"": Work(1, 4, 0, 0), "anna": Work(2, 15, 1, 10)}
    assert status.stages == {"acceptance": {"completed": 1}, "annotation": {"completed": 1, "new": 1}}


def test_a_team_of_one_stage_is_done_with_what_is_completed() -> None:
    assert sum_up(TASKS, JOBS, "completed", is_pulled=lambda job: False).work.jobs_done == 2


def test_learning_would_take_what_is_accepted_and_not_pulled() -> None:
    assert sum_up(TASKS, JOBS, "completed", is_pulled=lambda job: job.id == 1).to_learn == Work(1, 5, 1, 5)


@pytest.fixture
def project(tmp_path: Path, shared_cvat_server, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """A project's name, and its file."""
    name = f"cars [red] {uuid4().hex}"
    path = tmp_path / "carloop.yaml"
    path.write_text(f"cvat:\n  project: {name!r}\n")
    monkeypatch.setenv("CARLOOP_CVAT_URL", shared_cvat_server.url)
    monkeypatch.setenv("CARLOOP_CVAT_USER", shared_cvat_server.user)
    monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", shared_cvat_server.password)
    return name, path


def run(path: Path, *options: str) -> Result:
    arguments = ["--project", str(path), "--home", str(path.parent / "home"), *options]
    return CliRunner().invoke(status_command, arguments, catch_exceptions=False)


def push_and_accept_one(client: Client, name: str, folder: Path) -> None:
    store = ImageStore(folder / "store")
    project_id, _ = push(client, name, [photograph(store, shade) for shade in (0, 60, 120)], store)
    job, _ = list_jobs(client, project_id=project_id)
    client.jobs.retrieve(job.id).update(models.PatchedJobWriteRequest(stage="acceptance", state="completed"))


def test_the_status_of_a_project_is_shown_as_tables_and_as_json(shared_cvat_server, project, tmp_path) -> None:
    name, path = project
    with directly(shared_cvat_server) as client:
        push_and_accept_one(client, name, tmp_path)
    told = json.loads(run(path, "--json").stdout)
    assert told["project"] == name
    assert told["to_learn"] == {"jobs": 1, "frames": told["work"]["frames_done"], "jobs_done": 1, "frames_done": 2}
    assert told["work"]["jobs"] == 2
    assert told["people"][""]["jobs"] == 2
    shown = run(path).stdout
    assert "nobody" in shown
    assert "1 of 2" in shown
    assert "learn would take 1 jobs of 2 frames" in shown


def test_the_status_takes_few_requests(shared_cvat_server, project, tmp_path, monkeypatch) -> None:
    name, path = project
    with directly(shared_cvat_server) as client:
        push_and_accept_one(client, name, tmp_path)
    with Proxy(shared_cvat_server.url).running() as proxy:
        monkeypatch.setenv("CARLOOP_CVAT_URL", proxy.url)
        run(path, "--json")
    assert len(proxy.requests) == 6


def test_a_project_that_is_not_there_is_told(project) -> None:
    with pytest.raises(CvatAbsent, match=r"has no project .*make it with carloop cvat push"):
        run(project[1])
