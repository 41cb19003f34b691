"""What a segmenter finds, and its mask mAP by COCO's definitions (https://cocodataset.org/#detection-eval)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor, nn

from training.segmenting.outlined import CocoRle, Outlined

_SURE = 0.5


@dataclass(frozen=True)
class Found:
    """One object: its label (from 1), score in [0, 1], and mask on the whole image."""

    label: int
    score: float
    mask: CocoRle


@dataclass(frozen=True)
class MaskScores:
    """Mask mAP in [0, 1]; None, or no entry in `by_class` (AP at IoU 0.5), where the truth has no object."""

    map50: float | None
    map50_95: float | None
    by_class: Mapping[str, float]


def to_input(pictures: Sequence[Outlined], device: torch.device) -> list[Tensor]:
    """(3, h, w) floats in [0, 1] each."""
    return [torch.from_numpy(one.pixels).to(device).permute(2, 0, 1).float() / 255 for one in pictures]


@torch.inference_mode()
def find_objects(model: nn.Module, pictures: Sequence[Outlined], *, batch: int) -> Iterator[list[Found]]:
    """The objects on each picture, in order, best first."""
    model.eval()
    device = next(model.parameters()).device
    for start in range(0, len(pictures), batch):
        chosen = pictures[start : start + batch]
        for one, answer in zip(chosen, model(to_input(chosen, device)), strict=True):
            columns = (answer[name].cpu() for name in ("labels", "scores", "masks"))
            yield [_found(label, score, mask, one) for label, score, mask in zip(*columns, strict=True)]


def _found(label: Tensor, score: Tensor, mask: Tensor, picture: Outlined) -> Found:
    height, width = picture.size_hw
    whole = cv2.resize(mask[0].float().numpy(), (width, height), interpolation=cv2.INTER_LINEAR) > _SURE
    return Found(int(label), float(score), coco_mask.encode(np.asfortranarray(whole, np.uint8)))


def score_masks(
    pictures: Sequence[Outlined], found: Sequence[Sequence[Found]], class_names: Sequence[str]
) -> MaskScores:
    """COCO's mask mAP over the classes that the pictures have objects of, at most 100 detections an image."""
    truth = to_truth(pictures, class_names)
    if not truth["annotations"]:
        return MaskScores(None, None, {})
    precision = _precision(truth, to_results(found))
    known = {name: precision[:, :, k] for k, name in enumerate(class_names) if precision[0, 0, k] > -1}
    return MaskScores(
        map50=float(np.mean([curve[0].mean() for curve in known.values()])),
        map50_95=float(np.mean([curve.mean() for curve in known.values()])),
        by_class={name: float(curve[0].mean()) for name, curve in known.items()},
    )


def to_truth(pictures: Sequence[Outlined], class_names: Sequence[str]) -> dict[str, Any]:
    """The pictures' objects as COCO's ground truth; image ids count from 1."""
    objects = [
        (number, label, rle)
        for number, one in enumerate(pictures, start=1)
        for label, rle in zip(one.labels, one.masks, strict=True)
    ]
    return {
        "images": [
            {"id": number, "file_name": one.image.file_name, "height": one.size_hw[0], "width": one.size_hw[1]}
            for number, one in enumerate(pictures, start=1)
        ],
        "categories": [{"id": label, "name": name} for label, name in enumerate(class_names, start=1)],
        "annotations": [
            {"id": number, "image_id": image_id, "category_id": label, "iscrowd": 0, **_shape(rle)}
            for number, (image_id, label, rle) in enumerate(objects, start=1)
        ],
    }


def to_results(found: Sequence[Sequence[Found]]) -> list[dict[str, Any]]:
    """COCO's results, for pictures in the order of `to_truth`."""
    return [
        {"image_id": number, "category_id": one.label, "score": one.score, **_shape(one.mask)}
        for number, objects in enumerate(found, start=1)
        for one in objects
    ]


def _shape(rle: CocoRle) -> dict[str, Any]:
    return {
        "segmentation": {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")},
        "area": float(coco_mask.area(rle)),
        "bbox": coco_mask.toBbox(rle).tolist(),
    }


def _precision(truth: dict[str, Any], results: list[dict[str, Any]]) -> Any:
    """(10 IoUs from 0.50, 101 recalls, classes); -1 for a class without truth."""
    from faster_coco_eval import COCO, COCOeval_faster

    coco = COCO(truth)
    evaluation = COCOeval_faster(coco, coco.loadRes(results), "segm", print_function=lambda *_: None)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, -1]
