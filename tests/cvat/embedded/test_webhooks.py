"""Webhooks, received by a server of the tests."""

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import pytest

from cvat.embedded.errors import CannotServe
from cvat.embedded.settings import Settings, read_settings
from cvat.embedded.webhooks.posting import Refused, find_address, post

ALL_EVENTS = [f"{action}:{kind}" for kind in ("project", "task", "job") for action in ("create", "update", "delete")][
    1:
]


class Receiver:
    """Keeps what is posted to it; `gate` holds answers back, `status` is that of the answers."""

    def __init__(self):
        self.received, self.status, self.arrived = [], 200, threading.Condition()
        self.gate = threading.Event()
        self.gate.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.arrived:
                    outer.received.append((json.loads(body), body, dict(self.headers)))
                    outer.arrived.notify_all()
                outer.gate.wait(20)
                self.send_response(outer.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(b"thanks")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?from=cvat"

    def wait(self, event, count=1):
        """The bodies received of an event, once there are so many."""

        def bodies():
            return [body for body, _, _ in self.received if body["event"] == event]

        with self.arrived:
            assert self.arrived.wait_for(lambda: len(bodies()) >= count, 20), [body for body, _, _ in self.received]
            return bodies()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.gate.set()
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def api(shared_api):
    return shared_api


def new_hook(api, receiver, project_id, events=ALL_EVENTS, **fields):
    body = {"target_url": receiver.url, "type": "project", "project_id": project_id, "events": events, **fields}
    return api.call("POST", "webhooks", json=body, status=201)


def events_of(receiver):
    return [body["event"] for body, _, _ in receiver.received]


def deliveries(api, hook):
    return api.call("GET", f"webhooks/{hook['id']}/deliveries?page_size=100")["results"]


def test_the_life_of_a_task_is_told(api, receiver, jpeg):
    project_id = api.new_project()
    new_hook(api, receiver, project_id)
    task_id = api.new_task(project_id, segment_size=1)
    assert receiver.wait("create:task")[0]["task"]["id"] == task_id
    api.send(task_id, {"a.jpg": jpeg(0), "b.jpg": jpeg(1)})
    jobs = [body["job"] for body in receiver.wait("create:job", 2)]
    assert [job["start_frame"] for job in jobs] == [0, 1]
    (grown,) = receiver.wait("update:task")
    assert (grown["task"]["size"], grown["task"]["project_id"]) == (2, project_id)
    api.call("PATCH", f"tasks/{task_id}", json={"name": "renamed"})
    renamed = receiver.wait("update:task", 2)[1]
    assert (renamed["task"]["name"], renamed["before_update"]["name"]) == ("renamed", "task")
    api.call("DELETE", f"tasks/{task_id}", status=204)
    assert receiver.wait("delete:task")[0]["task"]["name"] == "renamed"
    assert [body["job"]["id"] for body in receiver.wait("delete:job", 2)] == [job["id"] for job in jobs]


def test_saved_annotations_are_told_as_updates_of_their_job(api, receiver, jpeg):
    project_id = api.new_project()
    task_id, label_id = api.new_task(project_id, segment_size=1), api.label_ids(project_id)["dent"]
    api.send(task_id, {"a.jpg": jpeg(0), "b.jpg": jpeg(1)})
    new_hook(api, receiver, project_id, ["update:job"])
    shape = {"type": "rectangle", "frame": 1, "label_id": label_id, "points": [1, 2, 3, 4]}
    api.call("PATCH", f"tasks/{task_id}/annotations?action=create", json={"shapes": [shape]})
    (told,) = receiver.wait("update:job")
    assert told["job"]["start_frame"] == 1
    assert list(told["before_update"]) == ["updated_date"]


def test_a_question_and_its_resolution_are_told(api, receiver, jpeg):
    project_id = api.new_project()
    task_id = api.new_task(project_id)
    api.send(task_id, {"a.jpg": jpeg(0)})
    (job,) = api.call("GET", f"jobs?task_id={task_id}")["results"]
    new_hook(api, receiver, project_id, ["create:issue", "create:comment", "update:issue", "update:job"])
    body = {"job": job["id"], "frame": 0, "position": [1, 2], "message": "a dent?"}
    issue = api.call("POST", "issues", json=body, status=201)
    assert receiver.wait("create:issue")[0]["issue"]["position"] == [1.0, 2.0]
    assert receiver.wait("create:comment")[0]["comment"]["message"] == "a dent?"
    api.call("PATCH", f"issues/{issue['id']}", json={"resolved": True})
    assert receiver.wait("update:issue")[0]["before_update"]["resolved"] is False
    assert "update:job" not in events_of(receiver)


def test_the_end_of_a_project_is_told_although_its_webhooks_go_with_it(api, receiver):
    project_id = api.new_project()
    hook = new_hook(api, receiver, project_id, ["delete:project", "update:project"])
    api.call("PATCH", f"projects/{project_id}", json={"bug_tracker": "http://bugs.example"})
    assert receiver.wait("update:project")[0]["before_update"]["bug_tracker"] == ""
    api.call("DELETE", f"projects/{project_id}", status=204)
    assert receiver.wait("delete:project")[0]["project"]["id"] == project_id
    api.call("GET", f"webhooks/{hook['id']}", status=404)


def test_a_refused_change_is_not_told(api, receiver):
    project_id = api.new_project()
    hook = new_hook(api, receiver, project_id)
    twice = [{"name": "dent", "type": "rectangle"}]
    api.call("PATCH", f"projects/{project_id}", json={"name": "new name", "labels": twice}, status=400)
    api.call("POST", f"webhooks/{hook['id']}/ping")
    assert events_of(receiver) == ["ping"]


def test_only_active_webhooks_of_the_project_are_told_and_only_what_they_asked_for(api, receiver):
    project_id = api.new_project()
    new_hook(api, receiver, api.new_project("another"), ["create:task"])
    idle = new_hook(api, receiver, project_id, ["create:task"])
    api.call("PATCH", f"webhooks/{idle['id']}", json={"is_active": False})
    new_hook(api, receiver, project_id, ["delete:task"])
    task_id = api.new_task(project_id)
    api.call("DELETE", f"tasks/{task_id}", status=204)
    receiver.wait("delete:task")
    assert events_of(receiver) == ["delete:task"]


def test_a_message_is_signed_with_the_secret_that_is_set_now(api, receiver):
    hook = new_hook(api, receiver, api.new_project(), secret="first")
    api.call("PATCH", f"webhooks/{hook['id']}", json={"secret": "second"})
    told = api.call("POST", f"webhooks/{hook['id']}/ping")
    _, body, headers = receiver.received[0]
    assert headers["X-Signature-256"] == "sha256=" + hmac.new(b"second", body, hashlib.sha256).hexdigest()
    assert "secret" not in json.dumps(told)


def test_a_message_can_be_sent_again(api, receiver):
    project_id = api.new_project()
    hook = new_hook(api, receiver, project_id, ["create:task"])
    receiver.status = 500
    api.new_task(project_id)
    receiver.wait("create:task")
    (failed,) = api.wait_until(lambda: deliveries(api, hook))
    assert (failed["status_code"], failed["redelivery"], failed["response"]) == (500, False, "thanks")
    receiver.status = 200
    api.call("POST", f"webhooks/{hook['id']}/deliveries/{failed['id']}/redelivery")
    first, again = receiver.wait("create:task", 2)
    assert first == again
    sent = api.wait_until(lambda: [item for item in deliveries(api, hook) if item["redelivery"]])
    assert sent[0]["status_code"] == 200
    assert api.call("GET", f"webhooks/{hook['id']}/deliveries/{failed['id']}") == failed
    assert api.call("GET", f"webhooks/{hook['id']}")["last_status"] == 200


def test_a_redirect_is_not_followed(api, receiver):
    hook = new_hook(api, receiver, api.new_project())
    receiver.status = 302
    assert api.call("POST", f"webhooks/{hook['id']}/ping")["status_code"] == 302
    assert len(receiver.received) == 1


def test_a_receiver_that_is_not_there_is_a_502(api, receiver):
    hook = new_hook(api, receiver, api.new_project(), target_url="http://127.0.0.1:9/")
    assert api.call("POST", f"webhooks/{hook['id']}/ping")["status_code"] == 502


def test_messages_not_sent_before_a_kill_are_sent_by_the_next_start(cvat_server, make_api, receiver):
    api = make_api(cvat_server)
    project_id = api.new_project()
    new_hook(api, receiver, project_id, ["create:task"])
    receiver.gate.clear()
    for name in ("first", "second"):
        api.new_task(project_id, name=name)
    receiver.wait("create:task")
    cvat_server.kill()  # before the first was answered, and so before the second was sent
    receiver.gate.set()
    cvat_server.restart()
    names = [body["task"]["name"] for body in receiver.wait("create:task", 3)]
    assert names == ["first", "first", "second"]


def test_without_the_setting_a_webhook_reaches_this_machine_only(tmp_path):
    settings = {"data_dir": tmp_path, "user": "a", "password": "b"}
    assert ip_network("127.0.0.0/8") in Settings(**settings).private_networks
    assert Settings(**settings, host="0.0.0.0").private_networks == ()  # clients are elsewhere, and could pry here


def test_networks_come_from_the_environment(tmp_path):
    login = {"CARLOOP_CVAT_USER": "a", "CARLOOP_CVAT_PASSWORD": "b"}
    networks = {**login, "CARLOOP_WEBHOOK_NETWORKS": "10.0.0.0/8, fd00::/8"}
    read = read_settings(["--data", str(tmp_path)], networks)
    assert read.private_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    with pytest.raises(CannotServe, match="CARLOOP_WEBHOOK_NETWORKS"):
        read_settings(["--data", str(tmp_path)], {**login, "CARLOOP_WEBHOOK_NETWORKS": "home"})


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "::1", "::ffff:127.0.0.1", "0"]
)
def test_an_address_on_a_private_network_is_refused(host):
    with pytest.raises(Refused, match="private network"):
        find_address(host, 80, [])


def test_an_address_on_a_network_that_is_named_or_public_is_taken():
    assert find_address("127.0.0.1", 80, [ip_network("127.0.0.0/8")]) == "127.0.0.1"
    assert find_address("8.8.8.8", 80, []) == "8.8.8.8"


def test_a_refused_address_is_told_in_the_answer(receiver):
    answer = post(receiver.url, b"{}", "", verify=True, private_networks=[])
    assert answer.status == 502
    assert "CARLOOP_WEBHOOK_NETWORKS" in answer.text
    assert receiver.received == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"target_url": "ftp://example.org/"},
        {"target_url": "http://"},
        {"type": "organization"},
        {"content_type": "text/plain"},
        {"events": []},
        {"project_id": 2**40},
    ],
)
def test_a_webhook_that_could_not_work_is_refused_by_the_field(api, receiver, wrong):
    body = {"target_url": receiver.url, "type": "project", "project_id": 1, "events": ["create:task"], **wrong}
    assert list(api.call("POST", "webhooks", json=body, status=400)) == list(wrong)
