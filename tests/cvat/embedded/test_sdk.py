"""The real cvat-sdk from end to end."""

import io
import json
import zipfile

import pytest
from cvat_sdk import Client, Config, models
from cvat_sdk.core.proxies.annotations import AnnotationUpdateAction
from PIL import Image


@pytest.fixture(scope="module")
def client(shared_cvat_server, tmp_path_factory):
    config = Config(status_check_period=0.05, cache_dir=tmp_path_factory.mktemp("cache"))
    with Client(shared_cvat_server.url, config=config) as sdk:
        sdk.login((shared_cvat_server.user, shared_cvat_server.password))
        yield sdk


@pytest.fixture
def task(client, shared_api, tmp_path, jpeg):
    project = client.projects.create(models.ProjectWriteRequest(name="cars", labels=shared_api.labels))
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    return client.tasks.create_from_data(
        models.TaskWriteRequest(name="three cars", project_id=project.id, segment_size=2, overlap=0),
        resources=[tmp_path / f"{number}.jpg" for number in (2, 0, 1)],
        data_params={"image_quality": 90, "sorting_method": "predefined"},
    )


def labels_by_name(task):
    return {label.name: label for label in task.get_labels()}


def shape(task, frame, **extra):
    dent = labels_by_name(task)["dent"]
    points = [1.5, 2.0, 10.0, 12.0]
    return models.LabeledShapeRequest(type="rectangle", frame=frame, label_id=dent.id, points=points, **extra)


def test_frames_come_in_the_order_given_with_their_bytes(task, jpeg):
    assert [(frame.name, frame.width, frame.height) for frame in task.get_frames_info()] == [
        ("2.jpg", 64, 48),
        ("0.jpg", 64, 48),
        ("1.jpg", 64, 48),
    ]
    assert task.get_frame(0, quality="original").read() == jpeg(2)
    assert Image.open(io.BytesIO(task.get_frame(1, quality="compressed").read())).size == (64, 48)


def test_a_job_is_assigned_and_accepted(client, task):
    job = min(task.get_jobs(), key=lambda job: job.start_frame)
    job.update({"assignee": client.users.retrieve_current_user().id})
    job.update({"stage": "acceptance", "state": "completed"})
    assert (job.stage, job.state, job.status) == ("acceptance", "completed", "completed")
    assert task.fetch().jobs.completed == 1
    assert [frame.name for frame in job.get_frames_info()] == ["2.jpg", "0.jpg"]


def test_annotations_are_set_changed_and_removed(task):
    model = next(item for item in labels_by_name(task)["dent"].attributes if item.name == "model")
    named = [models.AttributeValRequest(spec_id=model.id, value="detector@3")]
    tags = [models.LabeledImageRequest(frame=2, label_id=labels_by_name(task)["dirty"].id, source="auto")]
    task.set_annotations(
        models.LabeledDataRequest(shapes=[shape(task, 0, attributes=named), shape(task, 2)], tags=tags)
    )
    first, second = task.get_annotations().shapes
    assert first.attributes[0].value == "detector@3"
    assert [tag.source for tag in task.get_annotations().tags] == ["auto"]

    change = models.PatchedLabeledDataRequest(shapes=[shape(task, 0, id=first.id, rotation=15.0)])
    task.update_annotations(change)
    more = models.PatchedLabeledDataRequest(shapes=[shape(task, 1)])
    task.update_annotations(more, action=AnnotationUpdateAction.CREATE)
    changed, added, _ = task.get_annotations().shapes
    assert (changed.id, changed.rotation, added.frame) == (first.id, 15.0, 1)

    task.remove_annotations(ids=[second.id])
    assert [item.frame for item in task.get_annotations().shapes] == [0, 1]
    task.remove_annotations()
    assert task.get_annotations().shapes == task.get_annotations().tags == []


def test_an_update_does_not_bring_back_what_was_deleted(task):
    task.set_annotations(models.LabeledDataRequest(shapes=[shape(task, 0), shape(task, 1)]))
    gone, kept = task.get_annotations().shapes
    task.remove_annotations(ids=[gone.id])
    task.update_annotations(models.PatchedLabeledDataRequest(shapes=[shape(task, 0, id=gone.id)]))
    assert [item.id for item in task.get_annotations().shapes] == [kept.id]


def test_lists_are_filtered_and_sorted_as_the_sdk_asks(client, task):
    assert [item.id for item in client.tasks.list(id__in=[task.id])] == [task.id]
    assert client.tasks.list(name__contains="no such name") == []
    jobs = client.jobs.list(task_id=task.id, sort="-start_frame,id")
    assert len(jobs) == 2
    assert [job.start_frame for job in client.jobs.list(filter={"==": [{"var": "task_id"}, task.id]}, sort="id")] == [
        0,
        2,
    ]


def test_an_export_holds_boxes_and_original_images(task, tmp_path, jpeg):
    task.set_annotations(models.LabeledDataRequest(shapes=[shape(task, 1)]))
    task.export_dataset("COCO 1.0", tmp_path / "coco.zip", include_images=True)
    with zipfile.ZipFile(tmp_path / "coco.zip") as archive:
        coco = json.loads(archive.read("annotations/instances_default.json"))
        assert archive.read("images/default/2.jpg") == jpeg(2)
    (annotation,) = coco["annotations"]
    assert (annotation["image_id"], annotation["category_id"], annotation["bbox"]) == (2, 1, [1.5, 2, 8.5, 10])
