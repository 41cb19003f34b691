"""A small client of the HTTP API, and images to send."""

import io
import time
import zipfile
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import pytest
import requests
from PIL import Image

LABELS = [
    {
        "name": "dent",
        "type": "rectangle",
        "attributes": [
            {"name": "model", "mutable": False, "input_type": "text", "default_value": "", "values": []},
            {"name": "sure", "mutable": False, "input_type": "checkbox", "default_value": "false", "values": []},
        ],
    },
    {"name": "dirty", "type": "tag"},
]


class Api:
    """Calls of one server as its user; each call must succeed."""

    labels = LABELS

    def __init__(self, server: Any) -> None:
        self.server = server
        self.session: requests.Session = server.session()

    def call(self, method: str, path: str, *, status: int = 200, **kwargs: Any) -> Any:
        """The JSON of the answer, which has the status expected."""
        answer = self.session.request(method, f"{self.server.url}/api/{path}", timeout=20, **kwargs)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:500])
        return answer.json() if answer.content else None

    def new_project(self, name: str = "cars") -> int:
        """The id of a project with `LABELS`."""
        return int(self.call("POST", "projects", json={"name": name, "labels": LABELS}, status=201)["id"])

    def new_task(self, project_id: int, **fields: Any) -> int:
        """The id of a task without images."""
        body = {"name": "task", "project_id": project_id, **fields}
        return int(self.call("POST", "tasks", json=body, status=201)["id"])

    def send(self, task_id: int, files: Mapping[str, bytes], **fields: Any) -> dict[str, Any]:
        """Upload in one request; the final state of the import."""
        parts = [(f"client_files[{number}]", (name, content)) for number, (name, content) in enumerate(files.items())]
        answer = self.call("POST", f"tasks/{task_id}/data", data=fields, files=parts, status=202)
        return self.wait(answer["rq_id"])

    def wait(self, rq_id: str) -> dict[str, Any]:
        """The final state of a request."""
        end = time.monotonic() + 20
        while True:
            state: dict[str, Any] = self.call("GET", "requests/" + quote(rq_id, safe=""))
            if state["status"] in ("finished", "failed"):
                return state
            assert time.monotonic() < end, state
            time.sleep(0.02)

    def frames(self, task_id: int) -> list[str]:
        """The names of the frames."""
        return [frame["name"] for frame in self.call("GET", f"tasks/{task_id}/data/meta")["frames"]]

    def label_ids(self, project_id: int) -> dict[str, int]:
        """Label ids by name."""
        found = self.call("GET", f"labels?project_id={project_id}&page_size=100")["results"]
        return {label["name"]: label["id"] for label in found}


@pytest.fixture
def api(cvat_server: Any) -> Api:
    """A client of the server of this test."""
    return Api(cvat_server)


@pytest.fixture(scope="session")
def shared_api(shared_cvat_server: Any) -> Api:
    """A client of the server that the file's tests share."""
    return Api(shared_cvat_server)


@pytest.fixture
def jpeg() -> Callable[[int], bytes]:
    """A 64 x 48 image of its own for each number."""

    def make(number: int) -> bytes:
        target = io.BytesIO()
        Image.new("RGB", (64, 48), (number % 256, 90, 120)).save(target, "JPEG")
        return target.getvalue()

    return make


@pytest.fixture
def make_zip() -> Callable[[Mapping[str, bytes]], bytes]:
    """A zip of these members."""

    def make(members: Mapping[str, bytes]) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return target.getvalue()

    return make
