"""What CVAT sends and takes. The examples marked as CVAT's were sent to, or taken by, a running CVAT server."""

import base64
import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from datasets.crops import Crop
from nuclio_functions.contract import (
    MAX_CLICKS,
    MAX_REQUEST_BYTES,
    REPLIES,
    InteractorReply,
    InteractorRequest,
    Reply,
    Shape,
    TrackerReply,
    TrackerRequest,
    make_reply,
    parse_body,
    parse_request,
)
from nuclio_functions.errors import BadRequest
from nuclio_functions.masks import crop_mask, cvat_mask, to_points

IMAGE = base64.b64encode(b"image").decode()
TAKEN_BY_CVAT = [
    {"label": "scene", "confidence": "0.8", "type": "tag"},
    {
        "label": "car",
        "confidence": "0.9",
        "type": "rectangle",
        "points": [1, 2, 32.0, 24.0],
        "attributes": [{"name": "state", "value": "bad"}, {"name": "score", "value": "87"}],
    },
    {
        "label": "blob",
        "confidence": "0.5",
        "type": "mask",
        "points": [10, 10, 29, 10, 29, 19, 10, 19],
        "mask": [0, *[1] * 199, 10, 10, 29, 19],
    },
]


class Step(BaseModel):
    """A tracker's state."""

    step: int


def interactor(**body: Any) -> InteractorRequest:
    return parse_body(InteractorRequest, {"image": IMAGE, **body}, like="{}")


def tracker(**body: Any) -> TrackerRequest[Step]:
    return parse_body(TrackerRequest[Step], {"image": IMAGE, **body}, like="{}")


@pytest.mark.parametrize("reply", TAKEN_BY_CVAT, ids=lambda reply: reply["type"])
def test_what_cvat_takes_of_a_detector_can_be_said(reply: dict[str, Any]) -> None:
    (read,) = REPLIES.validate_python([reply])

    said = json.loads(json.dumps(read.model_dump(exclude_none=True, exclude_defaults=True)))

    assert said == reply


def test_a_mask_is_the_crop_that_holds_the_object() -> None:
    pixels = np.zeros((48, 64), bool)
    pixels[10:20, 10:30] = True
    pixels[10, 10] = False

    crop = crop_mask(pixels)

    assert crop is not None
    assert list(cvat_mask(crop)) == TAKEN_BY_CVAT[2]["mask"]
    assert crop_mask(np.zeros((4, 4))) is None


def test_an_outline_is_that_of_the_largest_part() -> None:
    pixels = np.zeros((20, 20), np.uint8)
    pixels[2:4, 2:4] = 1
    pixels[8:18, 6:16] = 1
    crop = crop_mask(pixels)

    assert crop is not None
    corners = np.array(to_points(crop))
    assert corners.min(axis=0) == pytest.approx([6, 8], abs=0.5)
    assert corners.max(axis=0) == pytest.approx([16, 18], abs=0.5)
    assert to_points(Crop(3, 3, np.ones((1, 1), bool))) == ()


def test_a_polygon_is_a_flat_list_rounded_to_a_hundredth_of_a_pixel() -> None:
    reply = make_reply("dent", "polygon", model="m@1", score=0.5, points=[0.001, 1, 2.345, 3, 4, 5])

    assert reply.points == (0.0, 1.0, 2.35, 3.0, 4.0, 5.0)
    assert "mask" not in reply.model_dump(exclude_none=True)


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), True, "0.5", -0.1, 1.1, 10**400, [], {}])
def test_a_threshold_is_a_number_between_0_and_1(threshold: Any) -> None:
    with pytest.raises(BadRequest, match=r"^threshold: "):
        parse_request({"image": IMAGE, "threshold": threshold})


@pytest.mark.parametrize("threshold", ["NaN", "1e999", "true", '"0.5"', "-1"])
def test_a_threshold_in_bytes_is_a_number_between_0_and_1(threshold: str) -> None:
    with pytest.raises(BadRequest, match=r"^threshold: "):
        parse_request(f'{{"image": "", "threshold": {threshold}}}'.encode())


def test_a_whole_number_or_none_is_a_threshold_too() -> None:
    assert parse_request({"image": IMAGE, "threshold": 1}).threshold == 1
    assert parse_request({"image": IMAGE, "threshold": None}).threshold is None


def test_base64_has_no_line_breaks_as_cvat_sends_none() -> None:
    with pytest.raises(BadRequest, match=r"^image: "):
        parse_request({"image": f"{IMAGE}\n"})


@pytest.mark.parametrize("body", [{"image": "A" * (MAX_REQUEST_BYTES + 4)}, b" " * (MAX_REQUEST_BYTES + 1)])
def test_more_than_nuclio_would_let_through_is_refused_unread(body: object) -> None:
    with pytest.raises(BadRequest, match=r"^the body: it has over \d+ bytes"):
        parse_request(body)


def test_a_refusal_never_repeats_the_body() -> None:
    with pytest.raises(BadRequest) as refusal:
        interactor(pos_points=[["secret", 2]], image="secret!")

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("box", [None, []])
def test_clicks_come_as_pairs_and_no_box_as_null_or_an_empty_list(box: Any) -> None:
    request = interactor(pos_points=[[1, 2], [3.5, 4]], neg_points=[], obj_bbox=box)

    assert request.pos_points == ((1, 2), (3.5, 4))
    assert (request.image, request.neg_points, request.obj_bbox) == (b"image", (), None)


def test_a_box_comes_as_two_corners() -> None:
    assert interactor(pos_points=[], neg_points=[], obj_bbox=[[1, 2], [3, 4]]).obj_bbox == ((1, 2), (3, 4))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"pos_points": [[1]]}, "pos_points.0.1"),
        ({"pos_points": [[1, 2, 3]]}, "pos_points.0"),
        ({"pos_points": [[1, "2"]]}, "pos_points.0.1"),
        ({"neg_points": [[float("nan"), 2]]}, "neg_points.0.0"),
        ({"pos_points": [[0, 1e9]]}, "pos_points.0.1"),
        ({"pos_points": [[1, 1]] * (MAX_CLICKS + 1)}, "pos_points"),
        ({"pos_points": {"x": 1}}, "pos_points"),
        ({"obj_bbox": [[1, 2]]}, "obj_bbox.1"),
        ({"obj_bbox": [1, 2, 3, 4]}, "obj_bbox"),
        ({"pos_points": [], "obj_bbox": None}, "the body"),
    ],
)
def test_clicks_that_are_none_are_refused_by_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest, match=rf"^{field}(\.\d)?: "):
        interactor(**body)


def test_an_interactors_reply_is_read_back_from_json() -> None:
    reply = InteractorReply(mask=np.eye(2), bounds=(3, 4, 4, 5), points=((3, 4), (4, 5), (3, 5)))

    told = {"mask": reply.mask.tolist(), "bounds": reply.bounds, "points": reply.points}
    again = InteractorReply.model_validate_json(json.dumps(told))

    assert again.mask.tolist() == [[1, 0], [0, 1]]
    assert (again.bounds, again.points) == (reply.bounds, reply.points)


def test_a_tracker_begins_with_shapes_and_goes_on_with_states() -> None:
    begun = tracker(shapes=[{"type": "polygon", "points": [0, 0, 9, 0, 9, 9]}], states=[])
    gone_on = tracker(shapes=[None, None], states=[{"step": 1}, {"step": 2}])

    assert begun.objects == [(Shape(type="polygon", points=(0, 0, 9, 0, 9, 9)), None)]
    assert gone_on.objects == [(None, Step(step=1)), (None, Step(step=2))]


def test_older_versions_of_cvat_send_bare_rectangles_and_get_them_back_bare() -> None:
    request = tracker(shapes=[[1, 2, 3, 4.006], {"type": "rectangle", "points": [1, 2, 3, 4]}], states=[{"step": 1}])

    reply = TrackerReply[Step](shapes=tuple(shape for shape, _ in request.objects if shape), states=())

    assert reply.model_dump()["shapes"] == ([1, 2, 3, 4.01], {"type": "rectangle", "points": [1, 2, 3, 4]})
    assert request.objects[0][1] == Step(step=1)
    assert request.objects[1][1] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"shapes": [None]}, "the body"),
        ({"shapes": [[1, 2, 3]]}, "shapes.0"),
        ({"shapes": [[1, 2, 3, True]]}, "shapes.0.points.3"),
        ({"shapes": [{"type": "mask", "points": [1, 2, 3, 4]}]}, "shapes.0.type"),
        ({"shapes": [{"type": "polygon", "points": [1, 2, 3, 4, 5]}]}, "shapes.0"),
        ({"shapes": "all"}, "shapes"),
        ({"states": [{"step": "x"}]}, "states.0.step"),
        ({"states": ["signed"]}, "states.0"),
        ({"states": {}}, "states"),
    ],
)
def test_shapes_and_states_that_are_none_are_refused_by_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest, match=f"^{field}: "):
        tracker(**body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from(["image", "threshold", "pos_points", "neg_points", "obj_bbox", "shapes", "states"])


@given(body=json_values | st.dictionaries(fields, json_values))
def test_whatever_comes_is_a_request_or_refused(body: Any) -> None:
    for model in (InteractorRequest, TrackerRequest[Step], Reply):
        with contextlib.suppress(BadRequest):
            parse_body(model, body, like="{}")
