"""A server that is killed loses nothing it confirmed, doubles nothing, and leaves nothing stuck."""

import threading
from contextlib import suppress

import pytest
import requests


def box(label_id, frame, left):
    return {
        "type": "rectangle",
        "frame": frame,
        "label_id": label_id,
        "points": [left, 2, left + 5, 9],
        "attributes": [],
    }


def test_an_upload_broken_off_by_a_kill_leaves_no_frames_and_can_be_repeated(cvat_server, api, jpeg):
    task_id = api.new_task(api.new_project())
    api.call("POST", f"tasks/{task_id}/data", headers={"Upload-Start": ""}, status=202)

    def half_a_form():
        yield b'--x\r\nContent-Disposition: form-data; name="client_files[0]"; filename="a.jpg"\r\n\r\n' + jpeg(0)
        yield (
            b'\r\n--x\r\nContent-Disposition: form-data; name="client_files[1]"; filename="b.jpg"\r\n\r\n'
            + jpeg(1)[:99]
        )
        cvat_server.kill()

    headers = {"Upload-Multiple": "", "Content-Type": "multipart/form-data; boundary=x"}
    with pytest.raises(requests.ConnectionError):
        api.call("POST", f"tasks/{task_id}/data", headers=headers, data=half_a_form())
    cvat_server.restart()
    assert api.frames(task_id) == []
    assert list((cvat_server.data_dir / "incoming").iterdir()) == []
    assert api.send(task_id, {"a.jpg": jpeg(0), "b.jpg": jpeg(1)})["status"] == "finished"
    assert api.frames(task_id) == ["a.jpg", "b.jpg"]


def test_a_file_in_pieces_goes_on_after_a_kill_where_it_stopped(cvat_server, api, jpeg):
    task_id, content = api.new_task(api.new_project()), jpeg(7)
    tus = {"Tus-Resumable": "1.0.0"}
    create = {**tus, "Upload-Length": str(len(content)), "Upload-Metadata": "filename YS5qcGc="}
    created = api.session.post(f"{cvat_server.url}/api/tasks/{task_id}/data/", headers=create)
    location = created.headers["Location"].partition("/api/")[2]
    api.call("PATCH", location, headers={**tus, "Upload-Offset": "0"}, data=content[:100], status=204)
    cvat_server.restart()
    offset = api.session.head(f"{cvat_server.url}/api/{location}", headers=tus).headers["Upload-Offset"]
    assert offset == "100"
    api.call("POST", f"tasks/{task_id}/data", headers={"Upload-Finish": ""}, json={}, status=400)  # not all is here
    api.call("PATCH", location, headers={**tus, "Upload-Offset": offset}, data=content[100:], status=204)
    finish = api.call("POST", f"tasks/{task_id}/data", headers={"Upload-Finish": ""}, json={}, status=202)
    assert api.wait(finish["rq_id"])["status"] == "finished"
    frame = api.session.get(f"{cvat_server.url}/api/tasks/{task_id}/data?type=frame&number=0&quality=original")
    assert frame.content == content


def test_an_import_under_way_at_a_kill_is_done_by_the_next_start(cvat_server, api, jpeg, make_zip):
    task_id = api.new_task(api.new_project(), segment_size=100)
    archive = make_zip({f"car/{number:04d}.jpg": jpeg(number) for number in range(400)})
    files = [("client_files[0]", ("cars.zip", archive))]
    rq_id = api.call("POST", f"tasks/{task_id}/data", files=files, status=202)["rq_id"]
    cvat_server.restart()
    assert api.wait(rq_id)["status"] == "finished"
    assert api.frames(task_id) == [f"car/{number:04d}.jpg" for number in range(400)]
    jobs = api.call("GET", f"jobs?task_id={task_id}&sort=id")["results"]
    assert [(job["start_frame"], job["stop_frame"]) for job in jobs] == [(0, 99), (100, 199), (200, 299), (300, 399)]
    cvat_server.restart()  # a start removes what a killed import left beside the frames
    assert len(list((cvat_server.data_dir / "tasks" / str(task_id)).iterdir())) == 400


def test_annotations_are_all_old_or_all_new_after_a_kill(cvat_server, api, jpeg):
    project_id = api.new_project()
    task_id, label_id = api.new_task(project_id), api.label_ids(project_id)["dent"]
    api.send(task_id, {"a.jpg": jpeg(0), "b.jpg": jpeg(1)})
    path = f"tasks/{task_id}/annotations"
    old = [box(label_id, frame, 1) for frame in (0, 1)]
    api.call("PUT", path, json={"shapes": old})
    new = [box(label_id, number % 2, 20) for number in range(4000)]

    log = cvat_server.data_dir / "cvat.sqlite3-wal"
    size = log.stat().st_size

    def put():
        with suppress(requests.RequestException):  # the kill came first
            confirmed.append(api.call("PUT", path, json={"shapes": new}))

    confirmed = []
    thread = threading.Thread(target=put)
    thread.start()
    while log.stat().st_size == size and thread.is_alive():
        thread.join(0.001)  # until the first of the new shapes reach the disk
    cvat_server.kill()
    thread.join()
    cvat_server.restart()
    lefts = [shape["points"][0] for shape in api.call("GET", path)["shapes"]]
    assert lefts == [20] * 4000 or (lefts == [1, 1] and not confirmed)
