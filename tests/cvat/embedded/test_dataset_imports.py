"""Datasets that become tasks of a project."""

import io
import json
import zipfile

import pytest


def zip_of(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def import_dataset(garage, project_id, format_name, content):
    files = {"dataset_file": ("dataset.zip", content)}
    query = {"format": format_name}
    started = garage.api.call("POST", f"projects/{project_id}/dataset", params=query, files=files, status=202)
    return garage.api.wait(started["rq_id"])


def tasks_of(garage, project_id):
    found = garage.api.call("GET", f"tasks?project_id={project_id}&sort=id")["results"]
    return {task["subset"]: task["id"] for task in found}


FORMATS = {
    "CVAT for images 1.1": "CVAT 1.1",
    "COCO 1.0": "COCO 1.0",
    "Ultralytics YOLO Detection 1.0": "Ultralytics YOLO Detection 1.0",
    "YOLO 1.1": "YOLO 1.1",
}


@pytest.fixture(scope="module")
def source(shared_garage):
    """A project of two subsets with a box on each second image."""
    garage = shared_garage
    for subset, names in {"train": ["a.jpg", "b.jpg"], "val": ["c.jpg"]}.items():
        task_id = garage.new_task(names, subset=subset)
        garage.put(task_id, *(garage.box(4 + frame, frame=frame) for frame in range(0, len(names), 2)))
    return garage.project_id


@pytest.mark.parametrize(("exported", "imported"), FORMATS.items())
def test_an_exported_project_becomes_tasks_of_another_one(shared_garage, garage, source, exported, imported):
    archive = shared_garage.api.export("projects", source, exported, images=True)
    state = import_dataset(garage, garage.project_id, imported, archive.fp.getvalue())
    assert (state["status"], state["operation"]["type"]) == ("finished", "import:dataset"), state["message"]
    made = tasks_of(garage, garage.project_id)
    told = {subset: (garage.api.frames(task_id), garage.told(task_id)["shapes"]) for subset, task_id in made.items()}
    assert {subset: names for subset, (names, _) in told.items()} == {"train": ["a.jpg", "b.jpg"], "val": ["c.jpg"]}
    for _, shapes in told.values():
        (box,) = shapes
        assert (box["label"], box["frame"]) == ("car", 0)
        assert box["points"] == pytest.approx([4, 2, 14, 22], abs=0.01)


def test_the_frames_of_a_video_become_images_with_its_tracks(shared_garage, garage):
    images = {f"images/default/frame_{number:06d}.PNG": shared_garage.jpeg(number) for number in (4, 6, 8)}
    box = '<box frame="{}" keyframe="1" outside="{}" occluded="0" xtl="1" ytl="2" xbr="3" ybr="4" z_order="0"/>'
    track = f'<track id="0" label="car" subset="default">{box.format(4, 0)}{box.format(8, 1)}</track>'
    content = zip_of({**images, "annotations.xml": f"<annotations>{track}</annotations>"})
    assert import_dataset(garage, garage.project_id, "CVAT 1.1", content)["status"] == "finished"
    (task_id,) = tasks_of(garage, garage.project_id).values()
    (told,) = garage.read(task_id)["tracks"]
    assert [(shape["frame"], shape["outside"]) for shape in told["shapes"]] == [(0, False), (2, True)]


COCO = {
    "images": [{"id": 1, "file_name": "lot/a.jpg"}],
    "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}],
    "annotations": [{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4]}],
}


def coco_dataset(jpeg, coco=COCO, image="images/train/lot/a.jpg"):
    return zip_of({"annotations/instances_train.json": json.dumps(coco), image: jpeg(1)})


def test_a_project_without_labels_gets_those_of_the_dataset(shared_garage, jpeg):
    api = shared_garage.api
    project_id = api.call("POST", "projects", json={"name": "empty"}, status=201)["id"]
    state = import_dataset(shared_garage, project_id, "COCO 1.0", coco_dataset(jpeg))
    assert state["status"] == "finished", state["message"]
    labels = api.label_ids(project_id)
    assert list(labels) == ["dent", "scratch"]
    task_id = tasks_of(shared_garage, project_id)["train"]
    assert api.frames(task_id) == ["lot/a.jpg"]
    assert [shape["label_id"] for shape in shared_garage.read(task_id)["shapes"]] == [labels["scratch"]]


def test_images_that_differ_in_their_folder_or_ending_alone_stay_apart(garage, jpeg):
    names = ["a.jpg", "a.png", "lot/a.jpg"]
    coco = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
        "categories": [],
        "annotations": [],
    }
    files = {f"images/train/{name}": jpeg(number) for number, name in enumerate(reversed(names))}
    content = zip_of({**files, "annotations/instances_train.json": json.dumps(coco)})
    state = import_dataset(garage, garage.project_id, "COCO 1.0", content)
    assert state["status"] == "finished", state["message"]
    task_id = tasks_of(garage, garage.project_id)["train"]
    assert garage.api.frames(task_id) == names
    frame = garage.api.session.get(
        f"{garage.api.server.url}/api/tasks/{task_id}/data?type=frame&number=2&quality=original"
    )
    assert frame.content == files["images/train/lot/a.jpg"]


BROKEN = {
    "labels that the project lacks": lambda jpeg: coco_dataset(jpeg),
    "no images": lambda jpeg: coco_dataset(jpeg, {**COCO, "categories": []}, image="readme.txt"),
    "no image at all": lambda jpeg: coco_dataset(jpeg, {**COCO, "images": [], "categories": [], "annotations": []}),
    "an image that is none": lambda jpeg: coco_dataset(lambda _: b"text", {**COCO, "categories": []}),
    "a lost reference": lambda jpeg: coco_dataset(jpeg, {**COCO, "categories": []}),
    "no archive": lambda jpeg: json.dumps(COCO).encode(),
    "a name outside": lambda jpeg: coco_dataset(jpeg, image="../a.jpg"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_failed_import_says_why_and_leaves_no_task_and_no_file(garage, jpeg, kind):
    folder = garage.api.server.data_dir
    before = {name: set((folder / name).iterdir()) for name in ("tasks", "incoming", "received")}
    state = import_dataset(garage, garage.project_id, "COCO 1.0", BROKEN[kind](jpeg))
    assert (state["status"], len(state["message"]) > 10) == ("failed", True)
    assert tasks_of(garage, garage.project_id) == {}
    assert {name: set((folder / name).iterdir()) for name in before} == before
