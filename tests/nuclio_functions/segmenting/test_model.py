import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskGeneration, Sam2ImageProcessor, Sam2Processor, SamImageProcessor, SamProcessor

from nuclio_functions.contract import InteractorRequest
from nuclio_functions.errors import NoPublishedModel
from nuclio_functions.segmenting import model
from nuclio_functions.segmenting.model import Segmenter, load_segmenter
from training.predicting.pictures import decode_image

Mask = NDArray[np.bool_]
SIDE = 64


def request(content: bytes, **prompts: Any) -> InteractorRequest:
    return InteractorRequest(image=base64.b64encode(content).decode(), **prompts)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["sam", "sam2"])
def segmenter(request: pytest.FixtureRequest, weights: dict[str, Path]) -> Segmenter:
    return load_segmenter(weights[request.param])


@pytest.fixture(scope="module")
def picture(encode_picture: Callable[..., bytes]) -> bytes:
    return encode_picture(128, 96)


def test_a_click_gives_a_mask_of_the_pictures_size(segmenter: Segmenter, picture: bytes) -> None:
    mask = segmenter.segment(request(picture, pos_points=[[30, 40]]))

    assert mask.shape == (96, 128)
    assert 0 < mask.mean() < 1


def test_a_rotated_picture_is_answered_upright(segmenter: Segmenter, encode_picture: Callable[..., bytes]) -> None:
    mask = segmenter.segment(request(encode_picture(128, 96, orientation=6), pos_points=[[90, 120]]))

    assert mask.shape == (128, 96)


def test_a_click_beside_the_object_changes_the_mask(segmenter: Segmenter, picture: bytes) -> None:
    clicks = [[30, 40], [100, 80]]
    with_it = segmenter.segment(request(picture, pos_points=clicks))
    without = segmenter.segment(request(picture, pos_points=clicks[:1], neg_points=clicks[1:]))

    assert (with_it != without).any()


def test_a_box_alone_is_enough_and_its_corners_may_come_in_any_order(segmenter: Segmenter, picture: bytes) -> None:
    box = segmenter.segment(request(picture, obj_bbox=[[20, 10], [80, 70]]))
    turned = segmenter.segment(request(picture, obj_bbox=[[80, 70], [20, 10]]))
    clicked = segmenter.segment(request(picture, obj_bbox=[[20, 10], [80, 70]], pos_points=[[50, 40]]))

    assert box.shape == (96, 128)
    np.testing.assert_array_equal(box, turned)
    assert (box != clicked).any()


def test_what_lies_beside_the_picture_counts_as_its_edge(segmenter: Segmenter, picture: bytes) -> None:
    beside = segmenter.segment(request(picture, pos_points=[[-5, 500]]))

    np.testing.assert_array_equal(beside, segmenter.segment(request(picture, pos_points=[[0, 96]])))


def processed(segmenter: Segmenter, picture: bytes, points: Any, labels: Any) -> tuple[Any, Callable[[Any], Mask]]:
    """What the library's own processor makes of a picture and clicks, and how it makes a mask of the best output."""
    pixels = decode_image(picture)
    square = {"height": SIDE, "width": SIDE}
    if segmenter.architecture == "sam":
        processor = SamProcessor(SamImageProcessor(size={"longest_edge": SIDE}, pad_size=square))
    else:
        processor = Sam2Processor(Sam2ImageProcessor(size=square))
    inputs = processor(images=pixels, input_points=points, input_labels=labels, return_tensors="pt")
    sizes = {key: inputs.pop(key) for key in ("original_sizes", "reshaped_input_sizes") if key in inputs}

    def finish(logits: Any) -> Mask:
        mask: Mask = processor.image_processor.post_process_masks([logits], **sizes)[0][0, 0].numpy()
        return mask

    return inputs, finish


def test_the_mask_is_that_of_the_librarys_own_processor(
    segmenter: Segmenter, weights: dict[str, Path], picture: bytes
) -> None:
    whole = AutoModelForMaskGeneration.from_pretrained(weights[segmenter.architecture], local_files_only=True)
    inputs, finish = processed(segmenter, picture, [[[[30.0, 40.0], [100.0, 80.0]]]], [[[1, 0]]])
    inputs["input_points"] = inputs["input_points"].float()
    with torch.inference_mode():
        output = whole(**inputs, multimask_output=False)

    expected = finish(output.pred_masks[:, 0, :1])

    mask = segmenter.segment(request(picture, pos_points=[[30, 40]], neg_points=[[100, 80]]))
    assert (mask != expected).mean() < 0.005  # they round the scaled picture otherwise, by at most one grey value


def test_the_next_click_on_a_picture_takes_it_from_memory(
    segmenter: Segmenter, encode_picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []
    monkeypatch.setattr(model, "REMEMBERED_PICTURES", 2)
    monkeypatch.setattr(model, "decode_image", lambda content: decoded.append(content) or decode_image(content))
    one, two, three = (encode_picture(32, 32, seed=seed) for seed in (1, 2, 3))

    for content in (one, one, two, one, three, three, one, two):
        segmenter.segment(request(content, pos_points=[[3, 4]]))

    assert decoded == [one, two, three, two]


def test_weights_that_lack_a_tensor_are_refused_rather_than_made_up(weights: dict[str, Path], tmp_path: Path) -> None:
    tensors = load_file(weights["sam"] / "model.safetensors")
    tensors.pop("mask_decoder.iou_token.weight")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((weights["sam"] / "config.json").read_bytes())

    with pytest.raises(NoPublishedModel, match=r"lack 1 tensors, as mask_decoder\.iou_token\.weight; save them anew"):
        load_segmenter(tmp_path)


@pytest.mark.parametrize("config", ["{", '{"model_type": "bert"}', '{"model_type": "no-such"}', "{}"])
def test_a_folder_with_another_model_is_one_sentence(weights: dict[str, Path], tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").write_bytes((weights["sam"] / "model.safetensors").read_bytes())

    with pytest.raises(
        NoPublishedModel, match=rf"^{tmp_path} is no model of the SAM family \([^\n]+\); save one there$"
    ):
        load_segmenter(tmp_path)


def test_pickled_weights_are_never_opened(weights: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((weights["sam"] / "config.json").read_bytes())
    torch.save(load_file(weights["sam"] / "model.safetensors"), tmp_path / "pytorch_model.bin")

    with pytest.raises(NoPublishedModel, match="is no model of the SAM family"):
        load_segmenter(tmp_path)


def test_broken_weights_are_one_sentence(weights: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((weights["sam"] / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")

    with pytest.raises(NoPublishedModel, match="is no model of the SAM family"):
        load_segmenter(tmp_path)
