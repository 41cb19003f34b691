"""Train torchvision's Mask R-CNN to outline objects. Boxes are xyxy pixels of the scaled picture.

It trains in the process that calls it, and leaves safetensors; there is no ONNX graph, for nothing serves it.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from datasets.files import MANIFEST, new_folder, write_json
from training.bundle import file_sha256
from training.checkpoints import (
    optimizer_groups,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from training.devices import has_fast_bfloat16, seed_epoch, training_device
from training.errors import TrainingFailed
from training.jobs import HISTORY_FILE, WEIGHTS_FILE, OnEpoch
from training.outputs import History, write_weights
from training.segmenting.outlined import Outlined
from training.segmenting.scoring import find_objects, score_masks, to_input
from training.settings import SegmenterSettings

SETTINGS_FILE = "settings.json"
_STEEPEST = 10.0
_ANCHORS_AT_800 = (32, 64, 128, 256, 512)


@dataclass
class _Best:
    epoch: int = 0
    map50_95: float = -1.0
    weights: dict[str, Tensor] | None = None


def make_segmenter(settings: SegmenterSettings, *, classes: int) -> nn.Module:
    """A Mask R-CNN that tells that many classes apart. Anchors are as large on a picture as torchvision's on 800 px."""
    backbone = resnet_fpn_backbone(
        backbone_name=settings.backbone, weights=None, norm_layer=partial(nn.GroupNorm, 32), trainable_layers=5
    )
    sizes = tuple((max(4, round(side * settings.image_size / 800)),) for side in _ANCHORS_AT_800)
    model: nn.Module = MaskRCNN(
        backbone,
        num_classes=classes + 1,
        min_size=settings.image_size,
        max_size=settings.image_size,
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes)),
        rpn_pre_nms_top_n_train=2 * settings.proposals,
        rpn_pre_nms_top_n_test=settings.proposals,
        rpn_post_nms_top_n_train=settings.proposals,
        rpn_post_nms_top_n_test=settings.proposals,
        box_batch_size_per_image=min(512, settings.proposals),
    )
    return model


def read_segmenter(training: Path, settings: SegmenterSettings, *, classes: int) -> nn.Module:
    """The network that `train_segmenter` left in a folder."""
    model = make_segmenter(settings, classes=classes)
    model.load_state_dict(load_file(training / WEIGHTS_FILE))
    return model.to(training_device()).eval()


def train_segmenter(
    train: Sequence[Outlined],
    val: Sequence[Outlined],
    settings: SegmenterSettings,
    *,
    class_names: Sequence[str],
    seed: int,
    out: Path,
    checkpoints: Path | None,
    on_epoch: OnEpoch,
) -> None:
    """Fill `out` with weights, history and settings; a training that was killed goes on from `checkpoints`.

    Kept are the weights of the epoch with the best val mask mAP, without a val part the last one's. Raises
    TrainingFailed when the loss is no number any more.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    seed_epoch(seed=seed, epoch=0)
    model = make_segmenter(settings, classes=len(class_names)).to(training_device())
    fitting = _Fitting(model, train, val, settings, class_names, seed)
    history = fitting.run(checkpoints, on_epoch)
    with new_folder(out) as folder:
        write_weights(model, folder / WEIGHTS_FILE)
        write_json(folder / HISTORY_FILE, history)
        write_json(folder / SETTINGS_FILE, {"classes": list(class_names), **settings.model_dump(mode="json")})
        write_json(folder / MANIFEST, {"files": {path.name: file_sha256(path) for path in sorted(folder.iterdir())}})


class _Fitting:
    """One training of `model`, in place; everything random in an epoch follows from the seed and its number."""

    def __init__(
        self,
        model: nn.Module,
        train: Sequence[Outlined],
        val: Sequence[Outlined],
        settings: SegmenterSettings,
        class_names: Sequence[str],
        seed: int,
    ) -> None:
        self.model, self.train, self.val, self.settings = model, train, val, settings
        self.class_names, self.seed = class_names, seed
        self.device = next(model.parameters()).device
        self.history: History = []
        self.best = _Best()
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        steps = settings.epochs * math.ceil(len(train) / settings.batch)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=settings.learning_rate, total_steps=steps
        )

    def run(self, checkpoints: Path | None, on_epoch: OnEpoch) -> History:
        settings = self.settings
        if checkpoints:
            self._restore(checkpoints)
        saved = time.monotonic()
        for epoch in range(len(self.history) + 1, settings.epochs + 1):
            if settings.patience and self.best.epoch and len(self.history) - self.best.epoch >= settings.patience:
                break
            row = self._epoch(epoch)
            self.history.append(row)
            on_epoch(epoch, settings.epochs, {name: value for name, value in row.items() if name != "epoch"})
            is_due = epoch < settings.epochs and time.monotonic() - saved >= settings.checkpoint_seconds
            if checkpoints and is_due:
                self._save(checkpoints)
                saved = time.monotonic()
        if self.best.weights:
            self.model.load_state_dict(self.best.weights)
        return self.history

    def _epoch(self, epoch: int) -> dict[str, float]:
        seed_epoch(seed=self.seed, epoch=epoch)
        self.model.train()
        batches = torch.split(torch.randperm(len(self.train)), self.settings.batch)
        losses = [self._step([self.train[int(number)] for number in chosen]) for chosen in batches]
        row = {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}
        if not math.isfinite(row["loss"]):
            raise TrainingFailed(f"the loss of epoch {epoch} is {row['loss']}; lower learning_rate")
        return {"epoch": epoch, **row, **self._validate(epoch)}

    def _step(self, pictures: Sequence[Outlined]) -> dict[str, float]:
        images = to_input(pictures, self.device)
        targets = [{name: value.to(self.device) for name, value in one.target().items()} for one in pictures]
        for number in range(len(images)):
            if torch.rand(()) < self.settings.flip:
                images[number], targets[number] = _mirrored(images[number], targets[number])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=has_fast_bfloat16(self.device)):
            parts: dict[str, Tensor] = self.model(images, targets)
        loss = torch.stack([part.float() for part in parts.values()]).sum()
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), _STEEPEST)
        self.optimizer.step()
        self.schedule.step()
        named = {name.removeprefix("loss_") + "_loss": float(part.detach()) for name, part in parts.items()}
        return {"loss": float(loss.detach()), **named}

    def _validate(self, epoch: int) -> dict[str, float]:
        if not self.val:
            return {}
        found = list(find_objects(self.model, self.val, batch=self.settings.batch))
        scores = score_masks(self.val, found, self.class_names)
        if scores.map50_95 is None or scores.map50 is None:
            return {}
        if scores.map50_95 > self.best.map50_95:
            weights = {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}
            self.best = _Best(epoch, scores.map50_95, weights)
        return {"val_map50": scores.map50, "val_map50_95": scores.map50_95}

    def _save(self, folder: Path) -> None:
        write_checkpoint(
            folder,
            epoch=len(self.history),
            parts={
                "model": self.model.state_dict(),
                "best": self.best.weights or {},
                "optimizer": optimizer_tensors(self.optimizer),
            },
            state={
                "history": self.history,
                "best": [self.best.epoch, self.best.map50_95],
                "groups": optimizer_groups(self.optimizer),
                "steps": self.schedule.last_epoch,
            },
        )

    def _restore(self, folder: Path) -> None:
        if (found := read_checkpoint(folder)) is None:
            return
        self.model.load_state_dict(found.part("model"))
        restore_optimizer(self.optimizer, found.part("optimizer"), found.state["groups"])
        self.schedule.load_state_dict({"last_epoch": found.state["steps"], "_step_count": found.state["steps"] + 1})
        self.history = found.state["history"]
        epoch, map50_95 = found.state["best"]
        self.best = _Best(epoch, map50_95, found.part("best") or None)


def _mirrored(image: Tensor, target: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    width = image.shape[-1]
    boxes = target["boxes"].clone()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return image.flip(-1), {**target, "boxes": boxes, "masks": target["masks"].flip(-1)}
