"""How a segmenter is fitted: its losses on a batch, and its mask mAP on the val part."""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from datasets.coco import Dataset
from training.evaluation.masks import to_mask_pair
from training.evaluation.matching import IOUS, match, shape_ids, to_results
from training.evaluation.precision import mean_average_precision
from training.fitting import Fitting, Losses
from training.jobs import OnNote
from training.processes import agreed, mean_of_all, process_count, process_rank, share_gradients
from training.segmenting.outlined import Outlined
from training.segmenting.scoring import find_objects, to_input
from training.settings import SegmenterSettings

_LOG = logging.getLogger(__name__)


class SegmenterFitting(Fitting[SegmenterSettings]):
    """One training of a Mask R-CNN, in place. `truth` is what val is scored against.

    Where several processes train, each computes on its share of a batch, and all hold the same weights.
    """

    steepest = 10.0

    def __init__(
        self,
        model: nn.Module,
        train: Sequence[Outlined],
        val: Sequence[Outlined],
        settings: SegmenterSettings,
        *,
        truth: Dataset,
        seed: int,
        at_once: int | None = None,
        checkpoints: Path | None = None,
        on_note: OnNote = _LOG.warning,
    ) -> None:
        self.train, self.val, self.truth = train, val, truth
        self.shown = shown_weights([one.labels for one in train], settings.class_weights)
        super().__init__(
            model,
            settings,
            count=len(train),
            epochs=settings.epochs,
            seed=seed,
            batch=settings.batch * settings.accumulate,
            at_once=at_once or settings.batch,
            checkpoints=checkpoints,
            on_note=on_note,
        )
        self.shared = share_gradients(model)

    def _batches(self) -> Iterator[Tensor]:
        """As many as there are images, each as often as its weight says, but for the fraction, which chance decides."""
        order = torch.randperm(self.count)
        upto = self.shown[order].cumsum(0)
        places = (torch.arange(self.count) + torch.rand((), dtype=torch.float64)).clamp(max=float(upto[-1]))
        drawn = order[torch.searchsorted(upto, places).clamp(max=self.count - 1)]
        return iter(torch.split(drawn[torch.randperm(self.count)], self.batch))

    def _mean(self, steps: Sequence[Losses]) -> dict[str, float]:
        return mean_of_all(super()._mean(steps), self.device)

    def _gradients(self, part: Tensor, batch: Tensor) -> Losses:
        flipped = torch.rand(len(part)) < self.settings.flip
        share = slice(process_rank(), None, process_count())
        mine, flips = part[share], flipped[share]
        if not len(mine):  # all have to compute, so that gradients can be shared; this one's then count for nothing
            mine, flips = part[:1], flipped[:1]
        images, targets = self._pictures(mine, flips)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            parts: Losses = self.shared(images, targets)
        weight = len(part[share]) * process_count() / len(batch)
        losses = {name.removeprefix("loss_") + "_loss": value.float() * weight for name, value in parts.items()}
        loss = torch.stack(list(losses.values())).sum()
        torch.autograd.backward(self.scaler.scale(loss))
        return {name: value.detach() for name, value in {"loss": loss, **losses}.items()}

    def _pictures(self, numbers: Tensor, flips: Tensor) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """The pictures of these numbers and their targets, on the device, mirrored where `flips` says so."""
        pictures = [self.train[int(number)] for number in numbers]
        images = to_input(pictures, self.device)
        targets = [{name: value.to(self.device) for name, value in one.target().items()} for one in pictures]
        for number in flips.nonzero()[:, 0].tolist():
            images[number], targets[number] = mirrored(images[number], targets[number])
        return images, targets

    def _validate(self, model: nn.Module) -> tuple[dict[str, float], tuple[float, ...]]:
        """Mask mAP of the val part, 0 while nothing is found; nothing where all that is to be found is of crowds."""
        ids = shape_ids(self.truth.taxonomy)
        found = dict(find_objects(model, self.val, [self.truth.taxonomy.name(one) for one in ids], batch=self.at_once))
        pair = to_mask_pair(self.truth, to_results(self.truth, found, ids), ids)
        if pair is None:
            return {}, ()
        matches, once = match(*pair, by="segm")["all"], np.ones((1, len(self.truth.images)))
        map50, map50_95 = (float(mean_average_precision(matches, once, ious=ious)[0]) for ious in (1, IOUS))
        if math.isnan(map50_95):
            return {}, ()
        row = agreed({"val_mask_map50": map50, "val_mask_map50_95": map50_95})
        return row, (row["val_mask_map50_95"],)


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
