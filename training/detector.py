"""Train a YOLO with Ultralytics. Boxes are centre xywh, normalised by the image, as Ultralytics has them.

Images and boxes are handed to Ultralytics in memory. Given files, it would scan them, write caches beside them,
re-save an image in place when its end looks odd, and drop one for a single box out of bounds.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ultralytics.data.dataset import YOLODataset
from ultralytics.models.yolo.detect import DetectionTrainer

from datasets.coco import Annotation, Dataset, Image, read_coco
from training.bundle import class_names
from training.devices import be_deterministic, channels_last, has_fast_bfloat16, training_device
from training.errors import NothingToTrain
from training.jobs import DetectorJob, OnEpoch
from training.outputs import History, read_weights, write_outputs
from training.settings import epochs_within

Label = dict[str, Any]

_MAX_CACHE_BYTES = 4 * 2**30


def train_detector(job: DetectorJob, *, on_epoch: OnEpoch) -> None:
    """Train as the job says and fill `job.out`. Raises NothingToTrain."""
    dataset = read_coco(job.dataset, job.taxonomy).live
    labels = training_labels(dataset, job.store)
    if not any(len(label["cls"]) for label in labels):
        raise NothingToTrain(
            f"{job.dataset} has no box on an image of the train split; annotate some, or check the split"
        )
    if job.settings.threads:
        torch.set_num_threads(job.settings.threads)
    training = DetectorTraining(job, labels, class_names(job.taxonomy, "detector"), on_epoch)
    training.train()
    model = training.ema.ema
    write_outputs(job, model, exportable(model), training.history)


def training_labels(dataset: Dataset, store: Path) -> list[Label]:
    """Ultralytics' labels of the train images that were searched for rectangles, background images included."""
    rectangles = set(dataset.taxonomy.ids("rectangle"))
    return [
        _label(image, dataset.annotations_of.get(image.sha256, []), store)
        for image in dataset.images
        if image.split == "train" and dataset.known_category_ids(image.sha256) & rectangles
    ]


def _label(image: Image, annotations: Sequence[Annotation], store: Path) -> Label:
    boxes = [(a.category_id - 1, *_normalised(a, image)) for a in annotations]
    rows = np.array([row for row in boxes if row[3] > 0 and row[4] > 0], np.float32).reshape(-1, 5)
    return {
        "im_file": str(store / image.file_name),
        "shape": (image.height, image.width),
        "cls": rows[:, :1],
        "bboxes": rows[:, 1:],
        "segments": [],
        "keypoints": None,
        "normalized": True,
        "bbox_format": "xywh",
    }


def _normalised(annotation: Annotation, image: Image) -> tuple[float, float, float, float]:
    """The part of a box inside its image, as normalised centre xywh."""
    x, y, width, height = annotation.bbox_xywh
    left, right = (min(max(value / image.width, 0.0), 1.0) for value in (x, x + width))
    top, bottom = (min(max(value / image.height, 0.0), 1.0) for value in (y, y + height))
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


class LabelledImages(YOLODataset):  # type: ignore[misc]
    """Ultralytics' dataset over labels in memory."""

    def check_cache_ram(self, safety_margin: float = 0.5) -> bool:
        """Decided by the images alone: with free memory, which Ultralytics asks for, mosaics would depend on it too."""
        return bool(self.ni * self.imgsz**2 * 3 <= _MAX_CACHE_BYTES)

    def get_img_files(self, img_path: str | list[str]) -> list[str]:
        return [label["im_file"] for label in self.data["labels"]]

    def get_labels(self) -> list[Label]:
        return [dict(label) for label in self.data["labels"]]


class DetectorTraining(DetectionTrainer):  # type: ignore[misc]
    """Ultralytics' loop, without its validation and checkpoints: the last epoch's averaged weights are the result."""

    # Its name must not contain "Trainer": Ultralytics attaches its uploads and loggers to classes that are called so.

    def __init__(self, job: DetectorJob, labels: list[Label], names: Sequence[str], on_epoch: OnEpoch) -> None:
        self.job, self.labels, self.names = job, labels, names
        self.history: History = []
        super().__init__(overrides=_overrides(job, images=len(labels)))
        self.add_callback("on_fit_epoch_end", lambda _: self._end_epoch(on_epoch))

    def get_dataset(self) -> dict[str, Any]:
        names = dict(enumerate(self.names))
        return {"names": names, "nc": len(names), "channels": 3, "train": "", "val": "", "labels": self.labels}

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> LabelledImages:
        training = mode == "train"
        return LabelledImages(
            img_path=img_path,
            data=self.data,
            imgsz=self.args.imgsz,
            batch_size=batch,
            augment=training,
            hyp=self.args,
            cache="ram" if training else None,
        )

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> torch.nn.Module:
        model: torch.nn.Module = super().get_model(cfg, weights, verbose)
        if self.job.initial_weights:
            read_weights(self.job.initial_weights, model)
        return channels_last(model)

    def _setup_train(self) -> None:
        super()._setup_train()
        be_deterministic(seed=self.job.seed)
        self.amp = has_fast_bfloat16(self.device)  # Ultralytics has none of it on a CPU, torch does

    def validate(self) -> tuple[dict[str, float], float]:
        return {}, 0.0

    def save_model(self) -> bool:
        return False

    def final_eval(self) -> None: ...

    def _end_epoch(self, on_epoch: OnEpoch) -> None:
        losses = {name: round(float(value), 5) for name, value in self.tloss.items()}
        self.history.append({"epoch": self.epoch + 1, **losses})
        on_epoch(self.epoch + 1, self.epochs, losses)


def _overrides(job: DetectorJob, *, images: int) -> dict[str, Any]:
    settings = job.settings
    device = training_device()
    return {
        "model": f"{settings.model}.yaml",
        "pretrained": False,
        "imgsz": settings.image_size,
        "epochs": epochs_within(settings, images=images),
        "batch": settings.batch,
        "nbs": settings.batch,
        "optimizer": settings.optimizer,
        "lr0": settings.learning_rate,
        "lrf": settings.final_learning_rate,
        "cos_lr": True,
        "warmup_epochs": settings.warmup_epochs,
        "warmup_bias_lr": 0.0,
        "mosaic": settings.mosaic,
        "close_mosaic": settings.plain_epochs,
        "scale": settings.scale,
        "translate": settings.translate,
        "fliplr": settings.flip,
        "seed": job.seed,
        "deterministic": True,
        "workers": 0,
        "patience": 0,
        "val": False,
        "plots": False,
        "save": False,
        "device": "0" if device.type == "cuda" else "cpu",
        "amp": "bf16" if device.type == "cuda" and has_fast_bfloat16(device) else False,  # fp16 needs a download
        "save_dir": tempfile.mkdtemp(),
    }


def exportable(model: Any) -> torch.nn.Module:
    """The same YOLO, from now on answering with its (N, 4 + classes, anchors) boxes and scores alone."""
    head = model.model[-1]
    head.export, head.format, head.dynamic = True, "onnx", False
    exported: torch.nn.Module = model
    return exported
