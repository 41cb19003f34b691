"""The loop that fits a classifier: steps, epochs, validation, and the way back after a kill.

Everything random in an epoch follows from the seed and the epoch's number, so that a training that goes on from a
checkpoint ends with the weights it would have had.
"""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional

from training.checkpoints import (
    optimizer_groups,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from training.classifying.memory import is_out_of_memory
from training.classifying.pictures import Pictures, augment
from training.classifying.scores import count_confusion, macro_f1
from training.devices import has_fast_bfloat16, seed_epoch
from training.errors import TrainingFailed
from training.jobs import OnEpoch, OnNote
from training.outputs import History
from training.settings import ClassifierSettings, epochs_within

_LOG = logging.getLogger(__name__)

Weights = dict[str, Tensor]


@dataclass
class Best:
    """The epoch with the best val macro F1, of equal ones that with the lowest loss."""

    epoch: int = 0
    rank: tuple[float, float] = (-1.0, 0.0)
    weights: Weights | None = None


class Fitting:
    """One training of `model`, in place. `normalise` takes pictures in [0, 1] to what the network expects."""

    def __init__(
        self,
        model: nn.Module,
        normalise: nn.Module,
        train: Pictures,
        val: Pictures,
        settings: ClassifierSettings,
        *,
        classes: int,
        seed: int,
        batch: int,
        at_once: int | None = None,
        checkpoints: Path | None = None,
        on_note: OnNote = _LOG.warning,
    ) -> None:
        """`batch` images are a step, `at_once` of them are computed on together; `checkpoints` is a folder."""
        self.device = next(model.parameters()).device
        self.model, self.normalise = model, normalise.to(self.device)
        self.train, self.val = train.to(self.device), val.to(self.device)
        self.settings, self.seed, self.checkpoints, self.on_note = settings, seed, checkpoints, on_note
        self.batch, self.at_once = batch, at_once or batch
        self.epochs = epochs_within(settings, images=len(train))
        self.history: History = []
        self.best = Best()
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=settings.learning_rate, total_steps=self.epochs * len(list(self._batches()))
        )
        decay = settings.ema_decay
        self.average = ModelEmaV3(model, decay=decay, use_warmup=True) if decay else None
        self.class_weights = _class_weights(train.targets, classes, settings.class_weights).to(self.device)

    def run(self, on_epoch: OnEpoch) -> History:
        """Fit, and leave in the model the best epoch's weights, or without a val part the last one's."""
        self._restore()
        saved = time.monotonic()
        for epoch in range(len(self.history) + 1, self.epochs + 1):
            if self._has_waited_enough():
                break
            row = self._epoch(epoch)
            self.history.append(row)
            on_epoch(epoch, self.epochs, {name: value for name, value in row.items() if name != "epoch"})
            if self.checkpoints and epoch < self.epochs and self._is_due(saved):
                self._save(self.checkpoints)
                saved = time.monotonic()
        self.model.load_state_dict(self.best.weights or self._answering.state_dict())
        return self.history

    @property
    def _answering(self) -> nn.Module:
        """The network that is validated and kept: the average, where there is one."""
        return self.average.module if self.average else self.model

    def _has_waited_enough(self) -> bool:
        patience = self.settings.patience
        return bool(patience and self.best.epoch and len(self.history) - self.best.epoch >= patience)

    def _is_due(self, saved: float) -> bool:
        return time.monotonic() - saved >= self.settings.checkpoint_seconds

    def _epoch(self, epoch: int) -> dict[str, float]:
        seed_epoch(seed=self.seed, epoch=epoch)
        self.model.train()
        losses = [self._step(chosen) for chosen in self._batches()]
        row = {"epoch": epoch, "loss": torch.stack(losses).mean().item(), "batch": self.at_once, **self._validate()}
        if not math.isfinite(row["loss"]):
            raise TrainingFailed(f"the loss of epoch {epoch} is {row['loss']}; lower learning_rate")
        if "val_macro_f1" in row and (rank := (row["val_macro_f1"], -row["val_loss"])) > self.best.rank:
            weights = {name: value.detach().cpu().clone() for name, value in self._answering.state_dict().items()}
            self.best = Best(epoch, rank, weights)
        return row

    def _batches(self) -> Iterator[Tensor]:
        """Shuffled indices in batches; a last batch of one is left out, batch normalisation cannot learn from it."""
        count = len(self.train)
        split = torch.split(torch.randperm(count), self.batch)
        return (chosen for chosen in split if len(chosen) > 1 or count == 1)

    def _step(self, chosen: Tensor) -> Tensor:
        """One step on a batch; its parts are halved until the device's memory holds them."""
        while True:
            self.optimizer.zero_grad()
            try:
                parts = torch.tensor_split(chosen, math.ceil(len(chosen) / self.at_once))
                weight = self._weight(chosen)
                losses = [self._gradients(part, weight) for part in parts]
                break
            except (RuntimeError, MemoryError) as error:
                if self.at_once < 2 or not is_out_of_memory(error):
                    raise
            self._halve()
        self.optimizer.step()
        self.schedule.step()
        if self.average:
            self.average.update(self.model, step=self.schedule.last_epoch)
        return torch.stack(losses).sum()

    def _halve(self) -> None:
        before, self.at_once = self.at_once, self.at_once // 2
        self.on_note(f"memory ran out with {before} images at once; it goes on with {self.at_once}")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _weight(self, chosen: Tensor) -> Tensor:
        """What the images of a batch count together."""
        targets = self.train.targets
        return self.class_weights[targets[chosen.to(targets.device)].to(self.device)].sum()

    def _gradients(self, chosen: Tensor, weight: Tensor) -> Tensor:
        """Add a part's gradients; its share of the batch's loss, whose images weigh `weight` together."""
        settings = self.settings
        pictures, targets = self.train.batch(chosen, self.device)
        augmented = augment(
            pictures, brightness=settings.brightness, zoom=settings.zoom, upside_down=settings.upside_down
        )
        loss = self._loss(self.model, augmented, targets) / weight
        torch.autograd.backward(loss)
        return loss.detach()

    def _loss(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(
            self._logits(model, images),
            targets,
            weight=self.class_weights,
            label_smoothing=self.settings.label_smoothing,
            reduction="sum",
        )

    def _logits(self, model: nn.Module, images: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=has_fast_bfloat16(self.device)):
            logits: Tensor = model(self.normalise(images).contiguous(memory_format=torch.channels_last))
        return logits.float()

    @torch.inference_mode()
    def _validate(self) -> dict[str, float]:
        """Macro F1 and loss of the val part; nothing where there is none."""
        if not len(self.val):
            return {}
        model = self._answering.eval()
        losses, found = [], []
        for chosen in torch.split(torch.arange(len(self.val)), self.at_once):
            pictures, targets = self.val.batch(chosen, self.device)
            logits = self._logits(model, pictures.float() / 255)
            losses.append(functional.cross_entropy(logits, targets, reduction="sum").item())
            found.append(logits.argmax(1).cpu().numpy())
        targets_of_all = self.val.targets.cpu().numpy()
        confusion = count_confusion(np.concatenate(found), targets_of_all, logits.shape[1])
        return {
            "val_loss": sum(losses) / len(targets_of_all),
            "val_macro_f1": macro_f1(confusion),
            "val_accuracy": float(np.trace(confusion) / len(targets_of_all)),
        }

    def _save(self, folder: Path) -> None:
        parts = {
            "model": self.model.state_dict(),
            "average": self.average.module.state_dict() if self.average else {},
            "best": self.best.weights or {},
            "optimizer": optimizer_tensors(self.optimizer),
        }
        state = {
            "history": self.history,
            "best": [self.best.epoch, self.best.rank],
            "groups": optimizer_groups(self.optimizer),
            "steps": self.schedule.last_epoch,
        }
        write_checkpoint(folder, epoch=len(self.history), parts=parts, state=state)

    def _restore(self) -> None:
        found = read_checkpoint(self.checkpoints) if self.checkpoints else None
        if found is None:
            return
        self.model.load_state_dict(found.part("model"))
        if self.average:
            self.average.module.load_state_dict(found.part("average"))
        epoch, rank = found.state["best"]
        self.best = Best(epoch, tuple(rank), found.part("best") or None)
        restore_optimizer(self.optimizer, found.part("optimizer"), found.state["groups"])
        _lay_out_as_parameters(self.optimizer)
        self.schedule.load_state_dict({"last_epoch": found.state["steps"], "_step_count": found.state["steps"] + 1})
        self.history = found.state["history"]


def _lay_out_as_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Fused kernels go through memory, so what an optimizer remembers has to lie there as its parameters do."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)


def _class_weights(targets: Tensor, classes: int, strength: float) -> Tensor:
    """(K,): by rarity to the power of `strength`; at 1 every class that is there weighs the same."""
    counts = torch.bincount(targets.cpu(), minlength=classes)
    mean = counts.sum() / (counts > 0).sum()
    return torch.where(counts > 0, (mean / counts.clamp(min=1)) ** strength, 0.0)
