"""Calls of a function for one frame: what is sent for each kind of function, and what goes back to the client."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
from itsdangerous import BadSignature, TimestampSigner
from pydantic import BaseModel

from cvat.embedded.errors import BadRequest, FunctionFailed
from cvat.embedded.functions.detections import read_detections
from cvat.embedded.functions.mapping import LabelChoice, Target
from cvat.embedded.functions.nuclio import Function, Nuclio

#: How long the state of a tracker can be used, as in CVAT.
STATE_LIFETIME = timedelta(hours=8)

#: The image of a frame in base64.
ReadImage = Callable[[int], str]


class OnlineCall(BaseModel):
    """A call as a client sends it; what is needed depends on the kind of function."""

    task: int | None = None
    job: int | None = None
    threshold: float | None = None
    mapping: dict[str, LabelChoice] = {}
    frame: int | None = None
    frame0: int | None = None
    frame1: int | None = None
    boxes0: list[Any] | None = None
    boxes1: list[Any] | None = None
    max_distance: float | None = None
    pos_points: list[Any] | None = None
    neg_points: list[Any] | None = None
    obj_bbox: list[Any] | None = None
    shapes: list[Any] = []
    states: list[str | None] = []

    @property
    def frames(self) -> list[int]:
        """The frames the call is about."""
        return [frame for frame in (self.frame, self.frame0, self.frame1) if frame is not None]


def call_function(
    nuclio: Nuclio,
    function: Function,
    call: OnlineCall,
    targets: Mapping[str, Target],
    *,
    read_image: ReadImage,
    secret: bytes,
) -> Any:
    """What a function answers to a call, in the task's names.

    Raises:
        BadRequest: the call lacks something, or the state of a tracker is not one that this server gave.
        FunctionFailed: the function did not answer as its kind has to.
    """
    payload = _payload(function, call, read_image, _signer(function, secret))
    answer = nuclio.invoke(function, payload)
    if function.kind == "detector":
        found = read_detections(answer, targets, function=function.id)
        return [item.model_dump(exclude_unset=True) for item in found]
    return _sealed(answer, function, _signer(function, secret)) if function.kind == "tracker" else answer


def detector_payload(image: str, threshold: float | None) -> dict[str, Any]:
    """What a detector is sent. A threshold of 0 is none, as in CVAT."""
    return {"image": image, "threshold": threshold} if threshold else {"image": image}


def _payload(function: Function, call: OnlineCall, read_image: ReadImage, signer: TimestampSigner) -> dict[str, Any]:
    def need(name: str) -> Any:
        value = getattr(call, name)
        if value is None:
            raise BadRequest(f"`{function.id}` lambda function was called without mandatory argument: {name}")
        return value

    def image(name: str) -> str:
        return read_image(need(name))

    threshold = {"threshold": call.threshold} if call.threshold else {}
    match function.kind:
        case "detector":
            return detector_payload(image("frame"), call.threshold)
        case "interactor":
            points = {"pos_points": need("pos_points"), "neg_points": need("neg_points"), "obj_bbox": call.obj_bbox}
            return {**threshold, "image": image("frame"), **points}
        case "reid":
            distance = {"max_distance": call.max_distance} if call.max_distance else {}
            boxes = {"boxes0": need("boxes0"), "boxes1": need("boxes1")}
            return {**threshold, "image0": image("frame0"), "image1": image("frame1"), **boxes, **distance}
        case "tracker":
            states = [_opened(state, signer) for state in call.states]
            return {**threshold, "image": image("frame"), "shapes": call.shapes, "states": states}


def _signer(function: Function, secret: bytes) -> TimestampSigner:
    return TimestampSigner(secret, salt=f"tracker-state:{function.id}")


def _opened(state: str | None, signer: TimestampSigner) -> Any:
    """A state as the function gave it. It was signed, so that functions read back nothing but what they wrote."""
    if state is None:
        return None
    try:
        return orjson.loads(signer.unsign(state, max_age=int(STATE_LIFETIME.total_seconds())))
    except BadSignature:
        raise BadRequest("Invalid or expired tracker state") from None


def _sealed(answer: Any, function: Function, signer: TimestampSigner) -> Any:
    if not isinstance(answer, dict) or not isinstance(answer.get("states"), list):
        raise FunctionFailed(500, f"{function.id} answered without a list of `states`, as a tracker has to")
    return {**answer, "states": [signer.sign(orjson.dumps(state)).decode() for state in answer["states"]]}
