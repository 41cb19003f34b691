"""Sixteen clients at once: no error, no deadlock, nothing lost."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

CLIENTS, ROUNDS = 16, 2


def test_sixteen_clients_at_once_meet_no_error_and_lose_nothing(shared_cvat_server, make_api, jpeg):
    first = make_api(shared_cvat_server)
    project_id = first.new_project("for all")
    shared_task, label_id = first.new_task(project_id), first.label_ids(project_id)["dent"]
    first.send(shared_task, {"a.jpg": jpeg(0)})

    def shape(left):
        return {"type": "rectangle", "frame": 0, "label_id": label_id, "points": [left, 1, left + 1, 2]}

    def work(number):
        api = make_api(shared_cvat_server)  # a login of its own
        task_id = api.new_task(project_id, name=f"task {number}")
        assert api.send(task_id, {f"{number}.jpg": jpeg(number)})["status"] == "finished"
        for round_ in range(ROUNDS):
            path = f"tasks/{shared_task}/annotations?action=create"
            api.call("PATCH", path, json={"shapes": [shape(number * ROUNDS + round_)]})
            api.call("PUT", f"tasks/{task_id}/annotations", json={"shapes": [shape(number)] * 20})
            assert api.call("GET", f"projects/{project_id}")["tasks"]["count"] > 1
            frame = f"{api.server.url}/api/tasks/{task_id}/data?type=frame&number=0&quality=compressed"
            assert api.session.get(frame).status_code == 200
        rq_id = api.call("POST", f"tasks/{task_id}/backup/export", status=202)["rq_id"]
        assert api.wait(rq_id)["status"] == "finished"
        return len(api.call("GET", f"tasks/{task_id}/annotations")["shapes"])

    with ThreadPoolExecutor(CLIENTS) as threads:
        assert list(threads.map(work, range(CLIENTS))) == [20] * CLIENTS
    stored = first.call("GET", f"tasks/{shared_task}/annotations")["shapes"]
    assert sorted(item["points"][0] for item in stored) == list(range(CLIENTS * ROUNDS))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the most memory used")
def test_logins_at_once_do_not_take_the_memory_of_each(shared_cvat_server):
    body = {"username": shared_cvat_server.user, "password": shared_cvat_server.password}
    with ThreadPoolExecutor(CLIENTS) as threads:
        answers = threads.map(
            lambda _: requests.post(f"{shared_cvat_server.url}/api/auth/login", json=body), range(CLIENTS)
        )
        assert {answer.status_code for answer in answers} == {200}
    assert peak_mebibytes(shared_cvat_server.process.pid) < 200


def peak_mebibytes(pid):
    """The most memory a process ever had, in MiB."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
