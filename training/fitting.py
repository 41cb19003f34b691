"""The loop that fits a network of ours: steps, epochs, precision, memory, and the way back after a kill.

Everything random in an epoch follows from the seed and the epoch's number, so that a training that goes on from a
checkpoint ends with the weights it would have had.
"""

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from training.checkpoints import (
    optimizer_groups,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from training.devices import half_precision, is_out_of_memory, seed_epoch
from training.errors import TrainingFailed
from training.jobs import OnEpoch, OnNote
from training.outputs import History
from training.processes import process_count, process_rank
from training.settings import ClassifierSettings, SegmenterSettings

_LOG = logging.getLogger(__name__)

Losses = dict[str, Tensor]
SettingsOf = TypeVar("SettingsOf", ClassifierSettings, SegmenterSettings)


@dataclass
class Best:
    """The epoch that ranks highest on the val part, of equal ones the first."""

    epoch: int = 0
    rank: tuple[float, ...] = ()
    weights: dict[str, Tensor] | None = None


class Fitting(ABC, Generic[SettingsOf]):
    """One training of `model`, in place."""

    steepest: ClassVar[float | None] = None
    """The norm that gradients are clipped to."""

    def __init__(
        self,
        model: nn.Module,
        settings: SettingsOf,
        *,
        count: int,
        epochs: int,
        seed: int,
        batch: int,
        at_once: int,
        checkpoints: Path | None = None,
        on_note: OnNote = _LOG.warning,
    ) -> None:
        """Of `count` images, `batch` are a step and `at_once` are computed on together; `checkpoints` is a folder."""
        self.device = next(model.parameters()).device
        self.settings: SettingsOf = settings
        self.model, self.seed, self.epochs = model, seed, epochs
        self.count, self.batch, self.at_once = count, batch, at_once
        self.checkpoints, self.on_note = checkpoints, on_note
        self.history: History = []
        self.best = Best()
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=settings.learning_rate, total_steps=epochs * len(list(self._batches()))
        )
        self.precision = half_precision(self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)
        decay = settings.ema_decay
        self.average = ModelEmaV3(model, decay=decay, use_warmup=True) if decay else None

    @abstractmethod
    def _gradients(self, part: Tensor, batch: Tensor) -> Losses:
        """Add the gradients of a part of a batch, both image numbers; the part's share of the batch's losses."""

    @abstractmethod
    def _validate(self, model: nn.Module) -> tuple[dict[str, float], tuple[float, ...]]:
        """What the val part says of a network, and its rank among epochs; nothing where there is no such part."""

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
            is_due = epoch < self.epochs and time.monotonic() - saved >= self.settings.checkpoint_seconds
            if self.checkpoints and is_due and process_rank() == 0:
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

    def _epoch(self, epoch: int) -> dict[str, float]:
        seed_epoch(seed=self.seed, epoch=epoch)
        self.model.train()
        losses = self._mean([self._step(chosen) for chosen in self._batches()])
        if not math.isfinite(losses["loss"]):
            raise TrainingFailed(f"the loss of epoch {epoch} is {losses['loss']}; lower learning_rate")
        scores, rank = self._validate(self._answering)
        if rank > self.best.rank:
            weights = {name: value.detach().cpu().clone() for name, value in self._answering.state_dict().items()}
            self.best = Best(epoch, rank, weights)
        return {"epoch": epoch, **losses, "batch": self.at_once, **scores}

    def _mean(self, steps: Sequence[Losses]) -> dict[str, float]:
        return {name: torch.stack([step[name] for step in steps]).mean().item() for name in steps[0]}

    def _batches(self) -> Iterator[Tensor]:
        """Image numbers, a step's together, shuffled."""
        return iter(torch.split(torch.randperm(self.count), self.batch))

    def _step(self, chosen: Tensor) -> Losses:
        """One step on a batch; its parts are halved until the device's memory holds them."""
        while True:
            self.optimizer.zero_grad()
            try:
                parts = torch.tensor_split(chosen, math.ceil(len(chosen) / self.at_once))
                losses = [self._gradients(part, chosen) for part in parts]
                break
            except (RuntimeError, MemoryError) as error:
                if self.at_once < 2 or process_count() > 1 or not is_out_of_memory(error):
                    raise  # where several train, all of them have to begin anew
            self._halve()
        self._descend()
        return {name: torch.stack([loss[name] for loss in losses]).sum() for name in losses[0]}

    def _descend(self) -> None:
        if self.steepest:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.steepest)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        if self.average:
            self.average.update(self.model, step=self.schedule.last_epoch)

    def _halve(self) -> None:
        before, self.at_once = self.at_once, self.at_once // 2
        self.on_note(f"memory ran out with {before} images at once; it goes on with {self.at_once}")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

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
            "at_once": self.at_once,
            "scaler": self.scaler.state_dict(),
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
        self.schedule.load_state_dict({"last_epoch": found.state["steps"], "_step_count": found.state["steps"] + 1})
        if found.state["scaler"]:
            self.scaler.load_state_dict(found.state["scaler"])
        self.at_once = min(self.at_once, found.state["at_once"])
        self.history = found.state["history"]
