"""The committed segmenter as a worker of the host runs it, and with no weights in the host itself."""

import base64
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import values

import nuclio_functions
from cvat.embedded.functions.nuclio import Nuclio
from nuclio_functions.host.protocol import Call
from nuclio_functions.host.worker import answer, load_handler, make_context

COMMITTED = Path(nuclio_functions.__file__).parent
SEGMENTER, TRACKER = "carloop-damage-segmenter", "carloop-damage-tracker"
VARIABLE = "CARLOOP_SEGMENTER_WEIGHTS"

Post = Callable[[dict[str, Any]], tuple[int, Any]]


@pytest.fixture
def post(weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Post]:
    """What main.py answers to a JSON body, as the host's worker asks it."""
    monkeypatch.setenv(VARIABLE, str(weights["sam"]))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "metrics"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    context = make_context(0)
    handler = load_handler(COMMITTED / "damage_segmenter", "main:handler", context)

    def ask(body: dict[str, Any]) -> tuple[int, Any]:
        told = answer(handler, context, Call(json.dumps(body).encode(), content_type="application/json"))
        return told.status_code, json.loads(told.body)

    yield ask
    sys.modules.pop("main")


def test_clicks_and_boxes_as_cvat_sends_them_give_a_mask_as_cvat_draws_it(
    post: Post, encode_picture: Callable[..., bytes]
) -> None:
    image = base64.b64encode(encode_picture(128, 96)).decode()

    status_code, clicked = post({"image": image, "pos_points": [[30, 40]], "neg_points": [], "obj_bbox": []})
    _, boxed = post({"image": image, "pos_points": [], "neg_points": [], "obj_bbox": [[20, 10], [80, 70]]})

    assert status_code == 200
    for reply in (clicked, boxed):
        left, top, right, bottom = reply["bounds"]
        assert np.shape(reply["mask"]) == (bottom - top + 1, right - left + 1)
        assert np.shape(reply["points"])[1] == 2
    assert clicked != boxed


def test_a_call_that_says_nothing_of_where_is_400(post: Post) -> None:
    status_code, content = post({"image": "", "pos_points": [], "neg_points": [], "obj_bbox": None})

    assert status_code == 400
    assert content["error"].startswith("the body: neither a click nor a box says where the object is; send ")


def test_without_weights_cvat_is_not_told_of_it_and_the_log_says_why(
    run_host: Callable[..., Any], tmp_path: Path
) -> None:
    for name in ("damage_segmenter", "damage_tracker"):
        shutil.copytree(COMMITTED / name, tmp_path / "functions" / name)

    host = run_host("--functions", tmp_path / "functions", environment={VARIABLE: ""})

    nuclio = Nuclio(host.url)
    assert [function.id for function in nuclio.functions()] == [TRACKER]
    assert f"{SEGMENTER} is left out: {VARIABLE} is not set" in host.log.read_text()
