"""FiftyOne's own CVAT integration on the embedded server, in another process: FiftyOne is one per process."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from pipelines.project import Project
from pipelines.runs import make_run
from pipelines.services import start_mongodb

ROUND = """
import json, sys
from pathlib import Path
from PIL import Image as PillowImage
from cvat_sdk import make_client, models
from cvat_sdk.core.proxies.annotations import AnnotationUpdateAction
from datasets.curating import open_fiftyone

folder, mongodb, url, user, password = Path(sys.argv[1]), *sys.argv[2:]
for shade in (10, 200):
    PillowImage.new("RGB", (100, 50), (shade, 0, 0)).save(folder / f"{shade}.png")


def edit(client, task_id):
    '''Move the dent, make the door a dent, draw a door on the other photograph, and set the other tag.'''
    (job,) = client.tasks.retrieve(task_id).get_jobs()
    names = {label.id: label.name for label in job.get_labels()}
    ids = {name: number for number, name in names.items()}
    found = job.get_annotations().to_dict()
    for shape in found["shapes"]:
        if names[shape["label_id"]] == "dent":
            shape["points"] = [20, 10, 40, 30]
        else:
            shape["label_id"], shape["attributes"] = ids["dent"], []
    for tag in found["tags"]:
        tag["label_id"], tag["attributes"] = ids["dirty"], []
    added = {"type": "rectangle", "points": [0, 0, 50, 25], "label_id": ids["door"], "frame": 1, "source": "manual"}
    changes = ((AnnotationUpdateAction.UPDATE, found), (AnnotationUpdateAction.CREATE, {"shapes": [added]}))
    for action, changed in changes:
        job.update_annotations(models.PatchedLabeledDataRequest(**changed), action=action)
    return [len(found["shapes"]), len(found["tags"])]


with open_fiftyone(mongodb) as fo:
    boxes = [
        fo.Detection(label="dent", bounding_box=[0.1, 0.2, 0.2, 0.4]),
        fo.Detection(label="door", bounding_box=[0.5, 0.2, 0.4, 0.4]),
    ]
    dataset = fo.Dataset("cars")
    drawn, state = fo.Detections(detections=boxes), fo.Classification(label="clean")
    dataset.add_sample(fo.Sample(filepath=str(folder / "10.png"), parts=drawn, state=state))
    dataset.add_sample(fo.Sample(filepath=str(folder / "200.png"), parts=fo.Detections()))
    results = dataset.annotate(
        "round",
        backend="cvat",
        label_schema={
            "parts": {"type": "detections", "classes": ["dent", "door"]},
            "state": {"type": "classification", "classes": ["clean", "dirty"]},
        },
        url=url,
        username=user,
        password=password,
        project_name=f"fiftyone {folder.name}",
    )
    with make_client(url, credentials=(user, password)) as client:
        sent = [edit(client, task_id) for task_id in results.task_ids]
        dataset.load_annotations("round", cleanup=True, unexpected="ignore")
        left = [task.id for task in client.tasks.list() if task.id in results.task_ids]
    print(json.dumps({
        "sent": sent,
        "left": left,
        "parts": [
            sorted([part.label, [round(side, 3) for side in part.bounding_box]] for part in sample.parts.detections)
            for sample in dataset
        ],
        "same": [part.id for part in dataset.first().parts.detections] == [part.id for part in boxes],
        "state": [sample.state and sample.state.label for sample in dataset],
    }))
"""


@pytest.fixture(scope="module")
def played(shared_cvat_server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What FiftyOne sent, and has after it was edited in CVAT."""
    folder = tmp_path_factory.mktemp("fiftyone")
    server = shared_cvat_server
    with start_mongodb(make_run(folder / "run", Project(), key="round")) as uri:
        ended = subprocess.run(
            [sys.executable, "-c", ROUND, str(folder), uri, server.url, server.user, server.password],
            env={**os.environ, "HOME": str(folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


def test_fiftyone_sends_boxes_and_tags_and_takes_back_what_was_edited(played: dict[str, Any]) -> None:
    """One test, for FiftyOne takes its time to start."""
    assert [sum(counts) for counts in zip(*played["sent"], strict=True)] == [2, 1]
    assert played["parts"] == [
        [["dent", [0.2, 0.2, 0.2, 0.4]], ["dent", [0.5, 0.2, 0.4, 0.4]]],
        [["door", [0.0, 0.0, 0.5, 0.5]]],
    ]
    assert played["same"]
    assert played["state"] == ["dirty", None]
    assert played["left"] == []
