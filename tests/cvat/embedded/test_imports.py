"""Imports of annotation files: what comes back of what was exported, and that a failure changes nothing."""

import io
import json
import zipfile

import pytest


@pytest.fixture(scope="module")
def task_id(shared_garage):
    """Four images whose annotations each test replaces."""
    return shared_garage.new_task()


def zip_of(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def import_file(garage, task_id, format_name, content, name="annotations.zip", **query):
    return garage.api.send_file(f"tasks/{task_id}/annotations", format_name, name, content, **query)


def of_each_kind(garage):
    """What CVAT's own format keeps."""
    values = garage.values(state="bad", count="7", note="é <&>", sure="true")
    shapes = [
        garage.box(1.25, attributes=values, occluded=True, group=4, z_order=2, rotation=15.0),
        garage.shape("polygon", [30, 10, 40.5, 10, 40, 20], label="road"),
        garage.shape("polyline", [1, 1, 9, 9], label="road", frame=1),
        garage.shape("points", [1, 1, 9, 9], frame=1),
        garage.shape("ellipse", [30, 20, 42, 12], frame=2, rotation=30.0),
        garage.shape("mask", [0, 12, 2, 2, 5, 4], frame=2),
        garage.shape("cuboid", list(range(16)), frame=3),
        garage.stick(3, head={"points": [10, 5]}, foot={"points": [20, 25], "occluded": True}),
    ]
    return {"shapes": shapes, "tags": [garage.tag(1)]}


def tracks(garage):
    first = garage.key(0, 2, attributes=garage.values(note="hé"), z_order=1)
    keys = [first, garage.key(2, 30, rotation=20.0), garage.key(3, 32, outside=True)]
    return {"tracks": [garage.track(*keys, attributes=garage.values(state="bad"), group=7)]}


def skeleton_track(garage):
    ids = {part["name"]: part["id"] for part in garage.labels["stick"]["sublabels"]}

    def points(frame, x, **more):
        return {"type": "points", "frame": frame, "points": [x, 1], **more}

    elements = [
        {"frame": 0, "label_id": ids["head"], "shapes": [points(0, 1), points(3, 7)]},
        {"frame": 0, "label_id": ids["foot"], "shapes": [points(0, 5), points(2, 5, occluded=True), points(3, 5)]},
    ]
    whole = {"frame": 0, "label_id": garage.labels["stick"]["id"], "elements": elements}
    return {"tracks": [{**whole, "shapes": [{"type": "skeleton", "frame": 0}, {"type": "skeleton", "frame": 3}]}]}


def instances(garage):
    values = garage.values(state="bad", count="7", note="é", sure="true")
    mask = garage.shape("mask", [0, 12, 2, 2, 5, 4], frame=2)
    return {"shapes": [garage.box(1.25, attributes=values, rotation=15.0), mask, garage.box(9, frame=3, occluded=True)]}


def polygons(garage):
    return {"shapes": [garage.shape("polygon", [32, 12, 40, 12, 40, 24], label="road", frame=2)]}


def boxes(garage):
    return {"shapes": [garage.box(4), garage.shape("rectangle", [0, 0, 64, 48], label="road", frame=3)]}


def turned_boxes(garage):
    return {"shapes": [garage.shape("rectangle", [16, 12, 48, 36], rotation=30.0), garage.box(4, frame=1)]}


def sticks(garage):
    return {"shapes": [garage.stick(1, head={"points": [10, 6]}, foot={"points": [20, 24], "occluded": True})]}


ROUND_TRIPS = [
    ("CVAT for images 1.1", "CVAT 1.1", of_each_kind),
    ("CVAT for video 1.1", "CVAT 1.1", tracks),
    ("CVAT for video 1.1", "CVAT 1.1", skeleton_track),
    ("COCO 1.0", "COCO 1.0", instances),
    ("COCO 1.0", "COCO 1.0", polygons),
    ("COCO Keypoints 1.0", "COCO Keypoints 1.0", sticks),
    ("Ultralytics YOLO Detection 1.0", "Ultralytics YOLO Detection 1.0", boxes),
    ("Ultralytics YOLO Oriented Bounding Boxes 1.0", "Ultralytics YOLO Oriented Bounding Boxes 1.0", turned_boxes),
    ("Ultralytics YOLO Pose 1.0", "Ultralytics YOLO Pose 1.0", sticks),
    ("Ultralytics YOLO Segmentation 1.0", "Ultralytics YOLO Segmentation 1.0", polygons),
    ("YOLO 1.1", "YOLO 1.1", boxes),
]


def near(told):
    """Coordinates as far as six decimals of an image's width tell them."""
    return json.loads(json.dumps(told), parse_float=lambda text: round(float(text), 1))


@pytest.mark.parametrize(("exported", "imported", "make"), ROUND_TRIPS)
def test_what_a_format_holds_comes_back(shared_garage, task_id, exported, imported, make):
    garage = shared_garage
    shapes, *more = (make(garage).get(kind, []) for kind in ("shapes", "tags", "tracks"))
    garage.put(task_id, *shapes, tags=more[0], tracks=more[1])
    before = garage.told(task_id)
    archive = garage.api.export("tasks", task_id, exported)
    garage.put(task_id, garage.box(50))
    state = import_file(garage, task_id, imported, archive.fp.getvalue())
    assert state["status"] == "finished", state["message"]
    assert near(garage.told(task_id)) == near(before)
    assert {item["source"] for kind in ("tags", "shapes", "tracks") for item in garage.read(task_id)[kind]} == {"file"}


def test_coco_brings_tracks_back_by_their_key_frames(shared_garage, task_id):
    garage = shared_garage
    garage.put(task_id, tracks=[garage.track(garage.key(0, 2), garage.key(2, 22, outside=True))])
    archive = garage.api.export("tasks", task_id, "COCO 1.0")
    assert import_file(garage, task_id, "COCO 1.0", archive.fp.getvalue())["status"] == "finished"
    (track,) = garage.read(task_id)["tracks"]
    assert [(s["frame"], s["points"][0], s["outside"]) for s in track["shapes"]] == [(0, 2, False), (2, 12, True)]


def coco_of(*annotations, images=("a.jpg",), categories=("car",)):
    return json.dumps(
        {
            "images": [{"id": number, "file_name": name} for number, name in enumerate(images, 1)],
            "categories": [{"id": number, "name": name} for number, name in enumerate(categories, 1)],
            "annotations": [{"image_id": 1, "category_id": 1, **annotation} for annotation in annotations],
        }
    ).encode()


def test_the_parts_of_one_object_become_a_group(shared_garage, task_id):
    parts = [[0, 0, 9, 0, 9, 9], [20, 20, 29, 20, 29, 29]]
    content = coco_of({"segmentation": parts, "bbox": [0, 0, 29, 29]}, {"segmentation": parts[:1]})
    assert import_file(shared_garage, task_id, "COCO 1.0", content, "a.json")["status"] == "finished"
    assert [(s["type"], s["group"]) for s in shared_garage.read(task_id)["shapes"]] == [
        ("polygon", 1), ("polygon", 1), ("polygon", 0),
    ]  # fmt: skip


def test_instances_with_key_points_are_boxes_all_the_same(shared_garage, task_id):
    content = coco_of({"bbox": [1, 1, 5, 5], "keypoints": [1, 1, 2], "num_keypoints": 1})
    assert import_file(shared_garage, task_id, "COCO 1.0", content, "a.json")["status"] == "finished"
    assert [shape["type"] for shape in shared_garage.read(task_id)["shapes"]] == ["rectangle"]


def test_a_failure_names_the_shape_and_what_is_wrong_with_it(shared_garage, task_id):
    content = coco_of({"bbox": [1, 1, 5, 5]}, {"segmentation": [[1, 1, 2, 2]]})
    message = import_file(shared_garage, task_id, "COCO 1.0", content, "a.json")["message"]
    assert message.endswith("shapes: 1: points: A polygon cannot have 4 coordinates.")


def test_names_in_a_file_may_begin_below_a_folder_of_the_task(shared_garage, shared_api):
    images = zip_of({f"lot/{name}": shared_garage.jpeg(3) for name in ("a.jpg", "b.jpg")})
    task_id = shared_api.new_task(shared_garage.project_id)
    shared_api.send(task_id, {"cars.zip": images})
    content = coco_of({"bbox": [1, 1, 5, 5], "image_id": 2}, images=("a.jpg", "b.jpg"))
    assert import_file(shared_garage, task_id, "COCO 1.0", content, "a.json")["status"] == "finished"
    assert [shape["frame"] for shape in shared_garage.read(task_id)["shapes"]] == [1]


def test_an_import_may_add_to_what_is_there(shared_garage, task_id):
    shared_garage.put(task_id, shared_garage.box(1))
    content = coco_of({"bbox": [1, 1, 5, 5]})
    assert (
        import_file(shared_garage, task_id, "COCO 1.0", content, "a.json", import_mode="append")["status"] == "finished"
    )
    assert len(shared_garage.read(task_id)["shapes"]) == 2


def test_an_import_into_a_job_changes_its_frames_alone(shared_garage):
    garage = shared_garage
    halves = garage.new_task(segment_size=2, overlap=0)
    _, second = garage.jobs(halves)
    garage.put(halves, garage.box(1), garage.box(2, frame=3))
    content = coco_of({"bbox": [5, 5, 5, 5]}, {"bbox": [6, 6, 5, 5], "image_id": 2}, images=("a.jpg", "c.jpg"))
    assert garage.api.send_file(f"jobs/{second}/annotations", "COCO 1.0", "a.json", content)["status"] == "finished"
    assert [(s["frame"], s["points"][0]) for s in garage.read(halves)["shapes"]] == [(0, 1), (2, 6)]


LOST = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "categories": [],
    "annotations": [{"image_id": 9, "category_id": 1}],
}
YAML = "names: [car]\ntrain: images/train\n"
MASK = "<mask label='car' rle='9' left='0' top='0' width='99999999' height='9'/>"
XML = "<annotations><image id='0' name='a.jpg'>{}</image></annotations>"
ENTITIES = "<!DOCTYPE a [<!ENTITY b 'bbbb'><!ENTITY c '&b;&b;&b;&b;'>]><annotations>&c;</annotations>"

BROKEN = {
    "no JSON": ("COCO 1.0", "a.json", b"{"),
    "JSON of another form": ("COCO 1.0", "a.json", b'{"images": 3}'),
    "no COCO file": ("COCO 1.0", "a.zip", zip_of({"readme.txt": b""})),
    "an unknown class": ("COCO 1.0", "a.json", coco_of({"bbox": [1, 1, 5, 5]}, categories=("ship",))),
    "an unknown image": ("COCO 1.0", "a.json", coco_of({"bbox": [1, 1, 5, 5]}, images=("z.jpg",))),
    "a lost reference": ("COCO 1.0", "a.json", json.dumps(LOST).encode()),
    "half a box": ("COCO 1.0", "a.json", coco_of({"bbox": [1, 1]})),
    "a polygon of two points": ("COCO 1.0", "a.json", coco_of({"segmentation": [[1, 1, 2, 2]]})),
    "a mask of another size": ("COCO 1.0", "a.json", coco_of({"segmentation": {"size": [9, 9], "counts": [81]}})),
    "a mask cut short": ("COCO 1.0", "a.json", coco_of({"segmentation": {"size": [48, 64], "counts": [9]}})),
    "a mask beyond memory": ("COCO 1.0", "a.json", coco_of({"segmentation": {"size": [10**9, 10**9], "counts": [1]}})),
    "no XML": ("CVAT 1.1", "a.xml", b"<annotations>"),
    "XML with entities": ("CVAT 1.1", "a.xml", ENTITIES.encode()),
    "XML without coordinates": ("CVAT 1.1", "a.xml", XML.format("<box label='car'/>").encode()),
    "XML with no number": ("CVAT 1.1", "a.xml", XML.format("<points label='car' points='1,x'/>").encode()),
    "XML beyond numbers": ("CVAT 1.1", "a.xml", XML.format("<points label='car' points='nan,1'/>").encode()),
    "XML with an endless mask": ("CVAT 1.1", "a.xml", XML.format(MASK).encode()),
    "no archive": ("YOLO 1.1", "a.zip", b"PK\x03\x04 but no more"),
    "no class list": ("Ultralytics YOLO Detection 1.0", "a.zip", zip_of({"data.yaml": "path: ."})),
    "no YAML": ("Ultralytics YOLO Detection 1.0", "a.zip", zip_of({"data.yaml": "names: ["})),
    "a class beyond the list": (
        "Ultralytics YOLO Detection 1.0", "a.zip", zip_of({"data.yaml": YAML, "labels/train/a.txt": "7 .5 .5 .5 .5"}),
    ),
    "a line cut short": (
        "Ultralytics YOLO Detection 1.0", "a.zip", zip_of({"data.yaml": YAML, "labels/train/a.txt": "0 .5 .5"}),
    ),
    "a missing list": ("YOLO 1.1", "a.zip", zip_of({"obj.data": "train = data/t.txt\nnames = n", "n": "car"})),
    "a name outside": ("COCO 1.0", "a.zip", zip_of({"../../evil.json": coco_of()})),
    "an absolute name": ("COCO 1.0", "a.zip", zip_of({"/etc/evil.json": coco_of()})),
    "a bomb": ("COCO 1.0", "a.zip", zip_of({"a.json": bytes(20 * 2**20)})),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_failed_import_says_why_in_a_sentence_and_changes_nothing(shared_garage, task_id, kind):
    garage = shared_garage
    garage.put(task_id, garage.box(3), tags=[garage.tag(1)], tracks=[garage.track(garage.key(0, 2))])
    before, folder = garage.read(task_id), garage.api.server.data_dir
    format_name, name, content = BROKEN[kind]
    state = import_file(garage, task_id, format_name, content, name)
    assert state["status"] == "failed"
    assert len(state["message"]) > 10
    assert "Error" not in state["message"].split(":")[0]  # no exception of Python's
    assert garage.read(task_id) == before
    assert list((folder / "incoming").iterdir()) == list((folder / "received").iterdir()) == []


@pytest.mark.parametrize(
    ("query", "files"),
    [
        ({"format": "Imaginary 9.9"}, {"annotation_file": ("a.json", b"{}")}),
        ({}, {"annotation_file": ("a.json", b"{}")}),
        ({"format": "COCO 1.0"}, {}),
    ],
)
def test_an_import_without_a_format_or_a_file_is_refused(shared_garage, task_id, query, files):
    shared_garage.api.call("POST", f"tasks/{task_id}/annotations", params=query, files=files, status=400)


def test_an_import_into_a_task_without_images_is_refused_and_its_file_forgotten(shared_garage):
    api = shared_garage.api
    task_id, files = api.new_task(shared_garage.project_id), {"annotation_file": ("a.json", coco_of())}
    api.call("POST", f"tasks/{task_id}/annotations?format=COCO 1.0", files=files, status=400)
    assert list((api.server.data_dir / "received").iterdir()) == []


def test_a_file_may_come_in_pieces(shared_garage, task_id):
    api, content = shared_garage.api, coco_of({"bbox": [1, 1, 5, 5]})
    path, query = f"tasks/{task_id}/annotations", "format=COCO 1.0&filename="
    tus = {"Tus-Resumable": "1.0.0"}
    api.call("POST", f"{path}?{query}", headers={"Upload-Start": ""}, status=202)
    announced = {**tus, "Upload-Length": str(len(content)), "Upload-Metadata": "filename YS5qc29u"}
    created = api.session.post(f"{api.server.url}/api/{path}/", headers=announced)
    location, name = created.headers["Location"].partition("/api/")[2], created.headers["Upload-Filename"]
    api.call("PATCH", location, headers={**tus, "Upload-Offset": "0"}, data=content[:50], status=204)
    api.call("POST", f"{path}?{query}{name}", headers={"Upload-Finish": ""}, status=400)  # not all is here
    offset = api.session.head(f"{api.server.url}/api/{location}", headers=tus).headers["Upload-Offset"]
    api.call("PATCH", location, headers={**tus, "Upload-Offset": offset}, data=content[50:], status=204)
    finished = api.call("POST", f"{path}?{query}{name}", headers={"Upload-Finish": ""}, status=202)
    assert api.wait(finished["rq_id"])["status"] == "finished"
    assert len(api.call("GET", path)["shapes"]) == 1


def test_an_import_under_way_at_a_kill_is_done_by_the_next_start(cvat_server, api, jpeg):
    project_id = api.new_project()
    task_id = api.new_task(project_id)
    api.send(task_id, {"a.jpg": jpeg(1)})
    content = coco_of(*[{"bbox": [1, 1, 5, 5]}] * 5000, categories=("dent",))
    files = {"annotation_file": ("a.json", content)}
    rq_id = api.call("POST", f"tasks/{task_id}/annotations?format=COCO 1.0", files=files, status=202)["rq_id"]
    cvat_server.restart()
    assert api.wait(rq_id)["status"] == "finished"
    assert len(api.call("GET", f"tasks/{task_id}/annotations")["shapes"]) == 5000
    assert list((cvat_server.data_dir / "received").iterdir()) == []
