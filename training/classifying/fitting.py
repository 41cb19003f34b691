"""How a classifier is fitted: its loss on a batch, and its macro F1 on the val part."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.classifying.pictures import Pictures, augment
from training.classifying.scores import count_confusion, macro_f1
from training.fitting import Fitting, Losses
from training.jobs import OnNote
from training.processes import agreed, mean_of_all, process_count, process_rank, share_gradients
from training.settings import ClassifierSettings, epochs_within

_LOG = logging.getLogger(__name__)


class ClassifierFitting(Fitting[ClassifierSettings]):
    """One training of `model`, in place. `normalise` takes pictures in [0, 1] to what the network expects.

    Where several processes train, each computes on its share of a batch, and all hold the same weights.
    """

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
        self.processes = process_count()
        super().__init__(
            model,
            settings,
            count=len(train),
            epochs=epochs_within(settings, images=len(train)),
            seed=seed,
            batch=batch,
            at_once=at_once or batch,
            checkpoints=checkpoints,
            on_note=on_note,
        )
        self.normalise = normalise.to(self.device)
        self.train, self.val = train.to(self.device), val.to(self.device)
        self.class_weights = class_weights_of(train.targets, classes, settings.class_weights).to(self.device)
        self.shared = share_gradients(model)

    def _batches(self) -> Iterator[Tensor]:
        """A last batch of less than two for each process is left out: batch normalisation cannot learn from one."""
        least = min(2 * self.processes, self.count)
        return (chosen for chosen in super()._batches() if len(chosen) >= least)

    def _mean(self, steps: Sequence[Losses]) -> dict[str, float]:
        return mean_of_all(super()._mean(steps), self.device)

    def _gradients(self, part: Tensor, batch: Tensor) -> Losses:
        settings = self.settings
        pictures, targets = self.train.batch(part, self.device)
        augmented = augment(
            pictures, brightness=settings.brightness, zoom=settings.zoom, upside_down=settings.upside_down
        )
        share = slice(process_rank(), None, self.processes)
        loss = self._loss(augmented[share], targets[share]) * (self.processes / self._weight(batch))
        torch.autograd.backward(self.scaler.scale(loss))
        return {"loss": loss.detach()}

    def _weight(self, batch: Tensor) -> Tensor:
        """What the images of a batch count together."""
        targets = self.train.targets
        return self.class_weights[targets[batch.to(targets.device)].to(self.device)].sum()

    def _loss(self, images: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(
            self._logits(self.shared, images),
            targets,
            weight=self.class_weights,
            label_smoothing=self.settings.label_smoothing,
            reduction="sum",
        )

    def _logits(self, model: nn.Module, images: Tensor) -> Tensor:
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            logits: Tensor = model(self.normalise(images).contiguous(memory_format=torch.channels_last))
        return logits.float()

    @torch.inference_mode()
    def _validate(self, model: nn.Module) -> tuple[dict[str, float], tuple[float, ...]]:
        """Macro F1 and loss of the val part. An epoch ranks by the first, of equal ones by the second."""
        if not len(self.val):
            return {}, ()
        model.eval()
        losses, found = [], []
        for chosen in torch.split(torch.arange(len(self.val)), self.at_once):
            pictures, targets = self.val.batch(chosen, self.device)
            logits = self._logits(model, pictures.float() / 255)
            losses.append(functional.cross_entropy(logits, targets, reduction="sum").item())
            found.append(logits.argmax(1).cpu().numpy())
        targets_of_all = self.val.targets.cpu().numpy()
        confusion = count_confusion(np.concatenate(found), targets_of_all, logits.shape[1])
        row = agreed(
            {
                "val_loss": sum(losses) / len(targets_of_all),
                "val_macro_f1": macro_f1(confusion),
                "val_accuracy": float(np.trace(confusion) / len(targets_of_all)),
            }
        )
        return row, (row["val_macro_f1"], -row["val_loss"])


def class_weights_of(targets: Tensor, classes: int, strength: float) -> Tensor:
    """(K,): by rarity to the power of `strength`; at 1 every class that is there weighs the same."""
    counts = torch.bincount(targets.cpu(), minlength=classes)
    mean = counts.sum() / (counts > 0).sum()
    return torch.where(counts > 0, (mean / counts.clamp(min=1)) ** strength, 0.0)
