import base64
import json
import logging
import math
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from nuclio_sdk import Context, Event
from onnx import TensorProto, helper, numpy_helper

from nuclio_functions.handler import answer, handle, init_model
from nuclio_functions.published import PublishedModel
from training.bundle import BundleSpec, publish, write_bundle
from training.bundle_stores import FolderOfBundles

ROOT = Path(__file__).parents[2]
LOG = logging.getLogger("test")
Publish = Callable[..., Path]
DETECTOR = BundleSpec(
    task="detector", model="damage_detector", version="3", class_names=("damaged door", "dent"), image_size=64
)


def constant_graph(path: Path, **outputs: np.ndarray) -> Path:
    """A graph for squares of 64 pixels that answers these outputs, whatever it is shown."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        *(helper.make_node("Add", ["nothing", f"{name}_value"], [name]) for name in outputs),
    ]
    constants = [
        numpy_helper.from_array(np.float32(0), "zero"),
        *(numpy_helper.from_array(value.astype(np.float32), f"{name}_value") for name, value in outputs.items()),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 64, 64])
    answers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in outputs.items()]
    graph = helper.make_graph(nodes, "constant", [images], answers, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def published(bundles: Path, model: str) -> PublishedModel:
    return PublishedModel(FolderOfBundles(bundles), model, LOG)


def request(content: bytes, **fields: Any) -> dict[str, Any]:
    return {"image": base64.b64encode(content).decode(), **fields}


def test_a_detection_is_a_rectangle_in_the_pictures_own_pixels(
    bundles: Path, publish_detector: Publish, photo: bytes
) -> None:
    publish_detector()
    model = published(bundles, "damage_detector")

    status_code, replies, _ = answer([model], request(photo), LOG)

    assert status_code == 200
    assert json.loads(json.dumps(replies)) == [
        {
            "label": "dent",
            "type": "rectangle",
            "points": [44, 38, 84, 58],
            "confidence": "0.87",
            "attributes": [
                {"name": "model", "value": "damage_detector@3"},
                {"name": "confidence", "value": "0.87"},
            ],
        }
    ]


def test_a_classification_is_a_tag(bundles: Path, publish_classifier: Publish, photo: bytes) -> None:
    publish_classifier()
    model = published(bundles, "cleanliness_classifier")

    assert answer([model], request(photo), LOG)[1] == [
        {
            "label": "dirty",
            "type": "tag",
            "confidence": "0.90",
            "attributes": (
                {"name": "model", "value": "cleanliness_classifier@1"},
                {"name": "confidence", "value": "0.90"},
            ),
        }
    ]


def test_the_requests_threshold_hides_what_scores_below_it(
    bundles: Path, publish_detector: Publish, publish_classifier: Publish, photo: bytes
) -> None:
    publish_detector()
    publish_classifier()
    detector = published(bundles, "damage_detector")
    classifier = published(bundles, "cleanliness_classifier")

    assert len(answer([detector], request(photo, threshold=0.8), LOG)[1]) == 1
    assert answer([detector], request(photo, threshold=0.9), LOG)[:2] == (200, [])
    assert answer([classifier], request(photo, threshold=0.95), LOG)[:2] == (200, [])


def test_a_class_may_have_its_own_threshold_and_the_requests_wins(bundles: Path, tmp_path: Path, photo: bytes) -> None:
    graph = constant_graph(
        tmp_path / "two.onnx", output=np.array([[[16, 48], [32, 32], [9, 9], [9, 9], [0.8, 0], [0, 0.8]]])
    )
    spec = DETECTOR.model_copy(update={"thresholds": {"dent": 0.9}})
    publish(bundles, "damage_detector", write_bundle(bundles, spec, graph))
    model = published(bundles, "damage_detector")

    assert [reply["label"] for reply in answer([model], request(photo), LOG)[1]] == ["damaged door"]
    assert len(answer([model], request(photo, threshold=0.5), LOG)[1]) == 2


@pytest.mark.parametrize(
    ("shape", "holes", "told"),
    [
        ("rectangle", False, "rectangle"),
        ("polygon", False, "polygon"),
        ("polygon", True, "mask"),
        ("mask", False, "mask"),
    ],
)
def test_a_segmented_object_is_told_as_the_bundles_shape_or_as_a_mask_where_a_polygon_cannot_hold_it(
    bundles: Path, tmp_path: Path, photo: bytes, shape: str, holes: bool, told: str
) -> None:
    anchors = np.array([[[32.0], [32.0], [32.0], [32.0], [0.01], [0.87], [1.0]]])
    prototypes = np.ones((1, 1, 16, 16))
    prototypes[..., 6:10, 6:10] = -1 if holes else 1
    graph = constant_graph(tmp_path / "segments.onnx", output=anchors, prototypes=prototypes)
    spec = DETECTOR.model_copy(update={"shape": shape})
    publish(bundles, "damage_detector", write_bundle(bundles, spec, graph))

    (reply,) = answer([published(bundles, "damage_detector")], request(photo), LOG)[1]

    assert reply["type"] == told
    xs, ys = reply["points"][::2], reply["points"][1::2]
    assert (min(xs), min(ys), max(xs), max(ys)) == pytest.approx((32, 16, 96, 80), abs=1)
    if told == "mask":
        *pixels, left, top, right, bottom = reply["mask"]
        assert (left, top, right, bottom) == (32, 16, 95, 79)
        assert sum(pixels) == pytest.approx(64 * 64 - (32 * 32 if holes else 0), rel=0.05)
    else:
        assert "mask" not in reply


def test_a_body_that_nuclio_left_as_bytes_is_read_too(bundles: Path, publish_detector: Publish, photo: bytes) -> None:
    publish_detector()
    model = published(bundles, "damage_detector")

    status_code, replies, _ = answer([model], json.dumps(request(photo)).encode(), LOG)

    assert (status_code, len(replies)) == (200, 1)


def test_bytes_that_are_no_picture_have_no_annotations_and_are_logged(
    bundles: Path, publish_detector: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish_detector()
    model = published(bundles, "damage_detector")

    assert answer([model], request(b"no picture"), LOG)[:2] == (200, [])
    assert "10 bytes" in caplog.text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"image": "not base64!"}, "image"),
        ({"image": 7}, "image"),
        ({}, "image"),
        ({"image": "", "threshold": 2}, "threshold"),
        ({"image": "", "threshold": -0.1}, "threshold"),
        ({"image": "", "threshold": math.nan}, "threshold"),
        ({"image": "", "threshold": math.inf}, "threshold"),
        ({"image": "", "threshold": "0.5"}, "threshold"),
        ({"image": "", "threshold": [0.5]}, "threshold"),
        (b'{"image": "", "threshold": NaN}', "threshold"),
        ({"image": ["a"]}, "image"),
        ({"image": None}, "image"),
        (None, "the body"),
        ("text", "the body"),
        (7, "the body"),
        (b"\xff\xfe", "the body"),
        (b"[" * 100_000, "the body"),
        ({"image": "A" * 40_000_000}, "the body"),
        (b" " * 40_000_000, "the body"),
        ([], "the body"),
        (b"{", "the body"),
    ],
)
def test_a_malformed_request_is_400_and_says_what_is_wrong(
    bundles: Path, publish_detector: Publish, body: object, reason: str
) -> None:
    publish_detector()
    model = published(bundles, "damage_detector")

    status_code, content, _ = answer([model], body, LOG)

    assert status_code == 400
    assert content["error"].startswith(f"{reason}: ")
    assert len(content["error"]) < 300


def test_without_a_published_model_the_answer_is_500_until_there_is_one(
    bundles: Path, publish_detector: Publish, photo: bytes
) -> None:
    model = published(bundles, "damage_detector")

    status_code, content, _ = answer([model], request(photo), LOG)
    publish_detector()

    assert status_code == 500
    assert content["error"].startswith("no damage_detector is published")
    assert answer([model], request(photo), LOG)[0] == 200


def test_the_unexpected_is_500_with_a_short_message_and_its_traceback_logged(
    bundles: Path,
    publish_detector: Publish,
    photo: bytes,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish_detector()
    model = published(bundles, "damage_detector")
    monkeypatch.setattr(model, "find_newest", lambda: 1 / 0)

    told = {"error": "ZeroDivisionError, which the function's log tells in full"}
    assert answer([model], request(photo), LOG) == (500, told, {})
    assert "Traceback" in caplog.text


def test_a_reply_names_the_model_even_when_it_is_empty(bundles: Path, publish_detector: Publish, photo: bytes) -> None:
    publish_detector()

    _, replies, headers = answer([published(bundles, "damage_detector")], request(photo, threshold=0.9), LOG)

    assert replies == []
    assert headers == {"x-carloop-model": "damage_detector@3"}


def started(bundles: Path, *models: str) -> Any:
    """Nuclio's context after `init_context`."""
    context = Context(LOG)
    init_model(context, str(bundles), *models)
    return context


def called(context: Any, **event: Any) -> tuple[int, Any]:
    response = handle(context, Event(**event))
    assert response.content_type == "application/json"
    return response.status_code, json.loads(response.body)


BOTH = ("damage_detector", "cleanliness_classifier")


def test_both_models_answer_one_request(
    bundles: Path, publish_detector: Publish, publish_classifier: Publish, photo: bytes
) -> None:
    publish_detector()
    publish_classifier()

    status_code, replies = called(started(bundles, *BOTH), method="POST", path="/", body=request(photo))

    assert status_code == 200
    assert [(reply["type"], reply["label"]) for reply in replies] == [("rectangle", "dent"), ("tag", "dirty")]
    assert [reply["attributes"][0]["value"] for reply in replies] == ["damage_detector@3", "cleanliness_classifier@1"]


def test_one_of_two_models_answers_alone_and_the_other_is_told_missing(
    bundles: Path, publish_classifier: Publish, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    publish_classifier()
    context = started(bundles, *BOTH)

    answers = [called(context, method="POST", path="/", body=request(photo)) for _ in range(2)]

    assert [[reply["label"] for reply in replies] for _, replies in answers] == [["dirty"], ["dirty"]]
    assert caplog.text.count("no damage_detector is published") == 1


def test_none_of_two_models_is_500_with_a_sentence(bundles: Path, photo: bytes) -> None:
    status_code, content = called(started(bundles, *BOTH), method="POST", path="/", body=request(photo))

    assert status_code == 500
    assert "no damage_detector is published" in content["error"]
    assert "no cleanliness_classifier is published" in content["error"]


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_health_is_what_is_served(
    bundles: Path, publish_detector: Publish, publish_classifier: Publish, path: str
) -> None:
    detector, classifier = publish_detector(), publish_classifier()

    assert called(started(bundles, BOTH[0]), method="GET", path=path) == (
        200,
        {"model": "damage_detector@3", "bundle": detector.name},
    )
    assert called(started(bundles, *BOTH), method="GET", path=path) == (
        200,
        {
            "model": "damage_detector@3, cleanliness_classifier@1",
            "bundle": f"{detector.name}, {classifier.name}",
        },
    )


def test_health_is_503_when_nothing_can_be_served_and_404_elsewhere(bundles: Path) -> None:
    context = started(bundles, BOTH[0])

    status_code, content = called(context, method="GET", path="/healthz")

    assert (status_code, content["error"][:28]) == (503, "no damage_detector is publis")
    assert called(context, method="GET", path="/other")[0] == 404


@pytest.mark.parametrize(
    ("folder", "labels"),
    [("damage_detector", ["dent"]), ("cleanliness_classifier", ["dirty"]), ("car_condition", ["dent", "dirty"])],
)
def test_each_functions_folder_serves_its_models(
    bundles: Path,
    publish_detector: Publish,
    publish_classifier: Publish,
    photo: bytes,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    labels: list[str],
) -> None:
    publish_detector()
    publish_classifier()
    monkeypatch.setenv("CARLOOP_BUNDLES", f"file://{bundles}")
    monkeypatch.setenv("CARLOOP_BUNDLES_CACHE", str(bundles / "cache"))
    main = runpy.run_path(str(ROOT / "nuclio_functions" / folder / "main.py"))
    context = Context(LOG)

    main["init_context"](context)
    response = main["handler"](context, Event(method="POST", path="/", body=request(photo)))

    assert response.status_code == 200
    assert [reply["label"] for reply in json.loads(response.body)] == labels


def test_a_process_that_predicts_has_none_of_the_training_stack(
    bundles: Path, publish_detector: Publish, publish_classifier: Publish, photo: bytes, tmp_path: Path
) -> None:
    publish_detector()
    publish_classifier()
    (tmp_path / "photo.jpg").write_bytes(photo)
    code = f"""
import base64, logging, sys
from pathlib import Path
from nuclio_sdk import Context, Event
from nuclio_functions.handler import handle, init_model
context = Context(logging.getLogger())
init_model(context, {str(bundles)!r}, *{BOTH!r})
image = base64.b64encode(Path({str(tmp_path / "photo.jpg")!r}).read_bytes()).decode()
assert handle(context, Event(method="POST", path="/", body={{"image": image}})).body.count("label") == 2
print(*{{"mlflow", "torch", "ultralytics", "timm", "torchvision", "transformers", "onnx"}} & set(sys.modules))
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)

    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
