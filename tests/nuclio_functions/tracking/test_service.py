import base64
import json
import logging
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from nuclio_functions.interactive import handle, start
from nuclio_functions.metrics import FunctionMetrics
from nuclio_functions.tracking.service import TrackingService

LOG = logging.getLogger("test")


@pytest.fixture
def call() -> Callable[..., tuple[int, Any]]:
    """The status and the content that the function's handler answers."""
    context = SimpleNamespace(
        user_data=SimpleNamespace(), logger=LOG, Response=lambda **response: SimpleNamespace(**response)
    )
    start(context, TrackingService(), FunctionMetrics(None))

    def post(body: Any = None, *, method: str = "POST", path: str = "/") -> tuple[int, Any]:
        response = handle(context, SimpleNamespace(method=method, path=path, body=body))
        is_json = response.content_type == "application/json"
        return response.status_code, json.loads(response.body) if is_json else response.body

    return post


def body(content: bytes, **fields: Any) -> dict[str, Any]:
    return {"image": base64.b64encode(content).decode(), **fields}


def test_several_shapes_are_followed_by_one_request_each_in_its_own_form(
    call: Callable[..., Any], film: Callable[[str], Sequence[Any]], encode: Callable[..., bytes]
) -> None:
    first, second, *_ = film("moves")
    left, top, right, bottom = first.bbox
    drawn = [{"type": "polygon", "points": first.corners.ravel().tolist()}, [left, top, right, bottom]]

    _, begun = call(body(encode(first.picture), shapes=drawn, states=[]))
    status_code, followed = call(
        orjson.dumps(body(encode(second.picture), shapes=[None, None], states=begun["states"]))
    )

    assert (status_code, len(begun["states"]), len(followed["states"])) == (200, 2, 2)
    assert begun["shapes"] == drawn
    polygon, rectangle = followed["shapes"]
    assert polygon["type"] == "polygon"
    assert polygon["points"] == pytest.approx(second.corners.ravel().tolist(), abs=0.5)
    assert rectangle == pytest.approx(list(second.bbox), abs=0.5)


def test_no_shapes_are_no_shapes(call: Callable[..., Any], encode: Callable[..., bytes], film: Any) -> None:
    assert call(body(encode(film("moves")[0].picture), shapes=[], states=[])) == (200, {"shapes": [], "states": []})


def test_a_broken_state_is_400_and_names_the_field(call: Callable[..., Any]) -> None:
    status_code, content = call(body(b"", shapes=[None], states=[{"mean": "x"}]))

    assert status_code == 400
    assert content["error"].startswith("states.0.shape: Field required; send ")


def test_on_a_picture_that_cannot_be_decoded_everything_stays_where_it_was(
    call: Callable[..., Any], film: Any, encode: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    _, begun = call(body(encode(film("moves")[0].picture), shapes=[[10, 20, 60, 70]], states=[]))

    assert call(body(b"no picture", shapes=[None], states=begun["states"])) == (200, begun)
    assert "10 bytes are no picture" in caplog.text
    status_code, content = call(body(b"no picture", shapes=[[10, 20, 60, 70]]))
    assert status_code == 400
    assert "10 bytes are no picture" in content["error"]


def test_an_unforeseen_fault_is_a_short_500_and_logged_in_full(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(TrackingService, "answer", lambda *_: 1 / 0)

    assert call({}) == (500, {"error": "ZeroDivisionError, which the function's log tells in full"})
    assert "Traceback" in caplog.text


def test_health_and_metrics_are_told_at_their_paths(call: Callable[..., Any]) -> None:
    assert call(method="GET", path="/healthz") == (200, {"model": "damage_tracker"})
    assert call(method="GET", path="/other")[0] == 404
    call({})
    status_code, text = call(method="GET", path="/metrics")
    assert status_code == 200
    assert 'carloop_function_requests_total{outcome="bad_request"} 1.0' in text
