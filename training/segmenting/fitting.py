"""How a segmenter is fitted: its losses on a batch, and its mask mAP on the val part."""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from training.fitting import Fitting, Losses
from training.jobs import OnNote
from training.segmenting.outlined import Outlined
from training.segmenting.scoring import find_objects, score_masks, to_input
from training.settings import SegmenterSettings

_LOG = logging.getLogger(__name__)


class SegmenterFitting(Fitting[SegmenterSettings]):
    """One training of a Mask R-CNN, in place."""

    steepest = 10.0

    def __init__(
        self,
        model: nn.Module,
        train: Sequence[Outlined],
        val: Sequence[Outlined],
        settings: SegmenterSettings,
        *,
        class_names: Sequence[str],
        seed: int,
        checkpoints: Path | None = None,
        on_note: OnNote = _LOG.warning,
    ) -> None:
        self.train, self.val, self.class_names = train, val, class_names
        self.shown = shown_weights([one.labels for one in train], settings.class_weights)
        super().__init__(
            model,
            settings,
            count=len(train),
            epochs=settings.epochs,
            seed=seed,
            batch=settings.batch * settings.accumulate,
            at_once=settings.batch,
            checkpoints=checkpoints,
            on_note=on_note,
        )

    def _batches(self) -> Iterator[Tensor]:
        """As many as there are images, each as often as its weight says, but for the fraction, which chance decides."""
        order = torch.randperm(self.count)
        upto = self.shown[order].cumsum(0)
        places = (torch.arange(self.count) + torch.rand((), dtype=torch.float64)).clamp(max=float(upto[-1]))
        drawn = order[torch.searchsorted(upto, places).clamp(max=self.count - 1)]
        return iter(torch.split(drawn[torch.randperm(self.count)], self.batch))

    def _gradients(self, part: Tensor, batch: Tensor) -> Losses:
        pictures = [self.train[int(number)] for number in part]
        images = to_input(pictures, self.device)
        targets = [{name: value.to(self.device) for name, value in one.target().items()} for one in pictures]
        for number in range(len(images)):
            if torch.rand(()) < self.settings.flip:
                images[number], targets[number] = mirrored(images[number], targets[number])
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            parts: Losses = self.model(images, targets)
        share = len(part) / len(batch)
        losses = {name.removeprefix("loss_") + "_loss": value.float() * share for name, value in parts.items()}
        loss = torch.stack(list(losses.values())).sum()
        torch.autograd.backward(self.scaler.scale(loss))
        return {name: value.detach() for name, value in {"loss": loss, **losses}.items()}

    def _validate(self, model: nn.Module) -> tuple[dict[str, float], tuple[float, ...]]:
        if not self.val:
            return {}, ()
        found = list(find_objects(model, self.val, batch=self.at_once))
        scores = score_masks(self.val, found, self.class_names)
        if scores.map50_95 is None or scores.map50 is None:
            return {}, ()
        return {"val_map50": scores.map50, "val_map50_95": scores.map50_95}, (scores.map50_95,)


def shown_weights(labels: Sequence[Sequence[int]], strength: float) -> Tensor:
    """(N,), one on average: how often each image is shown, by the rarest class among its labels to that power.

    A class's rarity is one by the images that have it. Source: LVIS's repeat factors, https://arxiv.org/abs/1908.03195
    """
    having: dict[int, int] = {}
    for one in labels:
        for label in set(one):
            having[label] = having.get(label, 0) + 1
    commonest = max(having.values(), default=1)
    factors = [max(((commonest / having[label]) ** strength for label in one), default=1.0) for one in labels]
    weights = torch.tensor(factors, dtype=torch.float64)
    return weights * (len(labels) / math.fsum(factors))


def mirrored(image: Tensor, target: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """A (3, h, w) picture and its target, left to right."""
    width = image.shape[-1]
    boxes = target["boxes"].clone()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return image.flip(-1), {**target, "boxes": boxes, "masks": target["masks"].flip(-1)}
