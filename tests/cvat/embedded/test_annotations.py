"""Annotations over HTTP beyond the contract: tracks in jobs, skeletons, what is refused and what is dropped."""

import pytest


def lefts(track):
    return [(shape["frame"], round(shape["points"][0], 3)) for shape in track["shapes"]]


@pytest.fixture(scope="module")
def task_id(shared_garage):
    """Four images in one job."""
    return shared_garage.new_task()


@pytest.fixture(scope="module")
def halves(shared_garage):
    """Four images in two jobs."""
    return shared_garage.new_task(segment_size=2, overlap=0)


@pytest.fixture(scope="module")
def overlapping(shared_garage):
    """Four images in jobs of three that share one."""
    return shared_garage.new_task(segment_size=3, overlap=1)


def test_a_skeleton_comes_back_as_it_was_sent(shared_garage, task_id):
    head, foot = {"points": [1.5, 2], "occluded": True}, {"points": [9, 9], "outside": True}
    shared_garage.put(task_id, shared_garage.stick(1, foot=foot, head=head))
    (stored,) = shared_garage.read(task_id)["shapes"]
    told = [(element["points"], element["occluded"], element["outside"]) for element in stored["elements"]]
    assert told == [([9, 9], False, True), ([1.5, 2], True, False)]
    assert all(set(element) == set(stored) - {"elements"} for element in stored["elements"])


def test_a_skeleton_track_keeps_the_tracks_of_its_elements(shared_garage, task_id):
    ids = {part["name"]: part["id"] for part in shared_garage.labels["stick"]["sublabels"]}

    def points(frame, x, **more):
        return {"type": "points", "frame": frame, "points": [x, 1], **more}

    elements = [
        {"frame": 0, "label_id": ids["head"], "shapes": [points(0, 1), points(3, 7)]},
        {"frame": 1, "label_id": ids["foot"], "shapes": [points(1, 5)]},
    ]
    whole = {"frame": 0, "label_id": shared_garage.labels["stick"]["id"], "elements": elements}
    shared_garage.put(task_id, tracks=[{**whole, "shapes": [{"type": "skeleton", "frame": 0}]}])
    (stored,) = shared_garage.read(task_id)["tracks"]
    told = {part["label_id"]: [(*pair, s["outside"]) for pair, s in zip(lefts(part), part["shapes"], strict=True)]
            for part in stored["elements"]}  # fmt: skip
    assert told[ids["head"]] == [(0, 1, False), (3, 7, False)]
    assert told[ids["foot"]] == [(0, 5, True), (1, 5, False)]  # it begins with the skeleton, out of sight


def test_a_track_that_ends_in_the_first_job_is_not_in_the_second(shared_garage, halves):
    shared_garage.put(
        halves, tracks=[shared_garage.track(shared_garage.key(0, 0), shared_garage.key(1, 9, outside=True))]
    )
    assert [len(shared_garage.read(job, "jobs")["tracks"]) for job in shared_garage.jobs(halves)] == [1, 0]
    (stored,) = shared_garage.read(halves)["tracks"]
    assert lefts(stored) == [(0, 0), (1, 9)]


def test_a_job_keeps_the_key_frames_of_its_tracks_as_they_were_sent(shared_garage, halves):
    first, _ = shared_garage.jobs(halves)
    hidden_first = shared_garage.track(shared_garage.key(0, 3, outside=True), shared_garage.key(1, 4))
    shared_garage.put(first, tracks=[hidden_first], kind="jobs")
    (stored,) = shared_garage.read(first, "jobs")["tracks"]
    assert [(shape["frame"], shape["outside"]) for shape in stored["shapes"]] == [(0, True), (1, False)]


def test_a_changed_track_keeps_its_id_and_stays_in_its_job(shared_garage, halves):
    garage = shared_garage
    garage.put(halves, tracks=[garage.track(garage.key(0, 0), garage.key(1, 10, outside=True))])
    (stored,) = garage.read(halves)["tracks"]
    change = {**garage.track(garage.key(0, 5), garage.key(3, 35)), "id": stored["id"]}
    garage.api.call("PATCH", f"tasks/{halves}/annotations?action=update", json={"tracks": [change]})
    first, second = (garage.read(job, "jobs")["tracks"] for job in garage.jobs(halves))
    assert [(track["id"], lefts(track)) for track in first] == [(stored["id"], [(0, 5), (1, 15)])]
    assert second == []


def test_a_track_over_jobs_that_share_a_frame_is_read_as_one(shared_garage, overlapping):
    garage = shared_garage
    garage.put(overlapping, tracks=[garage.track(garage.key(0, 0), garage.key(3, 30))])
    (stored,) = garage.read(overlapping)["tracks"]
    assert lefts(stored) == [(0, 0), (2, 20), (3, 30)]


def test_a_track_drawn_in_one_of_two_jobs_ends_with_it(shared_garage, overlapping):
    garage = shared_garage
    first, second = garage.jobs(overlapping)
    garage.put(second, kind="jobs")
    garage.put(first, tracks=[garage.track(garage.key(0, 0))], kind="jobs")
    (stored,) = garage.read(overlapping)["tracks"]
    assert [(shape["frame"], shape["outside"]) for shape in stored["shapes"]] == [(0, False), (3, True)]


def test_a_polyline_on_a_shared_frame_is_told_once(shared_garage, overlapping):
    line = shared_garage.shape("polyline", [1, 1, 9, 9], label="road", frame=2)
    shared_garage.put(overlapping, line)
    assert len(shared_garage.read(overlapping)["shapes"]) == 1


WRONG_TRACKS = {
    "two types": lambda garage: garage.track(
        garage.key(0, 0), {"type": "polygon", "frame": 1, "points": [0, 0, 9, 0, 9, 9]}
    ),
    "two shapes on a frame": lambda garage: garage.track(garage.key(0, 0), garage.key(0, 5)),
    "too few points": lambda garage: garage.track({"type": "rectangle", "frame": 0, "points": [1, 2]}),
    "an id of its own": lambda garage: garage.track(garage.key(0, 0), id=5),
}


@pytest.mark.parametrize("kind", WRONG_TRACKS)
def test_a_track_that_cannot_be_drawn_is_refused_by_name(shared_garage, task_id, kind):
    body = {"tracks": [shared_garage.track(shared_garage.key(0, 0)), WRONG_TRACKS[kind](shared_garage)]}
    told = shared_garage.api.call("PUT", f"tasks/{task_id}/annotations", json=body, status=400)
    assert told["tracks"][1]


@pytest.mark.parametrize(
    "points", [[0, 11, 2, 2, 5, 4], [0, 12, 5, 2, 2, 4], [-1, 13, 2, 2, 5, 4], [0.5, 11.5, 2, 2, 5, 4]]
)
def test_a_mask_that_does_not_fill_its_box_is_refused(shared_garage, task_id, points):
    body = {"shapes": [shared_garage.shape("mask", points)]}
    told = shared_garage.api.call("PUT", f"tasks/{task_id}/annotations", json=body, status=400)
    assert "points" in told["shapes"][0]


def test_a_body_that_is_no_json_is_refused(shared_garage, task_id):
    told = shared_garage.api.call("PUT", f"tasks/{task_id}/annotations", data=b"{", status=400)
    assert "JSON" in told["detail"]


def test_numbers_may_come_as_text_and_values_as_numbers(shared_garage, task_id):
    sent = shared_garage.box(attributes=shared_garage.values(count=7, note="x"))
    shared_garage.put(task_id, {**sent, "frame": "2", "rotation": "30"})
    ((told,),) = (shared_garage.told(task_id)["shapes"],)
    assert (told["frame"], told["rotation"], told["attributes"]["count"]) == (2, 30, "7")


def test_a_deleted_label_takes_its_shapes_and_tracks_along(garage):
    task_id = garage.new_task(["a.jpg"])
    road = garage.shape("polygon", [0, 0, 9, 0, 9, 9], label="road")
    garage.put(task_id, garage.box(), road, tracks=[garage.track(garage.key(0, 0))])
    gone = {"labels": [{"id": garage.labels["car"]["id"], "name": "car", "deleted": True}]}
    garage.api.call("PATCH", f"projects/{garage.project_id}", json=gone)
    found = garage.read(task_id)
    assert ([shape["type"] for shape in found["shapes"]], found["tracks"]) == (["polygon"], [])


@pytest.mark.parametrize("shapes", [[], [{"type": "points", "frame": 9, "points": [1, 1]}]])
def test_a_skeleton_of_which_nothing_is_seen_is_dropped(shared_garage, task_id, shapes):
    head = shared_garage.labels["stick"]["sublabels"][0]["id"]
    whole = {"frame": 0, "label_id": shared_garage.labels["stick"]["id"], "shapes": [{"type": "skeleton", "frame": 0}]}
    elements = [{"frame": 0, "label_id": head, "shapes": shapes}]
    assert shared_garage.put(task_id, tracks=[{**whole, "elements": elements}])["tracks"] == []
