"""How good a detector in training is: its mAP on images kept back, by the same rules as a published one's.

What is unknown on an image counts for nothing, as in `training.evaluate`.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import nn

from datasets.coco import Dataset, Image
from training.evaluate import EVALUATION_THRESHOLD, DetectorScores, score_detector
from training.predicting.pictures import Letterbox, Pixels, decode_ahead
from training.predicting.suppression import suppress
from training.predictors import Detection

IOU_THRESHOLD = 0.6
_KEPT_BYTES = 2**30

Square = tuple[Image, Letterbox, Pixels]


class Validation:
    """Images kept back from a training; the squares that the model sees of them stay in memory where they are few."""

    def __init__(self, truth: Dataset, store: Path, *, image_size: int, class_names: tuple[str, ...]) -> None:
        self.truth, self.store, self.image_size, self.class_names = truth, store, image_size, class_names
        self._keeps = len(truth.images) * image_size**2 * 3 <= _KEPT_BYTES
        self._squares: list[Square] = []

    def score(self, model: nn.Module, *, device: torch.device, batch: int) -> DetectorScores:
        """mAP of a YOLO in evaluation mode, which stays as it is."""
        predictions: dict[str, list[Detection]] = {}
        squares = self._read()
        while some := list(islice(squares, batch)):
            predictions.update(self._predict(model, some, device))
        return score_detector(self.truth, predictions)

    def _read(self) -> Iterator[Square]:
        if self._squares:
            return iter(self._squares)
        squares = self._decode()
        if self._keeps:
            self._squares = list(squares)
            return iter(self._squares)
        return squares

    def _decode(self) -> Iterator[Square]:
        contents = ((image, (self.store / image.file_name).read_bytes()) for image in self.truth.images)
        for image, pixels in decode_ahead(contents):
            if isinstance(pixels, np.ndarray):
                letterbox = Letterbox(self.image_size, *pixels.shape[:2])
                yield image, letterbox, letterbox.place(pixels)

    def _predict(self, model: nn.Module, squares: list[Square], device: torch.device) -> Mapping[str, list[Detection]]:
        pixels = np.stack([square for _, _, square in squares]).transpose(0, 3, 1, 2)
        images = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).float() / 255
        with torch.no_grad():  # what inference mode leaves in a head cannot be traced later
            found = model(images)[0]
            boxes = found[0] if isinstance(found, tuple) else found  # with prototypes
            anchors = boxes[:, : 4 + len(self.class_names)].float().cpu().numpy()
        return {
            image.sha256: self._detections(found, letterbox)
            for (image, letterbox, _), found in zip(squares, anchors, strict=True)
        }

    def _detections(
        self, anchors: np.ndarray[tuple[int, ...], np.dtype[np.float32]], letterbox: Letterbox
    ) -> list[Detection]:
        kept = suppress(anchors, EVALUATION_THRESHOLD, IOU_THRESHOLD)
        boxes = letterbox.restore(kept.boxes_xyxy).tolist()
        return [
            Detection(self.class_names[class_id], (left, top, right, bottom), score)
            for (left, top, right, bottom), score, class_id in zip(
                boxes, kept.scores.tolist(), kept.class_ids.tolist(), strict=True
            )
        ]
