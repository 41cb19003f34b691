"""The process: how it starts, what it says when it cannot, how it ends."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

from tests.cvat.forked import ForkedServer

ENVIRONMENT = {**os.environ, "CARLOOP_CVAT_USER": "a", "CARLOOP_CVAT_PASSWORD": "b"}


def assert_one_sentence(folder, options, *words):
    """The server ends by itself, and its stderr is one line with these words."""
    with (folder / "stderr").open("wb") as stderr:
        server = ForkedServer(list(map(str, options)), ENVIRONMENT, stderr)
    with closing(server.stdin):
        assert server.wait(20) == 1
    (line,) = (folder / "stderr").read_text().splitlines()
    for word in words:
        assert word in line


def test_a_port_in_use_is_told_in_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        options = ["--port", other.getsockname()[1], "--data", tmp_path / "data"]
        assert_one_sentence(tmp_path, options, "in use", "--port")


def test_a_data_folder_is_served_by_one_server_only(shared_cvat_server, tmp_path):
    folder = shared_cvat_server.data_dir
    assert_one_sentence(tmp_path, ["--data", folder], str(folder), "another server", "--data")


def test_a_data_folder_that_cannot_be_written_is_told_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    assert_one_sentence(tmp_path, ["--data", tmp_path / "file" / "data"], "cannot be written", "--data")


def test_a_data_folder_of_something_else_is_told_in_one_sentence(tmp_path):
    (tmp_path / "cvat.sqlite3").write_bytes(b"no database at all" * 100)
    assert_one_sentence(tmp_path, ["--data", tmp_path], "cvat.sqlite3", "cannot be opened")


def test_data_of_another_version_is_told_in_one_sentence_and_left_alone(tmp_path):
    with closing(sqlite3.connect(tmp_path / "cvat.sqlite3")) as other:
        other.execute("PRAGMA user_version = 1")
    assert_one_sentence(tmp_path, ["--data", tmp_path], "cvat.sqlite3", "version 1", "--data")
    with closing(sqlite3.connect(tmp_path / "cvat.sqlite3")) as other:
        assert other.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_a_missing_password_is_told_in_one_sentence(tmp_path):
    command = [sys.executable, "-m", "cvat.embedded", "--data", tmp_path]
    ended = subprocess.run(
        command, env={"PATH": ""}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert "CARLOOP_CVAT_PASSWORD" in line


def test_the_ready_file_has_the_address_of_a_free_loopback_port(shared_cvat_server):
    server = shared_cvat_server
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.url)
    assert server.session().get(f"{server.url}/api/users/self").json()["username"] == server.user


def test_the_server_ends_with_the_process_that_started_it(cvat_server):
    cvat_server.process.stdin.close()
    assert cvat_server.process.wait(20) == 0


def test_importing_the_server_loads_none_of_the_heavy_packages():
    heavy = {"torch", "fiftyone", "mlflow", "ultralytics", "prefect", "cv2", "numpy"}
    code = f"import sys, cvat.embedded.server; sys.exit(bool({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=20).returncode == 0


def test_what_was_stored_is_there_after_a_restart(cvat_server, api, jpeg):
    project_id = api.new_project()
    task_id = api.new_task(project_id)
    api.send(task_id, {"a.jpg": jpeg(3)})
    shape = {"type": "rectangle", "frame": 0, "label_id": api.label_ids(project_id)["dent"], "points": [1, 2, 3.5, 4]}
    api.call("PUT", f"tasks/{task_id}/annotations", json={"shapes": [shape]})
    before = api.call("GET", f"tasks/{task_id}/annotations")
    secret = cvat_server.data_dir / "secret"
    assert secret.stat().st_mode & 0o077 == 0
    key = secret.read_bytes()
    assert cvat_server.stop() == 0  # SIGTERM ends it in order
    cvat_server.restart()
    assert api.call("GET", f"tasks/{task_id}/annotations") == before  # the same token still works, too
    assert secret.read_bytes() == key
    frame = api.session.get(f"{cvat_server.url}/api/tasks/{task_id}/data?type=frame&number=0&quality=original")
    assert frame.content == jpeg(3)
