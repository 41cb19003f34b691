"""The file share: images that a task takes by name from a folder beside the server, and from nowhere else."""

import os
from pathlib import Path

import pytest
from cvat_sdk import Client, models
from cvat_sdk.core.proxies.tasks import ResourceType

from cvat.embedded.errors import CannotServe
from cvat.embedded.settings import read_settings

WHO = {"CARLOOP_CVAT_USER": "a", "CARLOOP_CVAT_PASSWORD": "b"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, jpeg) -> Path:
    """A share of two folders, with links that lead out of it."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.jpg").write_bytes(jpeg(9))
    folder = tmp_path_factory.mktemp("share")
    for number, name in enumerate(("images/b.jpg", "images/a.jpg", "images/sub/c.jpg", "notes.txt", "ärger.jpg")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(number))
    (folder / "way-out").symlink_to(outside)
    (folder / "images/secret.jpg").symlink_to(outside / "secret.jpg")
    return folder


@pytest.fixture(scope="module")
def api(make_server, make_api, folder):
    return make_api(make_server(CARLOOP_CVAT_SHARE=str(folder)))


def take(api, *names: str, **options):
    """The id of a task of these files, and how its making ended."""
    task_id = api.new_task(api.new_project())
    answer = api.call("POST", f"tasks/{task_id}/data", json={"server_files": names, **options}, status=202)
    return task_id, api.wait(answer["rq_id"])


def test_folders_are_listed_before_files_and_links_out_of_the_share_are_not(api):
    assert api.call("GET", "server/share") == [
        {"name": "images", "type": "DIR", "mime_type": "DIR"},
        {"name": "notes.txt", "type": "REG", "mime_type": "unknown"},
        {"name": "ärger.jpg", "type": "REG", "mime_type": "image"},
    ]
    assert [entry["name"] for entry in api.call("GET", "server/share?directory=images")] == ["sub", "a.jpg", "b.jpg"]
    assert [entry["name"] for entry in api.call("GET", "server/share?directory=/images&search=b")] == ["b.jpg"]


@pytest.mark.parametrize("directory", ["..", "images/../../", "way-out", "nowhere", "notes.txt", "a%00b"])
def test_what_is_no_folder_of_the_share_is_not_listed(api, directory):
    api.call("GET", f"server/share?directory={directory}", status=400)


def test_frames_come_in_the_order_of_the_names_and_keep_their_folders(api, jpeg):
    names = ["images/b.jpg", "ärger.jpg", "images/a.jpg"]
    task_id, state = take(api, *names, sorting_method="predefined", use_cache=True)
    assert state["status"] == "finished", state
    assert api.frames(task_id) == names
    answer = api.session.get(f"{api.server.url}/api/tasks/{task_id}/data?type=frame&number=1&quality=original")
    assert answer.content == jpeg(4)


def test_a_folder_stands_for_the_images_in_it(api):
    task_id, _ = take(api, "images")
    assert api.frames(task_id) == ["images/a.jpg", "images/b.jpg", "images/sub/c.jpg"]


def test_frames_outlast_their_files_on_the_share(api, folder, jpeg):
    (folder / "short-lived.jpg").write_bytes(jpeg(7))
    task_id, _ = take(api, "short-lived.jpg")
    (folder / "short-lived.jpg").unlink()
    answer = api.session.get(f"{api.server.url}/api/tasks/{task_id}/data?type=frame&number=0&quality=original")
    assert answer.content == jpeg(7)


@pytest.mark.parametrize("name", ["../x.jpg", "images/../../x.jpg", "way-out/secret.jpg", "images/secret.jpg", "a\0b"])
def test_a_name_that_leads_out_of_the_share_is_refused(api, name):
    task_id, state = take(api, "images/a.jpg", name)
    assert (state["status"], "leads out of the server's share" in state["message"]) == ("failed", True)
    assert api.call("GET", f"tasks/{task_id}")["mode"] == ""
    assert not list((api.server.data_dir / "incoming").iterdir())


def test_a_file_that_is_not_there_is_told_by_its_name(api):
    _, state = take(api, "images/missing.jpg")
    assert "'images/missing.jpg' is not on the server's share" in state["message"]


def test_a_server_without_a_share_has_none(shared_api):
    assert shared_api.call("GET", "server/share") == []
    _, state = take(shared_api, "images/a.jpg")
    assert "this server has no share" in state["message"]


def test_cvat_sdk_makes_a_task_of_shared_files(api):
    with Client(api.server.url) as client:
        client.login((api.server.user, api.server.password))
        task = client.tasks.create_from_data(
            models.TaskWriteRequest(name="shared", labels=api.labels),
            resources=["images/a.jpg", "images/b.jpg"],
            resource_type=ResourceType.SHARE,
        )
    assert api.frames(task.id) == ["images/a.jpg", "images/b.jpg"]


def test_files_on_other_servers_are_refused_with_a_sentence(shared_api):
    task_id = shared_api.new_task(shared_api.new_project())
    body = {"remote_files": ["http://127.0.0.1/a.jpg"]}
    told = shared_api.call("POST", f"tasks/{task_id}/data", json=body, status=400)
    assert told == {"remote_files": ["This server fetches nothing from elsewhere; upload the files."]}


def test_the_share_is_named_by_flag_before_environment_and_must_be_a_folder(folder, tmp_path):
    environ = {**WHO, "CARLOOP_CVAT_SHARE": str(folder)}
    data = ["--data", os.fspath(tmp_path)]
    assert read_settings(data, environ).share_dir == folder
    assert read_settings([*data, "--share", str(tmp_path)], environ).share_dir == tmp_path
    with pytest.raises(CannotServe, match="missing: the share is no folder"):
        read_settings([*data, "--share", str(tmp_path / "missing")], environ)
