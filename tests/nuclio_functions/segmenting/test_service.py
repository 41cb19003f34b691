import base64
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nuclio_functions.contract import InteractorReply
from nuclio_functions.errors import NoPublishedModel
from nuclio_functions.segmenting.service import SegmentingService

LOG = logging.getLogger("test")
VARIABLE = "CARLOOP_SEGMENTER_WEIGHTS"


@pytest.fixture(scope="module")
def service(weights: dict[str, Path]) -> SegmentingService:
    return SegmentingService({VARIABLE: str(weights["sam"])}, LOG)


def body(content: bytes, **prompts: Any) -> dict[str, Any]:
    return {"image": base64.b64encode(content).decode(), "neg_points": [], "obj_bbox": [], **prompts}


def test_the_mask_lies_at_its_bounds_on_the_upright_picture(
    service: SegmentingService, encode_picture: Callable[..., bytes]
) -> None:
    content = encode_picture(128, 96, orientation=6)

    reply = service.answer(body(content, pos_points=[[30, 40]]), LOG)

    left, top, right, bottom = reply.bounds
    assert 0 <= left <= right < 96
    assert 0 <= top <= bottom < 128
    assert reply.mask.shape == (bottom - top + 1, right - left + 1)
    assert np.unique(reply.mask).tolist() == [0, 1]
    assert reply.mask.any(axis=1)[[0, -1]].all()
    assert len(reply.points) > 2
    assert np.array(reply.points).min(axis=0).tolist() >= [left, top]


def test_nothing_is_found_on_bytes_that_are_no_picture(
    service: SegmentingService, caplog: pytest.LogCaptureFixture
) -> None:
    reply = service.answer(body(b"no picture", pos_points=[[1, 2]]), LOG)

    assert (reply.mask.tolist(), reply.points) == ([[0]], ())
    assert "10 bytes are no picture" in caplog.text


def test_what_is_served_is_told(service: SegmentingService) -> None:
    assert service.describe() == {"model": "damage_segmenter", "architecture": "sam"}


@pytest.mark.parametrize("env", [{}, {VARIABLE: "/nowhere"}])
def test_without_weights_it_starts_says_so_and_answers_nothing(
    env: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    service = SegmentingService(env, LOG)

    assert VARIABLE in caplog.text
    with pytest.raises(NoPublishedModel, match=VARIABLE):
        service.answer(body(b"", pos_points=[[1, 2]]), LOG)
    with pytest.raises(NoPublishedModel, match=VARIABLE):
        service.describe()


def test_weights_of_another_model_are_told_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.safetensors").touch()

    service = SegmentingService({VARIABLE: str(tmp_path)}, LOG)

    assert "is no model of the SAM family" in caplog.text
    with pytest.raises(NoPublishedModel, match="is no model of the SAM family"):
        service.describe()


def test_a_reply_without_an_object_is_read_as_one() -> None:
    assert InteractorReply(mask=[[0]], bounds=(0, 0, 0, 0), points=()).mask.dtype == np.uint8
