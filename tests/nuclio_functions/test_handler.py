import base64
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nuclio_functions.handler import PublishedModel, answer

LOG = logging.getLogger("test")
Publish = Callable[..., Path]


def request(content: bytes, **fields: Any) -> dict[str, Any]:
    return {"image": base64.b64encode(content).decode(), **fields}


def test_a_detection_is_a_rectangle_in_the_pictures_own_pixels(
    bundles: Path, publish_detector: Publish, photo: bytes
) -> None:
    publish_detector()
    model = PublishedModel(bundles, "damage_detector", LOG)

    status_code, replies = answer(model, request(photo), LOG)

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
    model = PublishedModel(bundles, "cleanliness_classifier", LOG)

    assert answer(model, request(photo), LOG)[1] == [
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
    detector = PublishedModel(bundles, "damage_detector", LOG)
    classifier = PublishedModel(bundles, "cleanliness_classifier", LOG)

    assert len(answer(detector, request(photo, threshold=0.8), LOG)[1]) == 1
    assert answer(detector, request(photo, threshold=0.9), LOG) == (200, [])
    assert answer(classifier, request(photo, threshold=0.95), LOG) == (200, [])


def test_a_body_that_nuclio_left_as_bytes_is_read_too(bundles: Path, publish_detector: Publish, photo: bytes) -> None:
    publish_detector()
    model = PublishedModel(bundles, "damage_detector", LOG)

    status_code, replies = answer(model, json.dumps(request(photo)).encode(), LOG)

    assert (status_code, len(replies)) == (200, 1)


def test_bytes_that_are_no_picture_have_no_annotations_and_are_logged(
    bundles: Path, publish_detector: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish_detector()
    model = PublishedModel(bundles, "damage_detector", LOG)

    assert answer(model, request(b"no picture"), LOG) == (200, [])
    assert "10 bytes" in caplog.text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"image": "not base64!"}, "image"),
        ({"image": 7}, "image"),
        ({}, "image"),
        ({"image": "", "threshold": 2}, "threshold"),
        ([], "the body"),
        (b"{", "the body"),
    ],
)
def test_a_malformed_request_is_400_and_says_what_is_wrong(
    bundles: Path, publish_detector: Publish, body: object, reason: str
) -> None:
    publish_detector()
    model = PublishedModel(bundles, "damage_detector", LOG)

    status_code, content = answer(model, body, LOG)

    assert status_code == 400
    assert content["error"].startswith(f"{reason}: ")


def test_without_a_published_model_the_answer_is_500_until_there_is_one(
    bundles: Path, publish_detector: Publish, photo: bytes
) -> None:
    model = PublishedModel(bundles, "damage_detector", LOG)

    status_code, content = answer(model, request(photo), LOG)
    publish_detector()

    assert status_code == 500
    assert content["error"].startswith("no damage_detector is published")
    assert answer(model, request(photo), LOG)[0] == 200


def test_a_newly_published_bundle_is_served_at_once(bundles: Path, publish_detector: Publish, photo: bytes) -> None:
    publish_detector(version="3", score=0.5)
    model = PublishedModel(bundles, "damage_detector", LOG)
    publish_detector(version="4", score=0.6)

    (reply,) = answer(model, request(photo), LOG)[1]

    assert (reply["attributes"][0]["value"], reply["confidence"]) == ("damage_detector@4", "0.60")


def test_a_tampered_bundle_is_told_once_and_the_one_before_it_served(
    bundles: Path, publish_detector: Publish, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    publish_detector(version="3")
    model = PublishedModel(bundles, "damage_detector", LOG)
    (publish_detector(version="4") / "model.onnx").write_bytes(b"another graph")

    served = [answer(model, request(photo), LOG)[1][0]["attributes"][0]["value"] for _ in range(2)]

    assert served == ["damage_detector@3"] * 2
    assert len(caplog.records) == 1
    assert "still serving damage_detector@3" in caplog.text


def test_the_unexpected_is_500_with_a_short_message_and_its_traceback_logged(
    bundles: Path,
    publish_detector: Publish,
    photo: bytes,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish_detector()
    model = PublishedModel(bundles, "damage_detector", LOG)
    monkeypatch.setattr(model, "require", lambda: 1 / 0)

    assert answer(model, request(photo), LOG) == (
        500,
        {"error": "ZeroDivisionError, which the function's log tells in full"},
    )
    assert "Traceback" in caplog.text
