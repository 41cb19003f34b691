"""Carloop's own functions, run by the host from their committed folders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.nuclio_functions.conftest import annotate_frame

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
    host = run_host()

    (rectangle,) = annotate_frame(host.functions[DETECTOR], photo, session=session)
    (tag,) = annotate_frame(host.functions[CLASSIFIER], photo, threshold=0.4, session=session)
    publish_detector(version="4")
    (swapped,) = annotate_frame(host.functions[DETECTOR], photo, session=session)

    assert (rectangle.label, rectangle.points) == ("dent", (44, 38, 84, 58))
    assert rectangle.values == {"model": "damage_detector@3", "confidence": "0.87"}
    assert (tag.label, tag.type, tag.points) == ("dirty", "tag", None)
    assert swapped.values["model"] == "damage_detector@4"


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
