"""Train a YOLO with Ultralytics, on labels in memory.

Images and boxes are handed to Ultralytics in memory. Given files, it would scan them, write caches beside them,
re-save an image in place when its end looks odd, and drop one for a single box out of bounds.
"""

import tempfile
from collections.abc import Sequence
from copy import copy
from math import isfinite
from typing import Any

import torch
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.models.yolo.segment import SegmentationTrainer

from datasets.coco import read_coco
from training.bundle import class_names
from training.checkpoints import (
    optimizer_groups,
    optimizer_tensors,
    read_best,
    read_checkpoint,
    restore_optimizer,
    write_best,
    write_checkpoint,
)
from training.detector_data import DetectorData, read_detector_data
from training.detector_images import LabelledImages
from training.devices import be_deterministic, channels_last, half_precision, seed_epoch, training_device
from training.errors import TrainingFailed
from training.jobs import DetectorJob, OnEpoch, OnNote, images_at_once
from training.masking import mask_loss
from training.outputs import History, read_weights, write_outputs
from training.settings import epochs_within
from training.validating import Validation


def train_detector(job: DetectorJob, *, on_epoch: OnEpoch, on_note: OnNote) -> None:
    """Train as the job says and fill `job.out`. Raises NothingToTrain, UnsuitableLabels or TrainingFailed."""
    data = read_detector_data(job, read_coco(job.dataset, job.taxonomy).live)
    for note in data.notes:
        on_note(note)
    threads = job.settings.threads or torch.get_num_threads()
    kind = SegmenterTraining if job.settings.is_segmentation else DetectorTraining
    training = kind(job, data, class_names(job.taxonomy, "detector"), on_epoch)
    torch.set_num_threads(threads)  # Ultralytics leaves one core idle when it trains on a CPU
    training.train()
    model = training.best_model()
    write_outputs(job, model, exportable(model), training.history)


class DetectorTraining(DetectionTrainer):  # type: ignore[misc]
    """Ultralytics' loop with Carloop's data, validation and checkpoints.

    The result are averaged weights: the best epoch's where images are kept back to choose by, else the last one's.
    Each epoch's randomness begins anew from the seed and its number, and no batch is left over from the one before, so
    that a training which goes on from a checkpoint comes to the same end.
    """

    # Its name must not contain "Trainer": Ultralytics attaches its uploads and loggers to classes that are called so.

    def __init__(self, job: DetectorJob, data: DetectorData, names: Sequence[str], on_epoch: OnEpoch) -> None:
        self.job, self.labelled, self.names = job, data, tuple(names)
        self.checkpoint = read_checkpoint(job.checkpoints) if job.checkpoints else None
        self.history: History = []
        self.best_epoch, self.best_score = 0, 0.0
        self.best_weights: dict[str, torch.Tensor] | None = None
        self._plain, self._batches = False, 0
        self.validation = Validation(
            data.validation, job.store, image_size=job.settings.image_size, class_names=self.names
        )
        super().__init__(overrides=ultralytics_options(job, batch=self._batch(), images=len(data.labels)))
        self.add_callback("on_train_epoch_start", lambda _: self._begin_epoch())
        self.add_callback("on_fit_epoch_end", lambda _: self._end_epoch(on_epoch))

    def _batch(self) -> int:
        """Images at once; -1 lets Ultralytics measure what fits into a GPU."""
        if self.job.settings.batch != "auto" or training_device().type != "cuda":
            return images_at_once(self.job)
        if self.checkpoint is None:
            return -1
        halvings = self.job.halvings - int(self.checkpoint.state["halvings"])
        return max(int(self.checkpoint.state["batch"]) >> halvings, 1)

    def auto_batch(self, *arguments: Any, **options: Any) -> int:
        self.args.nbs = max(int(super().auto_batch(*arguments, **options)) >> self.job.halvings, 1)
        return int(self.args.nbs)

    def train(self) -> None:
        if self.checkpoint and self.checkpoint.state["over"]:
            self._setup_train()
        else:
            super().train()

    def best_model(self) -> Any:
        """The model to keep, when the training is over."""
        if self.best_weights is not None:
            self.ema.ema.load_state_dict(self.best_weights)
        return self.ema.ema

    def get_dataset(self) -> dict[str, Any]:
        names = dict(enumerate(self.names))
        labels = self.labelled.labels
        return {"names": names, "nc": len(names), "channels": 3, "train": "", "val": "", "labels": labels}

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> LabelledImages:
        training = mode == "train"
        return LabelledImages(
            known=self.labelled.known,
            img_path=img_path,
            data=self.data,
            task=self.args.task,
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

    def build_optimizer(self, *arguments: Any, **options: Any) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = super().build_optimizer(*arguments, **options)
        for group in optimizer.param_groups:
            group["fused"] = True  # on a CPU a seventh of the time
        return optimizer

    def _setup_train(self) -> None:
        super()._setup_train()
        be_deterministic(seed=self.job.seed)
        precision = half_precision(self.device)
        self.amp = precision is not None  # Ultralytics has none on a CPU, and tries float16 on a model it downloads
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision is torch.float16)
        if self.checkpoint and self.checkpoint.state["scaler"]:
            self.scaler.load_state_dict(self.checkpoint.state["scaler"])
        self.ema.ema.end2end = False  # what is kept answers with all anchors, as every other YOLO
        if self.labelled.known:
            mask_loss(self.model, self.labelled.known, self.device)

    def resume_training(self, ckpt: Any) -> None:
        """Ultralytics' place to go on from a checkpoint; ours needs no pickle."""
        if self.checkpoint is None:
            return
        state = self.checkpoint.state
        self.model.load_state_dict(self.checkpoint.part("model"))
        self.ema.ema.load_state_dict(self.checkpoint.part("average"))
        self.ema.updates = state["updates"]
        restore_optimizer(self.optimizer, self.checkpoint.part("optimizer"), state["optimizer"])
        self.history, self.start_epoch = state["history"], self.checkpoint.epoch
        self.best_epoch, self.best_score = state["best_epoch"], state["best_score"]
        if self.best_epoch and self.job.checkpoints:
            self.best_weights = read_best(self.job.checkpoints)

    def _begin_epoch(self) -> None:
        self._oom_retries = 3  # Ultralytics halves the batch in place; a fresh process with half of it has more memory
        self._batches = 0
        dataset = self.train_loader.dataset
        if not self._plain and self.job.settings.plain_epochs and self._epochs_left <= self.job.settings.plain_epochs:
            dataset.close_mosaic(copy(self.args))
            self._plain = True
        dataset.forget_recent()
        self.train_loader.reset()
        self.train_loader.generator.manual_seed(seed_epoch(seed=self.job.seed, epoch=self.epoch))

    @property
    def _epochs_left(self) -> int:
        return int(self.epochs - self.epoch)

    def optimizer_step(self) -> None:
        """A step when enough batches have come, and at an epoch's end."""
        self._batches += 1
        if self._batches % self._accumulate == 0 or self._batches == len(self.train_loader):
            super().optimizer_step()

    @property
    def _accumulate(self) -> int:
        """Batches a step; more of them where they were halved."""
        return self.job.settings.accumulate << self.job.halvings

    def validate(self) -> tuple[dict[str, float], float]:
        return {}, 0.0

    def save_model(self) -> bool:
        return False

    def final_eval(self) -> None: ...

    def _handle_nan_recovery(self, epoch: int) -> bool:
        if not isfinite(float(self.loss.detach())):
            rate = self.job.settings.learning_rate
            raise TrainingFailed(f"the loss is no number in epoch {epoch + 1}; lower learning_rate, which is {rate:g}")
        return False

    def _end_epoch(self, on_epoch: OnEpoch) -> None:
        told = {name: round(float(value), 5) for name, value in self.tloss.items()} | self._validate()
        sizes = {"batch": self.batch_size} if self.job.halvings or self.job.settings.batch == "auto" else {}
        self.history.append({"epoch": self.epoch + 1, **told, **sizes})
        patience = self.job.settings.patience
        if patience and self.best_epoch and self.epoch + 1 - self.best_epoch >= patience:
            self.stop = True
        self._write_checkpoint()
        on_epoch(self.epoch + 1, self.epochs, told)

    def _validate(self) -> dict[str, float]:
        """mAP on the images kept back, and the best epoch's weights put by."""
        if not self.labelled.validation.images:
            return {}
        scores = self.validation.score(self.ema.ema, device=self.device, batch=self.batch_size)
        if scores.map50 is None or scores.map50_95 is None:
            return {}
        if scores.map50_95 >= self.best_score:  # while nothing is found, the later epoch is the better one
            self.best_epoch, self.best_score = self.epoch + 1, scores.map50_95
            weights = {name: value.clone() for name, value in self.ema.ema.state_dict().items()}
            self.best_weights = weights
            if self.job.checkpoints:
                write_best(self.job.checkpoints, weights)
        return {"val_map50": round(scores.map50, 5), "val_map50_95": round(scores.map50_95, 5)}

    def _write_checkpoint(self) -> None:
        if self.job.checkpoints is None:
            return
        write_checkpoint(
            self.job.checkpoints,
            epoch=self.epoch + 1,
            parts={
                "model": self.model.state_dict(),
                "average": self.ema.ema.state_dict(),
                "optimizer": optimizer_tensors(self.optimizer),
            },
            state={
                "history": self.history,
                "updates": self.ema.updates,
                "optimizer": optimizer_groups(self.optimizer),
                "scaler": self.scaler.state_dict(),
                "best_epoch": self.best_epoch,
                "best_score": self.best_score,
                "batch": self.batch_size,
                "halvings": self.job.halvings,
                "over": bool(self.stop),
            },
        )


class SegmenterTraining(DetectorTraining, SegmentationTrainer):  # type: ignore[misc]
    """The same for a YOLO that finds outlines too."""


def ultralytics_options(job: DetectorJob, *, batch: int, images: int) -> dict[str, Any]:
    """The job's settings under Ultralytics' names."""
    settings = job.settings
    device = training_device()
    return {
        "model": f"{settings.model}.yaml",
        "pretrained": False,
        "imgsz": settings.image_size,
        "epochs": epochs_within(settings, images=images),
        "batch": batch,
        "nbs": max(batch, 1),
        "optimizer": settings.optimizer,
        "lr0": settings.learning_rate,
        "lrf": settings.final_learning_rate,
        "cos_lr": True,
        "warmup_epochs": settings.warmup_epochs,
        "warmup_bias_lr": 0.0,
        "mosaic": settings.mosaic,
        "mixup": settings.mixup,
        "close_mosaic": 0,  # done where an epoch begins
        "scale": settings.scale,
        "translate": settings.translate,
        "fliplr": settings.flip,
        "cls_pw": settings.class_weights,
        "seed": job.seed,
        "deterministic": True,
        "workers": settings.workers,
        "patience": 0,
        "val": False,
        "plots": False,
        "save": False,
        "device": "0" if device.type == "cuda" else "cpu",
        "amp": "bf16" if half_precision(device) is torch.bfloat16 and device.type == "cuda" else False,
        "save_dir": tempfile.mkdtemp(),
    }


def exportable(model: Any) -> torch.nn.Module:
    """The same YOLO, from now on answering with its (N, 4 + classes, anchors) boxes and scores alone.

    One that finds outlines has mask coefficients after the scores, and prototypes as a second answer.
    """
    head = model.model[-1]
    head.export, head.format, head.dynamic = True, "onnx", False
    exported: torch.nn.Module = model
    return exported
