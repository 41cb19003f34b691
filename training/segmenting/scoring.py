"""What a segmenter finds, on the whole image's pixels."""

from collections.abc import Iterator, Mapping, Sequence

import cv2
import torch
from torch import Tensor, nn

from training.predicting.masks import trimmed
from training.predictors import Detection
from training.segmenting.outlined import Outlined

SURE = 0.5
"""What a pixel's share of a mask, and the score of an object that is shown, are above."""


def to_input(pictures: Sequence[Outlined], device: torch.device) -> list[Tensor]:
    """(3, h, w) floats in [0, 1] each."""
    return [torch.from_numpy(one.pixels).to(device).permute(2, 0, 1).float() / 255 for one in pictures]


@torch.inference_mode()
def find_objects(
    model: nn.Module, pictures: Sequence[Outlined], class_names: Sequence[str], *, batch: int
) -> Iterator[tuple[str, list[Detection]]]:
    """(SHA-256, objects with masks, best first) of each picture, in order; `class_names` are by label - 1."""
    model.eval()
    device = next(model.parameters()).device
    for start in range(0, len(pictures), batch):
        chosen = pictures[start : start + batch]
        for one, answer in zip(chosen, model(to_input(chosen, device)), strict=True):
            yield one.image.sha256, list(_detections(answer, one, class_names))


def _detections(answer: Mapping[str, Tensor], picture: Outlined, class_names: Sequence[str]) -> Iterator[Detection]:
    """What has no pixel is left out, as a YOLO's is."""
    columns = [answer[name].float().cpu() for name in ("labels", "scores", "masks", "boxes")]
    height, width = picture.size_hw
    gain = width / picture.pixels.shape[1], height / picture.pixels.shape[0]
    for label, score, mask, box in zip(*columns, strict=True):
        shown = cv2.resize(mask[0].numpy(), (width, height), interpolation=cv2.INTER_LINEAR) > SURE
        if shown.any():
            left, top, right, bottom = (box * torch.tensor(gain * 2)).tolist()
            crop = trimmed(0, 0, shown)
            yield Detection(class_names[int(label) - 1], (left, top, right, bottom), float(score), crop)
