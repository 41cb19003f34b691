"""What each export format says about one task with everything in it."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
import yaml


@pytest.fixture(scope="module")
def task_id(shared_garage):
    """Frame a: box, turned box, polygon, tag. b: skeleton, ellipse. c: deleted. d: nothing. A track from a to d."""
    garage = shared_garage
    made = garage.new_task(subset="train")
    values = garage.values(state="bad", count="7", note="é <&>", sure="true")
    garage.put(
        made,
        garage.box(1, attributes=values, occluded=True, group=4),
        garage.box(20, rotation=90.0),
        garage.shape("polygon", [30, 10, 40, 10, 40, 20], label="road", z_order=-1),
        garage.stick(1, head={"points": [10, 5]}, foot={"points": [20, 25], "occluded": True}),
        garage.shape("ellipse", [30, 20, 42, 12], frame=1),
        garage.box(3, frame=2),
        tags=[garage.tag(0)],
        tracks=[
            garage.track(garage.key(0, 40), garage.key(3, 10, outside=True), attributes=garage.values(state="bad"))
        ],
    )
    garage.api.call("PATCH", f"tasks/{made}/data/meta", json={"deleted_frames": [2]})
    return made


@pytest.fixture(scope="module")
def export(shared_garage, task_id):
    """The files of an export without images, by name."""

    def make(format_name, kind="tasks", target_id=task_id):
        archive = shared_garage.api.export(kind, target_id, format_name)
        return {name: archive.read(name) for name in archive.namelist()}

    return make


def test_all_formats_are_offered_for_export_and_import(shared_api):
    told = shared_api.call("GET", "server/annotation/formats")
    assert {item["name"] for item in told["exporters"]} >= {"COCO 1.0", "CVAT for video 1.1", "YOLO 1.1"}
    assert {"name": "CVAT 1.1", "ext": "XML, ZIP", "version": "1.1", "enabled": True, "dimension": "2d"} in told[
        "importers"
    ]


def test_coco_has_tracks_frame_by_frame_and_ellipses_as_masks(export):
    ((_, content),) = export("COCO 1.0").items()
    found = json.loads(content)["annotations"]
    tracked = [
        (a["image_id"], a["bbox"][0], a["attributes"]["keyframe"]) for a in found if "track_id" in a["attributes"]
    ]
    assert tracked == [(1, 40, True), (2, 30, False)]  # the third frame is deleted, on the fourth it is outside
    (mask,) = [annotation for annotation in found if annotation["iscrowd"]]
    assert mask["image_id"] == 2
    (noted,) = [annotation for annotation in found if annotation["attributes"].get("note")]
    assert noted["attributes"] == {
        "state": "bad", "count": 7.0, "note": "é <&>", "sure": True, "occluded": True, "rotation": 0.0,
    }  # fmt: skip


def test_coco_keypoints_have_skeletons_and_nothing_else(export):
    content = json.loads(export("COCO Keypoints 1.0")["annotations/person_keypoints_train.json"])
    stick = next(category for category in content["categories"] if category["name"] == "stick")
    assert (stick["keypoints"], stick["skeleton"]) == (["head", "foot"], [[1, 2]])
    (instance,) = content["annotations"]
    assert (instance["image_id"], instance["category_id"]) == (2, stick["id"])
    assert (instance["keypoints"], instance["num_keypoints"]) == ([10, 5, 2, 20, 25, 1], 2)
    assert instance["bbox"] == [10, 5, 10, 20]


def test_cvat_for_images_tells_each_frame_from_the_back_to_the_front(export):
    root = ElementTree.fromstring(export("CVAT for images 1.1")["annotations.xml"])
    first, second, last = root.iter("image")
    assert [child.tag for child in first] == ["polygon", "box", "box", "box", "tag"]
    assert [child.tag for child in second] == ["skeleton", "ellipse", "box"]
    assert (last.get("name"), len(last)) == ("d.jpg", 0)
    assert [(p.get("label"), p.get("occluded"), p.get("points")) for p in second.iter("points")] == [
        ("head", "0", "10.00,5.00"),
        ("foot", "1", "20.00,25.00"),
    ]


def test_cvat_tells_the_facts_of_a_task_and_its_labels(export, task_id):
    meta = ElementTree.fromstring(export("CVAT for images 1.1")["annotations.xml"]).find("meta/task")
    assert [meta.findtext(name) for name in ("id", "size", "mode", "subset")] == [
        str(task_id),
        "4",
        "annotation",
        "train",
    ]
    labels = {label.findtext("name"): label for label in meta.iter("label")}
    assert (labels["head"].findtext("parent"), labels["stick"].findtext("type")) == ("stick", "skeleton")
    assert 'data-label-name="head"' in labels["stick"].findtext("svg")
    assert [spec.findtext("mutable") for spec in labels["car"].iter("attribute")] == ["False", "True", "True", "False"]


def test_cvat_for_video_has_single_shapes_as_tracks_of_one_frame(export):
    root = ElementTree.fromstring(export("CVAT for video 1.1")["annotations.xml"])
    tracks = [
        [(b.get("frame"), b.get("keyframe"), b.get("outside")) for b in track.iter("box")]
        for track in root.iter("track")
    ]
    assert tracks[0] == [("0", "1", "0"), ("1", "0", "0"), ("3", "1", "1")]
    assert tracks[1] == [("0", "1", "0"), ("1", "1", "1")]
    (stick,) = [track for track in root.iter("track") if track.get("label") == "stick"]
    assert [skeleton.get("frame") for skeleton in stick.iter("skeleton")] == ["1"]


def test_ultralytics_archives_list_images_and_classes(export):
    files = export("Ultralytics YOLO Oriented Bounding Boxes 1.0")
    assert yaml.safe_load(files["data.yaml"]) == {
        "path": ".", "names": {0: "car", 1: "road", 2: "dirty", 3: "stick"}, "train": "train.txt",
    }  # fmt: skip
    assert files["train.txt"].decode().split() == [f"data/images/train/{name}.jpg" for name in "abd"]
    assert len(files["labels/train/a.txt"].splitlines()) == 3


def test_ultralytics_pose_has_skeletons_and_nothing_else(export):
    files = export("Ultralytics YOLO Pose 1.0")
    assert yaml.safe_load(files["data.yaml"])["kpt_shape"] == [2, 3]
    assert [name for name in files if name.startswith("labels/")] == ["labels/train/b.txt"]
    line = "0 0.234375 0.312500 0.156250 0.416667 0.156250 0.104167 2 0.312500 0.520833 1\n"
    assert files["labels/train/b.txt"].decode() == line


def test_darknet_has_a_label_file_for_every_frame(export):
    files = export("YOLO 1.1")
    assert files["obj.names"].decode().split() == ["car", "road", "dirty", "stick"]
    assert "train = data/train.txt" in files["obj.data"].decode()
    assert files["train.txt"].decode().split() == [f"data/obj_train_data/{name}.jpg" for name in "abd"]
    assert files["obj_train_data/d.txt"] == b""


def test_a_job_is_exported_with_its_own_frames(shared_garage, export):
    halves = shared_garage.new_task(segment_size=2, overlap=0)
    shared_garage.put(halves, tracks=[shared_garage.track(shared_garage.key(0, 0), shared_garage.key(3, 30))])
    _, second = shared_garage.jobs(halves)
    root = ElementTree.fromstring(export("CVAT for images 1.1", "jobs", second)["annotations.xml"])
    told = [(image.get("id"), image.get("name"), [box.get("xtl") for box in image]) for image in root.iter("image")]
    assert told == [("2", "c.jpg", ["20.00"]), ("3", "d.jpg", ["30.00"])]
    assert root.findtext("meta/job/id") == str(second)


def test_a_project_is_exported_by_subset_and_names_stay_apart(garage, export):
    for subset in ("train", "train", "val"):
        task = garage.new_task(["a.jpg"], subset=subset)
        garage.put(task, garage.box(task % 30))
    archive = garage.api.export("projects", garage.project_id, "COCO 1.0", images=True)
    assert sorted(name for name in archive.namelist() if name.startswith("images/")) == [
        "images/train/a.jpg", "images/train/a_1.jpg", "images/val/a.jpg",
    ]  # fmt: skip
    root = ElementTree.fromstring(export("CVAT for images 1.1", "projects", garage.project_id)["annotations.xml"])
    assert [(image.get("id"), image.get("subset")) for image in root.iter("image")] == [
        ("0", "train"), ("1", "train"), ("0", "val"),
    ]  # fmt: skip
    assert len(root.findall("meta/project/tasks/task")) == 3


def test_no_subset_leads_out_of_the_archive(garage):
    task_id = garage.new_task(["a.jpg"], subset="../../evil")
    archive = garage.api.export("tasks", task_id, "COCO 1.0", images=True)
    assert archive.namelist() == ["annotations/instances_.._.._evil.json", "images/.._.._evil/a.jpg"]


def test_a_project_without_images_cannot_be_exported(garage):
    started = garage.api.call("POST", f"projects/{garage.project_id}/dataset/export?format=COCO 1.0", status=202)
    state = garage.api.wait(started["rq_id"])
    assert (state["status"], "no tasks with images" in state["message"]) == ("failed", True)


@pytest.mark.parametrize("path", ["tasks/{other}", "jobs/{task}", "projects/{task}"])
def test_an_export_is_fetched_where_it_was_made_and_nowhere_else(shared_garage, task_id, path):
    started = shared_garage.api.call("POST", f"tasks/{task_id}/dataset/export?format=YOLO 1.1", status=202)
    assert shared_garage.api.wait(started["rq_id"])["status"] == "finished"
    place = path.format(other=task_id + 1000, task=task_id)
    rq_id = shared_garage.api.quoted(started["rq_id"])
    shared_garage.api.call("GET", f"{place}/dataset/download?rq_id={rq_id}", status=404)
