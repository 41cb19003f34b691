"""A disk that is full: one clear sentence, nothing half-done, and the server goes on. It is a real disk, of 6 MiB."""

import os
import subprocess

import pytest

from cvat.embedded.errors import DISK_FULL
from tests.cvat.conftest import CvatServer

MOUNT = 'mount -t tmpfs -o size=6m tmpfs "$0" && exec "$@"'


def within(folder):
    """The command that runs another one where `folder` is a small disk. Nobody else sees it, and it ends with that."""
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, str(folder)]


@pytest.fixture(scope="module")
def api(tmp_path_factory, make_api):
    folder = tmp_path_factory.mktemp("small")
    (folder / "data").mkdir()
    if subprocess.run([*within(folder / "data"), "true"], capture_output=True).returncode:
        pytest.skip("this system does not let us mount a small disk")
    server = CvatServer(folder, within=within(folder / "data"))
    yield make_api(server)
    server.kill()


@pytest.fixture
def task_id(api, jpeg):
    """A task with an image. The disk has some 5 MiB free."""
    project_id = api.new_project()
    task_id = api.new_task(project_id)
    assert api.send(task_id, {"a.jpg": jpeg(0)})["status"] == "finished"
    yield task_id
    api.call("DELETE", f"projects/{project_id}", status=204)


def big_jpeg(jpeg, mebibytes):
    return jpeg(1) + os.urandom(mebibytes * 2**20)  # what follows the image is no part of it


def test_files_too_large_for_the_disk_are_refused_and_smaller_ones_taken(api, task_id, jpeg):
    other = api.new_task(api.call("GET", f"tasks/{task_id}")["project_id"])
    files = [("client_files[0]", ("big.jpg", big_jpeg(jpeg, 8)))]
    assert api.call("POST", f"tasks/{other}/data", files=files, status=507) == {"detail": DISK_FULL}
    assert api.send(other, {"large.jpg": big_jpeg(jpeg, 3)})["status"] == "finished"  # the 8 MiB are gone


def test_an_archive_that_fills_the_disk_fails_with_the_reason_and_leaves_nothing(api, task_id, jpeg, make_zip):
    other = api.new_task(api.call("GET", f"tasks/{task_id}")["project_id"])
    state = api.send(other, {"all.zip": make_zip({"a.jpg": big_jpeg(jpeg, 1), "b.jpg": big_jpeg(jpeg, 2)})})
    assert (state["status"], state["message"]) == ("failed", DISK_FULL)
    assert api.frames(other) == []
    assert api.send(other, {"large.jpg": big_jpeg(jpeg, 1)})["status"] == "finished"


def test_a_file_in_pieces_goes_on_once_there_is_room(api, task_id, jpeg):
    project_id = api.call("GET", f"tasks/{task_id}")["project_id"]
    other, content = api.new_task(project_id), big_jpeg(jpeg, 3)
    blocker = api.new_task(project_id)
    api.send(blocker, {"large.jpg": big_jpeg(jpeg, 3)})
    tus = {"Tus-Resumable": "1.0.0"}
    create = {**tus, "Upload-Length": str(len(content)), "Upload-Metadata": "filename YS5qcGc="}
    created = api.session.post(f"{api.server.url}/api/tasks/{other}/data/", headers=create)
    location = created.headers["Location"].partition("/api/")[2]
    api.call("PATCH", location, headers={**tus, "Upload-Offset": "0"}, data=content, status=507)
    api.call("DELETE", f"tasks/{blocker}", status=204)

    def is_taken():
        piece = {"headers": {**tus, "Upload-Offset": "0"}, "data": content}
        return api.session.patch(f"{api.server.url}/api/{location}", **piece).status_code == 204

    api.wait_until(is_taken)  # the blocker leaves the disk in the background
    finish = api.call("POST", f"tasks/{other}/data", headers={"Upload-Finish": ""}, json={}, status=202)
    assert api.wait(finish["rq_id"])["status"] == "finished"


def test_an_export_that_fills_the_disk_fails_with_the_reason(api, task_id, jpeg):
    other = api.new_task(api.call("GET", f"tasks/{task_id}")["project_id"])
    api.send(other, {"large.jpg": big_jpeg(jpeg, 3)})
    state = api.wait(api.call("POST", f"tasks/{other}/backup/export", status=202)["rq_id"])
    assert (state["status"], state["message"]) == ("failed", DISK_FULL)


def test_annotations_too_many_for_the_disk_leave_those_that_are_there(api, task_id):
    label_id = api.label_ids(api.call("GET", f"tasks/{task_id}")["project_id"])["dent"]
    old = {"type": "rectangle", "frame": 0, "label_id": label_id, "points": [1, 2, 3, 4]}
    path = f"tasks/{task_id}/annotations"
    api.call("PUT", path, json={"shapes": [old]})
    many = {"type": "points", "frame": 0, "label_id": label_id, "points": [0.1234567] * 2000}
    assert api.call("PUT", path, json={"shapes": [many] * 500}, status=507) == {"detail": DISK_FULL}
    assert [shape["points"] for shape in api.call("GET", path)["shapes"]] == [[1, 2, 3, 4]]
    api.call("PUT", path, json={"shapes": []})
