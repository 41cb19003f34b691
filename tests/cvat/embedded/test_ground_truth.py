"""Ground truth: a job on chosen frames beside those of annotators, kept apart from what they draw."""

import numpy as np
import pytest

NAMES = [f"{number}.jpg" for number in range(10)]


@pytest.fixture
def task_id(shared_garage) -> int:
    return shared_garage.new_task(NAMES, segment_size=5)


@pytest.fixture
def create(shared_api, task_id):
    def create(status: int = 201, **choice):
        body = {"type": "ground_truth", "task_id": task_id, **choice}
        return shared_api.call("POST", "jobs", json=body, status=status)

    return create


def manual(*frames: int) -> dict[str, object]:
    return {"frame_selection_method": "manual", "frames": list(frames)}


def included(api, job) -> list[int]:
    return api.call("GET", f"jobs/{job['id']}/data/meta")["included_frames"]


def test_a_job_has_the_frames_picked_for_it_among_placeholders(shared_api, create):
    job = create(**manual(7, 2))
    assert (job["type"], job["frame_count"], job["start_frame"], job["stop_frame"]) == ("ground_truth", 2, 0, 9)
    meta = shared_api.call("GET", f"jobs/{job['id']}/data/meta")
    assert (meta["included_frames"], meta["size"]) == ([2, 7], 2)
    assert [frame["name"] for frame in meta["frames"]] == [
        name if number in (2, 7) else "placeholder.jpg" for number, name in enumerate(NAMES)
    ]


def test_frames_are_drawn_as_cvat_draws_them(shared_api, create):
    job = create(frame_selection_method="random_uniform", frame_count=3, random_seed=42)
    drawn = np.random.Generator(np.random.MT19937(42)).choice(list(range(10)), size=3, shuffle=False, replace=False)
    assert included(shared_api, job) == sorted(drawn.tolist())


def test_a_share_of_the_frames_can_be_drawn(shared_api, create):
    assert len(included(shared_api, create(frame_selection_method="random_uniform", frame_share=0.25))) == 2


def test_as_many_frames_of_each_job_can_be_drawn(shared_api, create):
    found = included(shared_api, create(frame_selection_method="random_per_job", frames_per_job_count=2))
    assert [sum(frame // 5 == job for frame in found) for job in (0, 1)] == [2, 2]


def test_its_annotations_are_not_those_of_the_task(shared_api, shared_garage, task_id, create):
    job = create(**manual(2, 7))
    shared_garage.put(job["id"], shared_garage.box(frame=2), shared_garage.box(frame=3), kind="jobs")
    assert [shape["frame"] for shape in shared_garage.read(job["id"], "jobs")["shapes"]] == [
        2
    ]  # frame 3 is not its own
    assert shared_garage.read(task_id)["shapes"] == []
    shared_garage.put(task_id, shared_garage.box(frame=7))
    assert [shape["frame"] for shape in shared_garage.read(job["id"], "jobs")["shapes"]] == [2]


def test_only_its_own_frames_can_be_seen_in_it(shared_api, create):
    job = create(**manual(2, 7))
    shared_api.session.get(f"{shared_api.server.url}/api/jobs/{job['id']}/data?type=frame&number=7").raise_for_status()
    shared_api.call("GET", f"jobs/{job['id']}/data?type=frame&number=3", status=400)


def test_an_export_of_it_has_its_own_frames_alone(shared_api, shared_garage, create):
    job = create(**manual(2, 7))
    shared_garage.put(job["id"], shared_garage.box(frame=2), kind="jobs")
    archive = shared_api.export("jobs", job["id"], "CVAT for images 1.1")
    written = archive.read("annotations.xml").decode()
    assert [name in written for name in ("2.jpg", "7.jpg", "3.jpg")] == [True, True, False]


def test_it_is_listed_by_its_type_and_can_be_deleted(shared_api, task_id, create):
    job = create(**manual(0))
    listed = shared_api.call("GET", f"jobs?task_id={task_id}&type=ground_truth")["results"]
    assert [found["id"] for found in listed] == [job["id"]]
    assert shared_api.call("GET", f"tasks/{task_id}")["validation_mode"] == "gt"
    shared_api.call("DELETE", f"jobs/{job['id']}", status=204)
    assert shared_api.call("GET", f"jobs?task_id={task_id}")["count"] == 2
    assert shared_api.call("GET", f"tasks/{task_id}")["validation_mode"] is None


def test_jobs_for_annotation_stay(shared_api, shared_garage, task_id):
    (job_id, _) = shared_garage.jobs(task_id)
    told = shared_api.call("DELETE", f"jobs/{job_id}", status=400)
    assert told == ["Only ground truth jobs can be removed."]


def test_a_task_has_one(create):
    create(**manual(0))
    assert create(400, **manual(1)) == ["A task can have only 1 ground truth job"]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (manual(3, 3), "must not repeat"),
        (manual(10), "do not exist in the task: 10"),
        ({"frame_selection_method": "manual"}, "needs frames"),
        ({"frame_selection_method": "random_uniform"}, "needs frame_count or frame_share"),
        ({"frame_selection_method": "random_uniform", "frame_count": 11}, "must not be greater"),
        ({"frame_selection_method": "honeypots"}, "is not a valid choice"),
        ({"type": "annotation", **manual(1)}, "is not a valid choice"),
    ],
)
def test_what_cannot_be_chosen_is_told(create, choice, told):
    assert told in str(create(400, **choice))


def test_it_can_be_chosen_with_the_upload(shared_api, shared_garage, jpeg):
    task_id = shared_api.new_task(shared_garage.project_id)
    shared_api.call("POST", f"tasks/{task_id}/data", headers={"Upload-Start": ""}, status=202)
    files = [(f"client_files[{n}]", (name, jpeg(n))) for n, name in enumerate(NAMES)]
    shared_api.call("POST", f"tasks/{task_id}/data", headers={"Upload-Multiple": ""}, files=files)
    params = {"mode": "gt", "frame_selection_method": "manual", "frames": ["4.jpg"]}
    body = {"image_quality": 70, "validation_params": params}
    answer = shared_api.call("POST", f"tasks/{task_id}/data", headers={"Upload-Finish": ""}, json=body, status=202)
    assert shared_api.wait(answer["rq_id"])["status"] == "finished"
    (job,) = shared_api.call("GET", f"jobs?task_id={task_id}&type=ground_truth")["results"]
    assert included(shared_api, job) == [4]


def test_honeypots_are_refused(shared_api, shared_garage):
    task_id = shared_api.new_task(shared_garage.project_id)
    params = {"mode": "gt_pool", "frame_selection_method": "random_uniform", "frame_count": 2}
    told = shared_api.call("POST", f"tasks/{task_id}/data", json={"validation_params": params}, status=400)
    assert told == {"validation_params": {"mode": ['"gt_pool" is not a valid choice.']}}


def test_it_comes_back_from_a_backup(shared_api, shared_garage, task_id, create):
    job = create(**manual(2, 7))
    shared_garage.put(job["id"], shared_garage.box(frame=7), kind="jobs")
    state = shared_api.wait(shared_api.call("POST", f"tasks/{task_id}/backup/export", status=202)["rq_id"])
    content = shared_api.session.get(state["result_url"]).content
    sent = {"task_file": ("backup.zip", content)}
    restored = shared_api.wait(shared_api.call("POST", "tasks/backup", files=sent, status=202)["rq_id"])
    found = shared_api.call("GET", f"jobs?task_id={restored['result_id']}&type=ground_truth")["results"]
    assert [included(shared_api, job) for job in found] == [[2, 7]]
    assert [shape["frame"] for shape in shared_garage.read(found[0]["id"], "jobs")["shapes"]] == [7]
