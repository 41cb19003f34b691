"""The driver against Carloop's own functions, run by the host from their committed folders."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from nuclio_functions.contract import Reply
from nuclio_functions.driver import annotate_frame, annotate_frames, make_session
from nuclio_functions.errors import FunctionError

Publish = Callable[..., Path]
DETECTOR, CLASSIFIER = "carloop-damage-detector", "carloop-cleanliness-classifier"


def test_the_committed_functions_annotate_frames_and_follow_what_is_published(
    run_host: Callable[..., Any],
    publish_detector: Publish,
    publish_classifier: Publish,
    photo: bytes,
    session: requests.Session,
) -> None:
    publish_detector(version="3")
    publish_classifier()
    began = time.monotonic()
    host = run_host()
    took = time.monotonic() - began

    (rectangle,) = annotate_frame(host.functions[DETECTOR], photo, session=session)
    (tag,) = annotate_frame(host.functions[CLASSIFIER], photo, threshold=0.4, session=session)
    publish_detector(version="4")
    (swapped,) = annotate_frame(host.functions[DETECTOR], photo, session=session)

    assert (rectangle.label, rectangle.points) == ("dent", (44, 38, 84, 58))
    assert rectangle.values == {"model": "damage_detector@3", "confidence": "0.87"}
    assert (tag.label, tag.type, tag.points) == ("dirty", "tag", None)
    assert swapped.values["model"] == "damage_detector@4"
    assert took < 15


def test_the_committed_functions_leave_no_process_behind(
    run_host: Callable[..., Any], publish_detector: Publish, wait_until: Callable[..., Any]
) -> None:
    publish_detector()
    host = run_host()
    family = psutil.Process(host.process.pid).children(recursive=True)

    host.process.kill()
    host.process.wait()

    assert len(family) >= 4
    for process in family:
        wait_until(lambda process=process: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


ANSWERS = """
import base64, json
def handler(context, event):
    text = base64.b64decode(event.body["image"]).decode()
    if text == "fail":
        return context.Response(body="on purpose", status_code=500)
    if text == "die":
        raise SystemExit(1)
    if text == "nonsense":
        return context.Response(body='{"label": 1}', content_type="application/json")
    tag = {"label": text, "type": "tag", "attributes": [], "threshold": event.body.get("threshold")}
    return context.Response(body=json.dumps([tag]), content_type="application/json")
"""


@pytest.fixture
def url(run_host: Callable[..., Any], write_function: Publish) -> str:
    return run_host("--functions", write_function(ANSWERS)).echo


def frame(tmp_path: Path, text: str) -> tuple[str, Path]:
    path = tmp_path / f"{text}.jpg"
    path.write_text(text)
    return text, path


def test_a_bad_frame_is_told_in_its_place_and_the_rest_goes_on(
    url: str, tmp_path: Path, session: requests.Session
) -> None:
    names = ["a", "fail", "b", "nonsense", "c", "d", "e", "f"]
    frames = [*(frame(tmp_path, name) for name in names), ("missing", tmp_path / "missing.jpg")]

    results = list(annotate_frames([url, url], frames, session=session))

    assert [key for key, _ in results] == [*names, "missing"]
    said = {key: result if isinstance(result, FunctionError) else [r.label for r in result] for key, result in results}
    assert [said[name] for name in "abcdef"] == [[name, name] for name in "abcdef"]
    assert str(said["fail"]) == f"{tmp_path}/fail.jpg: {url} answered 500: on purpose"
    assert "answered no annotations" in str(said["nonsense"])
    assert "cannot be read: No such file" in str(said["missing"])


def test_a_worker_that_dies_is_asked_again_and_then_told(url: str) -> None:
    with make_session(retries=1) as session:
        with pytest.raises(FunctionError, match="answered 503"):
            annotate_frame(url, b"die", session=session)

        assert annotate_frame(url, b"fine", session=session) == [Reply(label="fine", type="tag")]


def test_a_function_that_is_not_there_is_one_sentence() -> None:
    with (
        make_session(retries=0) as session,
        pytest.raises(FunctionError, match=r"^http://127\.0\.0\.1:9 did not answer: .*is the function running\?$"),
    ):
        annotate_frame("http://127.0.0.1:9", b"", session=session)
