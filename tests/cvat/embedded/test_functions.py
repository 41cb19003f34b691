"""Serverless functions, behind a dashboard that the tests serve themselves."""

import base64
import io
import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from cvat.embedded.errors import FunctionFailed
from cvat.embedded.functions import nuclio as nuclio_module

LABELS = [
    {
        "name": "dent",
        "type": "rectangle",
        "attributes": [
            {"name": "depth", "input_type": "number", "default_value": "0", "values": ["0", "9", "1"]},
            {"name": "sure", "input_type": "checkbox", "default_value": "false", "values": []},
            {"name": "side", "input_type": "select", "default_value": "left", "values": ["left", "right"]},
        ],
    },
    {"name": "dirty", "type": "tag"},
    {
        "name": "wheel",
        "type": "skeleton",
        "svg": "",
        "sublabels": [{"name": "hub", "type": "points"}, {"name": "valve", "type": "points"}],
    },
]
DEPTH = {"name": "deepness", "input_type": "number", "values": ["0", "9", "1"]}
SPECS = {
    "finder": ("detector", [{"name": "dent", "type": "rectangle"}, {"name": "bump", "attributes": [DEPTH]}]),
    "skeletons": ("detector", [LABELS[2]]),
    "clicker": ("interactor", []),
    "follower": ("tracker", []),
    "twins": ("detector", [{"name": "dent", "type": "tag"}, {"name": "dent", "type": "tag"}]),
}


def found(label="dent", points=(1, 2, 30, 20), kind="rectangle", **more):
    return {"label": label, "type": kind, "points": list(points), **more}


class Nuclio:
    """A dashboard with functions whose answers a test sets: `answers[name]` is called with each payload."""

    def __init__(self):
        self.payloads, self.answers = [], {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rpartition("/")[2]
                self.reply(outer.listing if name == "functions" else outer.listing.get(name))

            def do_POST(self):
                payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.payloads.append(payload)
                self.reply(outer.answers[self.headers["x-nuclio-function-name"]](payload))

            def reply(self, body):
                content = json.dumps(body).encode()
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(BrokenPipeError):  # the server was killed
                    self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.listing = {}

    @staticmethod
    def describe(name, kind, spec):
        notes = {"type": kind, "spec": json.dumps(spec)}
        return {"metadata": {"name": name, "annotations": notes}, "spec": {}, "status": {"state": "ready"}}


@pytest.fixture(scope="module")
def dashboard():
    nuclio = Nuclio()
    yield nuclio
    nuclio.server.shutdown()
    nuclio.server.server_close()


@pytest.fixture(scope="module")
def module_server(dashboard, make_server):
    return make_server(CARLOOP_NUCLIO_URL=dashboard.url)


@pytest.fixture
def nuclio(dashboard):
    dashboard.payloads.clear()
    dashboard.answers.clear()
    dashboard.listing = {name: dashboard.describe(name, *told) for name, told in SPECS.items()}
    return dashboard


@pytest.fixture
def api(module_server, make_api):
    return make_api(module_server)


@pytest.fixture
def task_id(api, jpeg):
    return new_task(api, jpeg)


@pytest.fixture(scope="module")
def shared_task(module_server, make_api, jpeg):
    """A task for tests that store nothing."""
    return new_task(make_api(module_server), jpeg)


def new_task(api, jpeg, **fields):
    project = api.call("POST", "projects", json={"name": "cars", "labels": LABELS}, status=201)
    task_id = api.new_task(project["id"], **fields)
    api.send(task_id, {f"{number}.jpg": jpeg(number) for number in range(4)})
    return task_id


def run(api, task_id, function="finder", **fields):
    started = api.call("POST", "lambda/requests", json={"function": function, "task": task_id, **fields})
    return api.wait_for(lambda: api.call("GET", f"lambda/requests/{api.quoted(started['id'])}"))


def labels_of(api, task_id):
    return {label["name"]: label for label in api.call("GET", f"labels?task_id={task_id}")["results"]}


def frames_of(api, task_id, kind="shapes"):
    return [shape["frame"] for shape in api.call("GET", f"tasks/{task_id}/annotations")[kind]]


def test_functions_with_a_description_nobody_could_use_are_left_out(api, nuclio):
    assert {item["id"] for item in api.call("GET", "lambda/functions")} == set(SPECS) - {"twins"}
    api.call("GET", "lambda/functions/twins", status=500)


def test_a_dashboard_that_is_down_is_told_in_one_sentence():
    with pytest.raises(FunctionFailed, match=r"127\.0\.0\.1:9/api/functions cannot be reached") as caught:
        nuclio_module.Nuclio("http://127.0.0.1:9").functions()
    assert caught.value.status == 503


def test_a_function_that_does_not_answer_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr(nuclio_module, "TIMEOUT", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(FunctionFailed, match="did not answer") as caught,
    ):
        nuclio_module.Nuclio(f"http://127.0.0.1:{silent.getsockname()[1]}").functions()
    assert caught.value.status == 504


def test_a_mapping_gives_labels_and_attributes_the_names_of_the_task(api, nuclio, task_id):
    nuclio.answers["finder"] = lambda _: [found("bump", attributes=[{"name": "deepness", "value": "7"}]), found("dent")]
    mapping = {"bump": {"name": "dent", "attributes": {"deepness": "depth"}}}
    assert run(api, task_id, mapping=mapping)["status"] == "finished"
    stored = api.call("GET", f"tasks/{task_id}/annotations")["shapes"]
    assert len(stored) == 4  # one a frame: what the mapping does not name is left out
    names = {item["id"]: item["name"] for item in labels_of(api, task_id)["dent"]["attributes"]}
    values = {names[item["spec_id"]]: item["value"] for item in stored[0]["attributes"]}
    assert values == {"depth": "7", "sure": "false", "side": "left"}


@pytest.mark.parametrize(
    ("mapping", "word"),
    [
        ({"crack": {"name": "dent"}}, "model label"),
        ({"dent": {"name": "rust"}}, "db label"),
        ({"dent": {"name": "dirty"}}, "compatible"),
        ({"bump": {"name": "dent", "attributes": {"deepness": "width"}}}, "db attribute"),
    ],
)
def test_a_mapping_to_something_unknown_fails_the_run(api, nuclio, shared_task, mapping, word):
    state = run(api, shared_task, mapping=mapping)
    assert state["status"] == "failed"
    assert word in state["exc_info"]


@pytest.mark.parametrize(("name", "value"), [("depth", "-1"), ("sure", "yes"), ("side", "middle")])
def test_a_value_the_attribute_does_not_take_is_left_out(api, nuclio, shared_task, name, value):
    declared = {"name": "bump", "attributes": [{"name": name, "input_type": "text", "values": []}]}
    nuclio.listing["finder"] = nuclio.describe("finder", "detector", [declared])
    nuclio.answers["finder"] = lambda _: [found("bump", attributes=[{"name": name, "value": value}])]
    mapping = {"bump": {"name": "dent", "attributes": {name: name}}}
    answer = api.call("POST", "lambda/functions/finder", json={"task": shared_task, "frame": 0, "mapping": mapping})
    assert answer[0]["attributes"] == []


def test_an_online_call_answers_in_the_names_of_the_task_and_stores_nothing(api, nuclio, shared_task, jpeg):
    nuclio.answers["finder"] = lambda _: [found(confidence="0.9"), found("bump")]
    answer = api.call("POST", "lambda/functions/finder", json={"task": shared_task, "frame": 2, "threshold": 0.5})
    assert answer == [{**found(confidence="0.9"), "attributes": []}]
    (payload,) = nuclio.payloads
    assert base64.b64decode(payload["image"]) == jpeg(2)
    assert payload["threshold"] == 0.5
    assert frames_of(api, shared_task) == []


def test_an_online_call_of_a_job_is_about_its_frames_only(api, nuclio, jpeg):
    task_id = new_task(api, jpeg, segment_size=2)
    nuclio.answers["finder"] = lambda _: []
    job = api.call("GET", f"jobs?task_id={task_id}&sort=id")["results"][1]["id"]
    assert api.call("POST", "lambda/functions/finder", json={"job": job, "frame": 2}) == []
    told = api.call("POST", "lambda/functions/finder", json={"job": job, "frame": 1}, status=400)
    assert "job range" in told
    api.call("POST", "lambda/functions/finder", json={"task": task_id, "frame": 4}, status=400)
    api.call("POST", "lambda/functions/finder", json={"task": task_id + 1, "job": job, "frame": 2}, status=400)


def test_an_interactor_gets_the_clicks_and_its_answer_comes_back_as_it_is(api, nuclio, shared_task):
    nuclio.answers["clicker"] = lambda _: {"points": [[1, 2], [3, 4], [5, 6]], "mask": [[0, 1]]}
    call = {"task": shared_task, "frame": 0, "pos_points": [[5, 6]], "neg_points": [], "obj_bbox": [[1, 1], [9, 9]]}
    assert api.call("POST", "lambda/functions/clicker", json=call)["mask"] == [[0, 1]]
    assert (nuclio.payloads[0]["pos_points"], nuclio.payloads[0]["obj_bbox"]) == ([[5, 6]], [[1, 1], [9, 9]])
    del call["pos_points"]
    assert "pos_points" in api.call("POST", "lambda/functions/clicker", json=call, status=400)


def test_the_state_of_a_tracker_comes_back_to_it_and_cannot_be_forged(api, nuclio, shared_task):
    nuclio.answers["follower"] = lambda payload: {"shapes": [[1, 2, 3, 4]], "states": [{"seen": payload["states"]}]}
    call = {"task": shared_task, "frame": 0, "shapes": [[1, 2, 3, 4]], "states": [None]}
    (state,) = api.call("POST", "lambda/functions/follower", json=call)["states"]
    again = {**call, "frame": 1, "states": [state]}
    api.call("POST", "lambda/functions/follower", json=again)
    assert nuclio.payloads[-1]["states"] == [{"seen": [None]}]
    forged = {**again, "states": [state.replace("seen", "sold")]}
    assert "tracker state" in api.call("POST", "lambda/functions/follower", json=forged, status=400)


def test_parts_of_a_skeleton_that_were_not_found_lie_outside_in_the_middle(api, nuclio, task_id):
    hub = found("hub", (10, 12), "points")
    nuclio.answers["skeletons"] = lambda _: [found("wheel", (), "skeleton", elements=[hub])]
    assert run(api, task_id, "skeletons")["status"] == "finished"
    elements = api.call("GET", f"tasks/{task_id}/annotations")["shapes"][0]["elements"]
    assert [(part["points"], part["outside"]) for part in elements] == [([10, 12], False), ([10, 12], True)]


def test_a_run_on_a_job_leaves_the_other_jobs_alone(api, nuclio, jpeg):
    task_id = new_task(api, jpeg, segment_size=2)
    nuclio.answers["finder"] = lambda _: [found()]
    run(api, task_id)
    job = api.call("GET", f"jobs?task_id={task_id}&sort=id")["results"][1]["id"]
    nuclio.answers["finder"] = lambda _: [found(), found()]
    state = run(api, task_id, job=job, cleanup=True)
    assert (state["function"]["job"], state["progress"]) == (job, 100)
    assert frames_of(api, task_id) == [0, 1, 2, 2, 3, 3]


def test_frames_marked_deleted_are_not_looked_at(api, nuclio, task_id):
    api.call("PATCH", f"tasks/{task_id}/data/meta", json={"deleted_frames": [1, 3]})
    nuclio.answers["finder"] = lambda _: [found()]
    assert run(api, task_id)["progress"] == 100
    assert frames_of(api, task_id) == [0, 2]


def test_a_function_gets_an_image_as_it_is_shown(api, nuclio):
    target = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48)).save(target, "JPEG", exif=exif)
    task_id = api.new_task(api.new_project())
    api.send(task_id, {"turned.jpg": target.getvalue()})
    nuclio.answers["finder"] = lambda _: []
    run(api, task_id)
    assert Image.open(io.BytesIO(base64.b64decode(nuclio.payloads[0]["image"]))).size == (48, 64)


@pytest.mark.parametrize(
    ("answer", "word"),
    [({"error": "no"}, "no list"), ([{"type": "rectangle"}], "label"), ([found(points=[1, 2])], "4 coordinates")],
)
def test_an_answer_that_is_no_list_of_detections_fails_the_run_and_changes_nothing(api, nuclio, task_id, answer, word):
    nuclio.answers["finder"] = lambda _: [found()]
    run(api, task_id)
    nuclio.answers["finder"] = lambda payload: answer if len(nuclio.payloads) > 6 else [found()]
    state = run(api, task_id, cleanup=True)
    assert state["status"] == "failed"
    assert "finder" in state["exc_info"]
    assert word in state["exc_info"]
    assert frames_of(api, task_id) == [0, 1, 2, 3]  # those of the first run


def test_a_kind_of_function_that_cannot_run_in_the_background_is_refused(api, nuclio, shared_task):
    told = api.call("POST", "lambda/requests", json={"function": "clicker", "task": shared_task}, status=400)
    assert "interactor" in told


class Gate:
    """An answer that waits at the third frame until the test lets it go on."""

    def __init__(self):
        self.reached, self.opened, self.calls = threading.Event(), threading.Event(), 0

    def __call__(self, _payload):
        self.calls += 1
        if self.calls == 3:
            self.reached.set()
            self.opened.wait(20)
        return [found()]


@pytest.fixture
def gate(nuclio):
    gate = nuclio.answers["finder"] = Gate()
    yield gate
    gate.opened.set()


def start_and_reach(api, task_id, gate, **fields):
    started = api.call("POST", "lambda/requests", json={"function": "finder", "task": task_id, **fields})
    assert gate.reached.wait(20)
    return f"lambda/requests/{api.quoted(started['id'])}"


def test_a_cancelled_run_stores_nothing_and_does_not_mix_with_the_next(api, nuclio, task_id, gate):
    path = start_and_reach(api, task_id, gate)
    api.call("DELETE", path, status=204)
    api.call("GET", path, status=404)
    nuclio.answers["finder"] = lambda _: [found(points=(5, 5, 9, 9))]
    assert run(api, task_id)["status"] == "finished"
    gate.opened.set()
    other = new_task(api, lambda _: base64.b64decode(nuclio.payloads[0]["image"]))
    assert run(api, other)["status"] == "finished"  # the threads of the first run are free again by then
    stored = api.call("GET", f"tasks/{task_id}/annotations")["shapes"]
    assert [shape["points"] for shape in stored] == [[5, 5, 9, 9]] * 4


def test_cleanup_leaves_what_people_draw_during_the_run(api, nuclio, task_id, gate):
    label_id = labels_of(api, task_id)["dent"]["id"]
    box = {"type": "rectangle", "frame": 0, "label_id": label_id}
    create = f"tasks/{task_id}/annotations?action=create"
    api.call("PATCH", create, json={"shapes": [{**box, "points": [1, 1, 2, 2]}]})
    path = start_and_reach(api, task_id, gate, cleanup=True)
    api.call("PATCH", create, json={"shapes": [{**box, "points": [7, 7, 8, 8]}]})
    gate.opened.set()
    assert api.wait_for(lambda: api.call("GET", path))["status"] == "finished"
    stored = api.call("GET", f"tasks/{task_id}/annotations")["shapes"]
    assert [shape["points"] for shape in stored if shape["frame"] == 0] == [[7, 7, 8, 8], [1, 2, 30, 20]]


def test_a_run_under_way_holds_up_neither_uploads_nor_shows_among_requests(api, task_id, gate, jpeg):
    path = start_and_reach(api, task_id, gate)
    assert api.call("GET", path)["progress"] == 50
    new_task(api, jpeg)
    assert not any("autoannotate" in item["id"] for item in api.call("GET", "requests?page_size=100")["results"])


def test_a_run_under_way_at_a_kill_is_done_by_the_next_start_and_doubles_nothing(module_server, api, task_id, gate):
    path = start_and_reach(api, task_id, gate)
    module_server.kill()
    gate.opened.set()
    module_server.restart()
    assert api.wait_for(lambda: api.call("GET", path))["status"] == "finished"
    assert frames_of(api, task_id) == [0, 1, 2, 3]
