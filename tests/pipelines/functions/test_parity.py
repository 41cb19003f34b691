"""One predictor core, however it is asked: by Nuclio's HTTP, by cvat-sdk, in a batch, or for an evaluation."""

import base64
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import requests
from PIL import Image

from benchmarks.function_data import CLASSES, MODEL, make_photo, open_host, write_detector
from cvat.client import Credentials, connect
from cvat.project import push_project
from cvat.push import push_task
from cvat.settings import CvatSettings
from datasets.coco import Image as Photograph
from datasets.store import ImageStore
from datasets.taxonomy import Category, Taxonomy
from nuclio_functions.batched import annotate_files
from nuclio_functions.contract import REPLIES, Reply
from nuclio_functions.native import create
from tests.cvat.conftest import CvatServer
from training.bundle import publish, read_bundle, read_pointer
from training.predictors import Detector, decode_image

SIZE = 160
PHOTOS = 4
Seen = list[tuple[str, tuple[float, ...], str]]
"""Class, box and confidence of each object, best first."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    publish(folder, MODEL, write_detector(folder, version="7", seed=0, image_size=SIZE, threshold=0.3))
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photographs of several sizes; the last one lies on its side, and says so."""
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{number}.jpg" for number in range(PHOTOS)]
    for number, path in enumerate(paths):
        path.write_bytes(make_photo(seed=number, width=160 + 80 * number, height=240))
    turned = BytesIO()
    with Image.open(paths[-1]) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(turned, "JPEG", exif=exif, quality=95)
    paths[-1].write_bytes(turned.getvalue())
    return paths


@pytest.fixture(scope="module")
def expected(bundles: Path, files: list[Path]) -> list[Seen]:
    """What an evaluation compares with the truth."""
    detector = Detector(read_bundle(bundles, str(read_pointer(bundles, MODEL))))
    found = detector.predict_batch([decode_image(path.read_bytes()) for path in files])
    assert all(found)
    return [[(one.class_name, one.bbox_xyxy, f"{one.score:.2f}") for one in each] for each in found]


def seen(replies: list[Reply]) -> Seen:
    return [(reply.label, tuple(reply.points or ()), reply.values["confidence"]) for reply in replies]


def assert_alike(found: list[Seen], expected: list[Seen]) -> None:
    assert [[(name, score) for name, _, score in each] for each in found] == [
        [(name, score) for name, _, score in each] for each in expected
    ]
    for each, other in zip(found, expected, strict=True):
        boxes, others = (np.array([box for _, box, _ in those]) for those in (each, other))
        assert np.abs(boxes - others).max() < 0.5


def test_the_batched_driver_answers_what_is_evaluated(bundles: Path, files: list[Path], expected: list[Seen]) -> None:
    detector = Detector(read_bundle(bundles, str(read_pointer(bundles, MODEL))))
    found = dict(annotate_files([detector], enumerate(files)))
    assert_alike([seen(list(found[number])) for number in range(PHOTOS)], expected)  # type: ignore[arg-type]


def test_nuclio_answers_what_is_evaluated(bundles: Path, files: list[Path], expected: list[Seen]) -> None:
    found = []
    with open_host(bundles) as host:
        for path in files:
            body = {"image": base64.b64encode(path.read_bytes()).decode()}
            found.append(seen(REPLIES.validate_json(requests.post(host.function, json=body, timeout=60).content)))
    assert_alike(found, expected)


def test_cvat_sdk_s_function_answers_what_is_evaluated(bundles: Path, files: list[Path], expected: list[Seen]) -> None:
    function = create(str(bundles))
    names = {label.id: label.name for label in function.spec.labels}
    context: Any = SimpleNamespace(conf_threshold=None, conv_mask_to_poly=False)
    found = []
    for path in files:
        with Image.open(path) as image:
            shapes = function.detect(context, image)
        found.append([(names[s.label_id], tuple(s.points), s.attributes[1].value) for s in shapes])
    assert_alike(found, expected)


@pytest.fixture
def task_id(server: CvatServer, files: list[Path], tmp_path: Path) -> int:
    """A task of the photographs in a project with the model's classes."""
    store = ImageStore(tmp_path / "store")
    stored = [store.write_image(path.read_bytes()) for path in files]
    photos = [Photograph(s.sha256, s.file_name, s.width, s.height, family=f"{n}") for n, s in enumerate(stored)]
    taxonomy = Taxonomy(categories=tuple(Category(name=name) for name in CLASSES))
    with connect(server.url, Credentials(server.user, server.password)) as client:
        project_id = push_project(client, f"native {uuid4().hex}", taxonomy)
        settings = CvatSettings(control_share=0)
        return push_task(client, project_id, photos, store, title="cars", subset="train", settings=settings)


def test_cvat_cli_annotates_a_task_without_nuclio(
    server: CvatServer, task_id: int, bundles: Path, expected: list[Seen]
) -> None:
    command = [sys.executable, "-m", "cvat_cli", "--server-host", server.url, "--auth", server.user]
    options = ["task", "auto-annotate", str(task_id), "--function-module", "nuclio_functions.native"]
    subprocess.run(
        [*command, *options, "-p", f"bundles=str:{bundles}"],
        check=True,
        env={**os.environ, "PASS": server.password},
    )
    with connect(server.url, Credentials(server.user, server.password)) as client:
        shapes = client.tasks.retrieve(task_id).get_annotations().shapes
    as_sent = [shape for shape in shapes if shape.frame < PHOTOS - 1]  # a turned one is encoded anew by the server
    assert len(as_sent) == sum(map(len, expected[:-1]))
    assert {value.value for shape in shapes for value in shape.attributes} >= {"damage_detector@7"}
