"""Jobs that share frames: each has its own copy of a shape, and the task shows copies that are alike once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvat.embedded.ingest import cut


@given(size=st.integers(1, 300), segment_size=st.integers(1, 80), overlap=st.integers(0, 40))
def test_jobs_cover_all_frames_and_share_as_many_as_asked(size, segment_size, overlap):
    overlap = min(overlap, segment_size // 2)
    jobs = list(cut(size, segment_size=segment_size, overlap=overlap))
    assert (jobs[0][0], jobs[-1][1]) == (0, size - 1)
    assert all(first <= last < first + segment_size for first, last in jobs)
    assert all(end - start + 1 == overlap for (_, end), (start, _) in pairwise(jobs))


@pytest.fixture
def task_id(shared_api, jpeg):
    task_id = shared_api.new_task(shared_api.new_project(), segment_size=2, overlap=1)
    shared_api.send(task_id, {f"{number}.jpg": jpeg(number) for number in range(3)})
    return task_id


def test_a_shape_on_a_shared_frame_is_in_both_jobs_and_once_in_the_task(shared_api, task_id):
    labels = shared_api.call("GET", f"labels?task_id={task_id}")["results"]
    shape = {"type": "rectangle", "frame": 1, "label_id": labels[0]["id"], "points": [1, 2, 3, 4]}
    shared_api.call("PUT", f"tasks/{task_id}/annotations", json={"shapes": [shape]})
    jobs = [job["id"] for job in shared_api.call("GET", f"jobs?task_id={task_id}&sort=id")["results"]]
    counts = [len(shared_api.call("GET", f"jobs/{job}/annotations")["shapes"]) for job in jobs]
    assert counts == [1, 1]
    assert len(shared_api.call("GET", f"tasks/{task_id}/annotations")["shapes"]) == 1
    shared_api.call("DELETE", f"jobs/{jobs[0]}/annotations", status=204)
    assert len(shared_api.call("GET", f"tasks/{task_id}/annotations")["shapes"]) == 1  # the other job's
