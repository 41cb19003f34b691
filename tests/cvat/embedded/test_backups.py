"""Backups: what they hold, that a restore gives it all back, and that no file of a stranger does harm."""

import io
import json
import zipfile

import cv2
import numpy as np
import pytest

LABELS = [
    {
        "name": "dent",
        "type": "any",
        "color": "#102030",
        "attributes": [
            {"name": "model", "mutable": False, "input_type": "text", "default_value": "", "values": []},
            {"name": "depth", "mutable": True, "input_type": "number", "default_value": "1", "values": ["0", "9", "1"]},
        ],
    },
    {"name": "dirty", "type": "tag"},
    {
        "name": "wheel",
        "type": "skeleton",
        "svg": '<circle r="1.5" cx="5" cy="5" data-element-id="1" data-node-id="1" data-label-name="hub"></circle>',
        "sublabels": [{"name": "hub", "type": "points"}],
    },
]


@pytest.fixture
def api(shared_api):
    return shared_api


def labels_of(api, **owner):
    ((name, value),) = owner.items()
    found = api.call("GET", f"labels?{name}={value}&page_size=100")["results"]
    return {label["name"]: label for label in found}


def new_task(api, jpeg, project_id, **fields):
    """Four images in an order of their own, with every kind of annotation."""
    task_id = api.new_task(project_id, **fields)
    names = ["c.jpg", "a.jpg", "d.jpg", "b.jpg"]
    order = {f"upload_file_order[{number}]": name for number, name in enumerate(names)}
    files = {name: jpeg(ord(name[0])) for name in names}
    state = api.send(task_id, files, sorting_method="predefined", image_quality=55, **order)
    assert state["status"] == "finished"
    labels = labels_of(api, project_id=project_id)
    dent, hub = labels["dent"], labels["wheel"]["sublabels"][0]["id"]
    model, depth = [item["id"] for item in dent["attributes"]]

    def on(frame, kind, points, label=dent["id"], **more):
        return {"frame": frame, "type": kind, "points": points, "label_id": label, **more}

    def key(frame, left, **more):
        values = [{"spec_id": depth, "value": str(frame)}]
        return {"frame": frame, "type": "rectangle", "points": [left, 1, 9, 9], "attributes": values, **more}

    shapes = [
        on(0, "rectangle", [1, 2, 3.5, 4], rotation=30.0, attributes=[{"spec_id": model, "value": "é@3"}], group=2),
        on(2, "mask", [0, 12, 2, 2, 5, 4], source="auto", z_order=3),
        on(3, "polygon", [1, 1, 15, 1, 15, 5.25], occluded=True),
        on(1, "skeleton", [], labels["wheel"]["id"], elements=[on(1, "points", [5, 5], hub)]),
    ]
    tracks = [{"frame": 0, "label_id": dent["id"], "shapes": [key(0, 1), key(3, 4, outside=True)]}]
    tags = [{"frame": 1, "label_id": labels["dirty"]["id"]}]
    api.call("PUT", f"tasks/{task_id}/annotations", json={"shapes": shapes, "tracks": tracks, "tags": tags})
    api.call("PATCH", f"tasks/{task_id}/data/meta", json={"deleted_frames": [2]})
    return task_id


@pytest.fixture
def project_id(api):
    body = {"name": "cars", "labels": LABELS, "bug_tracker": "http://bugs.example"}
    return api.call("POST", "projects", json=body, status=201)["id"]


@pytest.fixture
def video(tmp_path):
    """A video of nine frames, each of its own grey."""
    path = tmp_path / "ride.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (64, 48))
    for number in range(9):
        writer.write(np.full((48, 64, 3), number * 25, np.uint8))
    writer.release()
    return path.read_bytes()


def download(api, path):
    """The bytes of the backup of a project or task."""
    state = api.wait(api.call("POST", f"{path}/backup/export", status=202)["rq_id"])
    assert state["status"] == "finished", state["message"]
    assert state["operation"]["type"] == "export:backup"
    answer = api.session.get(state["result_url"])
    assert answer.status_code == 200
    return answer.content


def restore(api, kind, content):
    """The final state of a restore."""
    files = {f"{kind.removesuffix('s')}_file": ("backup.zip", content)}
    return api.wait(api.call("POST", f"{kind}/backup", files=files, status=202)["rq_id"])


def restored(api, kind, content):
    """The id of what was restored."""
    state = restore(api, kind, content)
    assert state["status"] == "finished", state["message"]
    return state["result_id"]


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def by_names(api, kind, target_id):
    """The annotations without ids: labels and attributes by name, values in order."""
    task = f"{kind.removesuffix('s')}_id"
    found, names, specs = api.call("GET", f"{kind}/{target_id}/annotations"), {}, {}
    for label in labels_of(api, **{task: target_id}).values():
        for part in (label, *label["sublabels"]):
            names[part["id"]] = part["name"]
            specs |= {item["id"]: item["name"] for item in part["attributes"]}

    def named(item):
        if isinstance(item, list):
            return [named(part) for part in item]
        if not isinstance(item, dict):
            return item
        told = {name: named(value) for name, value in item.items() if name not in ("id", "label_id", "attributes")}
        values = sorted((specs[value["spec_id"]], value["value"]) for value in item.get("attributes", ()))
        return {**told, "label": names.get(item.get("label_id")), "attributes": values}

    return {kind: named(found[kind]) for kind in ("tags", "shapes", "tracks")}


def shown(api, path, leave_out=()):
    """What the API shows, without what differs between an original and its copy."""
    own = {"id", "url", "created_date", "updated_date", "data", "jobs", "labels", "issues", "owner", "tasks"}
    told = api.call("GET", path)
    return {name: value for name, value in told.items() if name not in own | {"task_id", "project_id", *leave_out}}


def jobs_of(api, task_id):
    found = api.call("GET", f"jobs?task_id={task_id}&sort=id")["results"]
    return [(job["id"], job["start_frame"], job["stop_frame"], job["stage"], job["state"]) for job in found]


@pytest.mark.parametrize("jobs", [{}, {"segment_size": 2}, {"segment_size": 3, "overlap": 1}])
def test_a_restored_project_has_all_that_the_original_has(api, jpeg, project_id, jobs):
    task_id = new_task(api, jpeg, project_id, name="four cars", subset="test", **jobs)
    last_job = jobs_of(api, task_id)[-1][0]
    api.call("PATCH", f"jobs/{last_job}", json={"stage": "validation", "state": "in progress"})
    api.new_task(project_id, name="still without images")
    copy_id = restored(api, "projects", download(api, f"projects/{project_id}"))

    assert shown(api, f"projects/{copy_id}") == shown(api, f"projects/{project_id}")
    labels, copies = labels_of(api, project_id=project_id), labels_of(api, project_id=copy_id)
    assert [(label["type"], label["color"], len(label["attributes"])) for label in copies.values()] == [
        (label["type"], label["color"], len(label["attributes"])) for label in labels.values()
    ]
    hub = copies["wheel"]["sublabels"][0]["id"]
    assert f'data-label-id="{hub}"' in copies["wheel"]["svg"]

    (copy,) = api.call("GET", f"tasks?project_id={copy_id}")["results"]
    assert shown(api, f"tasks/{copy['id']}") == shown(api, f"tasks/{task_id}")
    meta = {"chunks_updated_date"}
    assert shown(api, f"tasks/{copy['id']}/data/meta", meta) == shown(api, f"tasks/{task_id}/data/meta", meta)
    assert [job[1:] for job in jobs_of(api, copy["id"])] == [job[1:] for job in jobs_of(api, task_id)]
    assert by_names(api, "tasks", copy["id"]) == by_names(api, "tasks", task_id)
    for (job, *_), (original, *_) in zip(jobs_of(api, copy["id"]), jobs_of(api, task_id), strict=True):
        assert by_names(api, "jobs", job) == by_names(api, "jobs", original)
    frame = api.session.get(f"{api.server.url}/api/tasks/{copy['id']}/data?type=frame&number=1&quality=original")
    assert frame.content == jpeg(ord("a"))


def test_a_backup_of_a_restored_task_is_the_same_backup(api, jpeg, project_id):
    first = download(api, f"tasks/{new_task(api, jpeg, project_id)}")
    assert members(download(api, f"tasks/{restored(api, 'tasks', first)}")) == members(first)


def test_images_in_folders_keep_them(api, jpeg, make_zip, project_id):
    task_id = api.new_task(project_id)
    api.send(task_id, {"all.zip": make_zip({"x/a.jpg": jpeg(0), "y/a.jpg": jpeg(1), "notes.txt": b"none"})})
    content = download(api, f"tasks/{task_id}")
    assert {"data/x/a.jpg", "data/y/a.jpg"} < set(members(content))
    assert api.frames(restored(api, "tasks", content)) == ["x/a.jpg", "y/a.jpg"]


def test_a_video_is_restored_with_the_frames_chosen(api, video, project_id):
    task_id = api.new_task(project_id)
    assert api.send(task_id, {"ride.avi": video}, start_frame=1, frame_filter="step=3")["status"] == "finished"
    copy_id = restored(api, "tasks", download(api, f"tasks/{task_id}"))
    assert shown(api, f"tasks/{copy_id}", ["subset"]) == shown(api, f"tasks/{task_id}", ["subset"])
    frame = "data?type=frame&number=2&quality=original"
    assert (
        api.session.get(f"{api.server.url}/api/tasks/{copy_id}/{frame}").content
        == api.session.get(f"{api.server.url}/api/tasks/{task_id}/{frame}").content
    )


def cvat_backup(jpeg, **data):
    """A task's backup as CVAT writes it: all files that were uploaded, those that became frames chosen by a range."""
    names = ["b", "a", "e", "d", "c"]
    entries = [{"version": "1.1"}, {"type": "images"}, *({"name": name, "extension": ".jpg"} for name in names)]
    task = {
        "name": "from CVAT",
        "bug_tracker": "",
        "status": "annotation",
        "subset": "",
        "labels": [{"name": "dent", "color": "#fa3253", "attributes": [], "type": "any", "sublabels": [], "svg": ""}],
        "version": "1.0",
        "data": {
            "chunk_size": 36,
            "image_quality": 70,
            "start_frame": 1,
            "stop_frame": 4,
            "frame_filter": "step=2",
            "chunk_type": "imageset",
            "storage_method": "cache",
            "storage": "local",
            "sorting_method": "natural",
            "deleted_frames": [1],
            **data,
        },
        "jobs": [
            {"start_frame": 0, "stop_frame": 0, "frames": [], "status": "completed", "type": "annotation"},
            {"start_frame": 1, "stop_frame": 1, "frames": [], "status": "annotation", "type": "annotation"},
            {"start_frame": 0, "stop_frame": 1, "frames": [0], "status": "annotation", "type": "ground_truth"},
        ],
    }
    box = {
        "frame": 1,
        "type": "rectangle",
        "points": [1, 2, 3, 4],
        "label": "dent",
        "attributes": [],
        "source": "manual",
    }
    empty = {"version": 0, "tags": [], "shapes": [], "tracks": []}
    return {
        "task.json": json.dumps(task).encode(),
        "annotations.json": json.dumps([empty, {**empty, "shapes": [box]}, {**empty, "shapes": [box]}]).encode(),
        "data/manifest.jsonl": b"\n".join(json.dumps(entry).encode() for entry in entries),
        **{f"data/{name}.jpg": jpeg(ord(name)) for name in names},
    }


def test_a_backup_by_cvat_itself_is_restored(api, jpeg, make_zip):
    task_id = restored(api, "tasks", make_zip(cvat_backup(jpeg)))
    assert api.frames(task_id) == ["a.jpg", "d.jpg"]
    assert api.call("GET", f"tasks/{task_id}/data/meta")["deleted_frames"] == [1]
    assert [job[1:] for job in jobs_of(api, task_id)] == [
        (0, 0, "acceptance", "completed"),
        (1, 1, "annotation", "new"),
        (0, 1, "annotation", "new"),
    ]
    (truth,) = api.call("GET", f"jobs?task_id={task_id}&type=ground_truth")["results"]
    assert truth["frame_count"] == 1
    assert [shape["frame"] for shape in api.call("GET", f"tasks/{task_id}/annotations")["shapes"]] == [1]


def test_a_backup_in_pieces_goes_on_after_a_kill(cvat_server, make_api, jpeg, make_zip):
    api, content = make_api(cvat_server), make_zip(cvat_backup(jpeg))
    tus = {"Tus-Resumable": "1.0.0"}
    api.call("POST", "tasks/backup/", headers={"Upload-Start": ""}, status=202)
    create = {**tus, "Upload-Length": str(len(content)), "Upload-Metadata": "filename YS56aXA="}
    created = api.session.post(f"{cvat_server.url}/api/tasks/backup/", headers=create)
    location, name = created.headers["Location"].partition("/api/")[2], created.headers["Upload-Filename"]
    api.call("PATCH", location, headers={**tus, "Upload-Offset": "0"}, data=content[:100], status=204)
    cvat_server.restart()
    finish = {"headers": {"Upload-Finish": ""}, "params": {"filename": name}}
    assert "100 of" in api.call("POST", "tasks/backup/", status=400, **finish)["detail"]
    offset = api.session.head(f"{cvat_server.url}/api/{location}", headers=tus).headers["Upload-Offset"]
    api.call("PATCH", location, headers={**tus, "Upload-Offset": offset}, data=content[int(offset) :], status=204)
    rq_id = api.call("POST", "tasks/backup/", status=202, **finish)["rq_id"]
    cvat_server.restart()
    assert api.wait(rq_id)["status"] == "finished"
    (task,) = api.call("GET", "tasks")["results"]
    assert (task["name"], task["size"]) == ("from CVAT", 2)
    for left in ("incoming", "received"):
        assert list((cvat_server.data_dir / left).iterdir()) == []
    assert {folder.name for folder in (cvat_server.data_dir / "tasks").iterdir()} == {str(task["id"])}


def changed(jpeg, **members_changed):
    return {**cvat_backup(jpeg), **members_changed}


def with_task(jpeg, **fields):
    task = json.loads(cvat_backup(jpeg)["task.json"])
    return changed(jpeg, **{"task.json": json.dumps({**task, **fields}).encode()})


HARMFUL = {
    "a file outside": (lambda jpeg: changed(jpeg, **{"data/../../evil.jpg": jpeg(1)}), "outside"),
    "an absolute file": (lambda jpeg: changed(jpeg, **{"/etc/evil.jpg": jpeg(1)}), "outside"),
    "a bomb": (lambda jpeg: changed(jpeg, **{"data/b.jpg": bytes(20 * 2**20)}), "times"),
    "no image": (lambda jpeg: changed(jpeg, **{"data/a.jpg": b"text"}), "no image that is"),
    "no task": (lambda jpeg: {"data/a.jpg": jpeg(1)}, "task.json"),
    "no annotations": (lambda jpeg: {"task.json": cvat_backup(jpeg)["task.json"]}, "annotations.json"),
    "another version": (lambda jpeg: with_task(jpeg, version="2.0"), "version"),
    "cloud storage": (lambda jpeg: with_task(jpeg, data={"storage": "cloud_storage"}), "storage"),
    "no jobs": (lambda jpeg: with_task(jpeg, jobs=[]), "jobs"),
    "too few annotations": (lambda jpeg: changed(jpeg, **{"annotations.json": b"[]"}), "of 0 jobs"),
    "broken annotations": (lambda jpeg: changed(jpeg, **{"annotations.json": b"{"}), "annotations.json"),
    "an unknown label": (lambda jpeg: with_task(jpeg, labels=[{"name": "other"}]), "'dent'"),
    "an image missing": (
        lambda jpeg: {name: content for name, content in cvat_backup(jpeg).items() if "/e" not in name},
        "'e.jpg'",
    ),
    "an image twice": (
        lambda jpeg: changed(jpeg, **{"data/manifest.jsonl": 5 * b'{"name": "a", "extension": ".jpg"}\n'}),
        "not there once",
    ),
    "a job past the end": (lambda jpeg: with_task(jpeg, data={"stop_frame": 0}), "not whole"),
}


@pytest.mark.parametrize("case", HARMFUL)
def test_a_backup_that_is_harmful_or_not_whole_is_refused_and_leaves_nothing(api, jpeg, make_zip, case):
    make, word = HARMFUL[case]
    tasks = api.call("GET", "tasks")["count"]
    folders = [api.server.data_dir / name for name in ("incoming", "received", "tasks")]
    before = [sorted(folder.iterdir()) for folder in folders]
    state = restore(api, "tasks", make_zip(make(jpeg)))
    assert state["status"] == "failed"
    assert word in state["message"]
    assert api.call("GET", "tasks")["count"] == tasks
    assert [sorted(folder.iterdir()) for folder in folders] == before


def test_a_project_is_refused_whole_if_one_of_its_tasks_is_not(api, jpeg, make_zip):
    project = {"name": "half", "labels": json.loads(cvat_backup(jpeg)["task.json"])["labels"], "version": "1.0"}
    good = {f"task_0/{name}": content for name, content in cvat_backup(jpeg).items()}
    bad = {f"task_1/{name}": content for name, content in changed(jpeg, **{"data/a.jpg": b"text"}).items()}
    content = make_zip({"project.json": json.dumps(project).encode(), **good, **bad})
    assert restore(api, "projects", content)["status"] == "failed"
    assert api.call("GET", "projects?name=half")["count"] == 0


def test_what_is_no_zip_is_refused(api):
    assert "cannot be read" in restore(api, "projects", b"PK but nothing more")["message"]


def test_a_task_without_images_has_no_backup(api, project_id):
    api.call("POST", f"tasks/{api.new_task(project_id)}/backup/export", status=400)
    api.call("POST", "tasks/99999/backup/export", status=404)
