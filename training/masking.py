"""A YOLO's loss under partial labels: at each anchor, classes unknown on its source image count for nothing.

Ultralytics moves a semantic mask with each picture through mosaic, affine and flip; ours says which group of known
classes (`training.known`) each pixel comes from. Where mixup blends two images, what both know is known.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from ultralytics.data.augment import Compose, Format, MixUp
from ultralytics.utils.loss import v8DetectionLoss, v8SegmentationLoss

from training.known import KnownClasses

STEP = 4
"""Pixels between samples of the map that a batch carries: half a cell of the finest head, for anchors' middles."""
KEY = "known_groups"


class BlendedKnown(MixUp):  # type: ignore[misc]
    """Ultralytics' MixUp, with what both images know."""

    def __init__(self, mixup: Any, known: KnownClasses) -> None:
        super().__init__(mixup.dataset, pre_transform=mixup.pre_transform, p=mixup.p)
        self.known = known

    def apply_semantic(self, labels: dict[str, Any], params: dict[str, Any] | None = None) -> dict[str, Any]:
        other = labels["mix_labels"][0]["semantic_mask"]
        labels["semantic_mask"] = self.known.both[labels["semantic_mask"], other]
        return labels


class KnownFormat:
    """Ultralytics' Format, which leaves every STEPth pixel of the map beside the picture as KEY, (H / 4, W / 4)."""

    def __init__(self, formatting: Format) -> None:
        self.formatting = formatting

    def __call__(self, labels: dict[str, Any]) -> dict[str, Any]:
        groups = labels.pop("semantic_mask")
        formatted: dict[str, Any] = self.formatting(labels)
        formatted[KEY] = torch.from_numpy(np.ascontiguousarray(groups[::STEP, ::STEP]))
        return formatted


def with_known(transforms: Compose, known: KnownClasses) -> Compose:
    """Training transforms that carry the map along."""
    carried = [BlendedKnown(one, known) if type(one) is MixUp else one for one in transforms.transforms]
    return Compose([*carried[:-1], KnownFormat(carried[-1])])


class MaskedBce(nn.Module):
    """Binary cross entropy by anchor and class, (B, A, classes), nought where `known` is false and nothing is found."""

    known: Tensor

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        loss = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return loss * (self.known | (targets > 0))


def mask_loss(model: Any, known: KnownClasses, device: torch.device) -> None:
    """From now on `model` learns from batches that carry KEY, and leaves out what is unknown."""
    criterion = model.init_criterion()
    kind = {v8DetectionLoss: MaskedDetectionLoss, v8SegmentationLoss: MaskedSegmentationLoss}[type(criterion)]
    model.criterion = kind(model)
    model.criterion.bce = MaskedBce()
    model.criterion.table = torch.from_numpy(known.table).to(device)


class _Masked(v8DetectionLoss):  # type: ignore[misc]
    table: Tensor

    def get_assigned_targets_and_loss(self, preds: dict[str, Any], batch: dict[str, Any], **more: Any) -> Any:
        strides = [int(stride) for stride in self.stride]
        self.bce.known = self.table[anchor_groups(batch[KEY].to(self.device), strides).long()]
        return super().get_assigned_targets_and_loss(preds, batch, **more)


class MaskedDetectionLoss(_Masked): ...


class MaskedSegmentationLoss(_Masked, v8SegmentationLoss):  # type: ignore[misc]
    ...


def anchor_groups(groups: Tensor, strides: list[int]) -> Tensor:
    """The group at each anchor's middle, (B, A), from maps (B, H / 4, W / 4), in the order of YOLO's anchors."""
    steps = [stride // STEP for stride in strides]
    return torch.cat([groups[:, step // 2 :: step, step // 2 :: step].flatten(1) for step in steps], dim=1)
