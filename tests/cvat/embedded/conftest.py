"""A small client of the HTTP API, and images to send."""

import io
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
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
        return self.wait_for(lambda: self.call("GET", f"requests/{self.quoted(rq_id)}"))

    def wait_for(self, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The final state that `read` comes to."""
        state: dict[str, Any] = {}

        def ended() -> bool:
            state.update(read())
            return state["status"] in ("finished", "failed")

        self.wait_until(ended)
        return state

    def wait_until(self, read: Callable[[], Any]) -> Any:
        """What `read` gives, once it is true."""
        end = time.monotonic() + 20
        while not (value := read()):
            assert time.monotonic() < end
            time.sleep(0.02)
        return value

    def quoted(self, rq_id: str) -> str:
        """A request's id in a path."""
        return quote(rq_id, safe="")

    def frames(self, task_id: int) -> list[str]:
        """The names of the frames."""
        return [frame["name"] for frame in self.call("GET", f"tasks/{task_id}/data/meta")["frames"]]

    def export(self, kind: str, target_id: int, format_name: str, *, images: bool = False) -> zipfile.ZipFile:
        """The archive of an export of `tasks`, `jobs` or `projects`."""
        query = {"format": format_name, "save_images": str(images).lower()}
        started = self.call("POST", f"{kind}/{target_id}/dataset/export", params=query, status=202)
        state = self.wait(started["rq_id"])
        assert state["status"] == "finished", state["message"]
        answer = self.session.get(state["result_url"], timeout=20)
        return zipfile.ZipFile(io.BytesIO(answer.content))

    def send_file(self, path: str, format_name: str, name: str, content: bytes, **query: str) -> dict[str, Any]:
        """Have a file imported; the final state of the import."""
        files = {"annotation_file": (name, content)}
        query = {"format": format_name, **query}
        return self.wait(self.call("POST", path, params=query, files=files, status=202)["rq_id"])

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


@pytest.fixture(scope="session")
def make_api() -> type[Api]:
    """A client of a server."""
    return Api


@pytest.fixture(scope="session")
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


PARTS = ["head", "foot"]

#: A label of every kind, and attributes of every kind.
GARAGE_LABELS = [
    {
        "name": "car",
        "type": "any",
        "attributes": [
            {"name": "state", "mutable": False, "input_type": "select", "default_value": "ok", "values": ["ok", "bad"]},
            {"name": "count", "mutable": True, "input_type": "number", "default_value": "0", "values": ["0", "9", "1"]},
            {"name": "note", "mutable": True, "input_type": "text", "default_value": "", "values": []},
            {"name": "sure", "mutable": False, "input_type": "checkbox", "default_value": "false", "values": []},
        ],
    },
    {"name": "road", "type": "any"},
    {"name": "dirty", "type": "tag"},
    {
        "name": "stick",
        "type": "skeleton",
        "sublabels": [{"name": name, "type": "points"} for name in PARTS],
        "svg": "".join(
            f'<circle r="1" cx="{9 * i}" cy="{9 * i}" data-element-id="{i}" data-node-id="{i}" '
            f'data-type="element node" data-label-name="{name}"></circle>'
            for i, name in enumerate(PARTS, 1)
        )
        + '<line x1="9" y1="9" x2="18" y2="18" data-type="edge" data-node-from="1" data-node-to="2"></line>',
    },
]


class Garage:
    """A project with a label of every kind, whose tasks have images of 64 x 48 pixels."""

    def __init__(self, api: Api, jpeg: Callable[[int], bytes]) -> None:
        self.api = api
        self.jpeg = jpeg
        body = {"name": "garage", "labels": GARAGE_LABELS}
        self.project_id: int = api.call("POST", "projects", json=body, status=201)["id"]
        found = api.call("GET", f"labels?project_id={self.project_id}&page_size=100")["results"]
        self.labels = {label["name"]: label for label in found}
        self._names = {label["id"]: label["name"] for label in [*found, *self.labels["stick"]["sublabels"]]}
        self._specs = {spec["name"]: spec["id"] for spec in self.labels["car"]["attributes"]}

    def new_task(self, names: Sequence[str] = ("a.jpg", "b.jpg", "c.jpg", "d.jpg"), **fields: Any) -> int:
        """The id of a task with these images."""
        task_id = self.api.new_task(self.project_id, **fields)
        state = self.api.send(task_id, {name: self.jpeg(number) for number, name in enumerate(names)})
        assert state["status"] == "finished", state
        return task_id

    def values(self, **values: str) -> list[dict[str, Any]]:
        """Attribute values of a car."""
        return [{"spec_id": self._specs[name], "value": value} for name, value in values.items()]

    def shape(self, kind: str, points: Sequence[float], *, label: str = "car", frame: int = 0, **more: Any) -> Any:
        """A shape to send."""
        return {"type": kind, "points": points, "frame": frame, "label_id": self.labels[label]["id"], **more}

    def box(self, left: float = 1, **more: Any) -> Any:
        """A box of 10 x 20 pixels."""
        return self.shape("rectangle", [left, 2, left + 10, 22], **more)

    def stick(self, frame: int = 0, **joints: Any) -> Any:
        """A skeleton of these joints."""
        ids = {part["name"]: part["id"] for part in self.labels["stick"]["sublabels"]}
        elements = [{"type": "points", "frame": frame, "label_id": ids[name], **joints[name]} for name in joints]
        return self.shape("skeleton", [], label="stick", frame=frame, elements=elements)

    def tag(self, frame: int = 0) -> Any:
        """A tag to send."""
        return {"frame": frame, "label_id": self.labels["dirty"]["id"]}

    def key(self, frame: int, left: float, **more: Any) -> Any:
        """A key frame of a box of 10 x 20 pixels."""
        return {"type": "rectangle", "frame": frame, "points": [left, 2, left + 10, 22], **more}

    def track(self, *keys: Any, **more: Any) -> Any:
        """A track to send."""
        return {"frame": keys[0]["frame"], "label_id": self.labels["car"]["id"], "shapes": list(keys), **more}

    def put(self, target_id: int, *shapes: Any, tags: Any = (), tracks: Any = (), kind: str = "tasks") -> Any:
        """Replace the annotations; the answer."""
        body = {"shapes": shapes, "tags": list(tags), "tracks": list(tracks)}
        return self.api.call("PUT", f"{kind}/{target_id}/annotations", json=body)

    def read(self, target_id: int, kind: str = "tasks") -> Any:
        """The annotations."""
        return self.api.call("GET", f"{kind}/{target_id}/annotations")

    def jobs(self, task_id: int) -> list[int]:
        """The ids of the jobs of a task, by frame."""
        found = self.api.call("GET", f"jobs?task_id={task_id}&page_size=100")["results"]
        return [job["id"] for job in sorted(found, key=lambda job: job["start_frame"])]

    def told(self, target_id: int) -> dict[str, list[Any]]:
        """The annotations of a task by names and without ids, in a fixed order, coordinates with two decimals."""
        found = self.read(target_id)
        return {kind: sorted(map(self._told, found[kind]), key=repr) for kind in ("tags", "shapes", "tracks")}

    def _told(self, annotation: Any) -> Any:
        names = {spec_id: name for name, spec_id in self._specs.items()}
        told = {name: value for name, value in annotation.items() if name not in ("id", "source", "label_id")}
        told["group"] = annotation.get("group") or 0
        if "label_id" in annotation:
            told["label"] = self._names[annotation["label_id"]]
        told["attributes"] = {names[item["spec_id"]]: item["value"] for item in annotation["attributes"]}
        if "points" in annotation:
            told["points"] = [round(value, 2) for value in annotation["points"]]
        for name in ("elements", "shapes"):
            if name in annotation:
                told[name] = sorted(map(self._told, annotation[name]), key=repr)
        return dict(sorted(told.items()))


@pytest.fixture
def garage(shared_api: Api, jpeg: Callable[[int], bytes]) -> Garage:
    """A project of this test alone."""
    return Garage(shared_api, jpeg)


@pytest.fixture(scope="module")
def shared_garage(shared_api: Api, jpeg: Callable[[int], bytes]) -> Garage:
    """A project for the tests of a file."""
    return Garage(shared_api, jpeg)
