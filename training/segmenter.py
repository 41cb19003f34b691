"""Train torchvision's Mask R-CNN to outline objects. Boxes are xyxy pixels of the scaled picture.

It trains in the process that calls it, and leaves safetensors; there is no ONNX graph, for nothing serves it.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from datasets.files import MANIFEST, new_folder, write_json
from training.bundle import file_sha256
from training.devices import seed_epoch, training_device
from training.errors import NothingToTrain
from training.jobs import HISTORY_FILE, WEIGHTS_FILE, OnEpoch, OnNote
from training.outputs import write_weights
from training.segmenting.fitting import SegmenterFitting
from training.segmenting.network import make_segmenter
from training.segmenting.outlined import Outlined
from training.settings import SegmenterSettings

SETTINGS_FILE = "settings.json"
_LOG = logging.getLogger(__name__)


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
    on_note: OnNote = _LOG.warning,
) -> None:
    """Fill `out` with weights, history and settings; a training that was killed goes on from `checkpoints`.

    Kept are the weights of the epoch with the best val mask mAP, without a val part the last one's.

    Raises:
        NothingToTrain: no picture to learn from has an object.
        TrainingFailed: the loss is no number any more.
    """
    if not any(one.masks for one in train):
        raise NothingToTrain(
            f"of {len(train)} images that can be decoded none has an outlined object to learn from; "
            "check the images, or lower val_fraction"
        )
    if settings.threads:
        torch.set_num_threads(settings.threads)
    seed_epoch(seed=seed, epoch=0)
    model = make_segmenter(settings, classes=len(class_names)).to(training_device())
    fitting = SegmenterFitting(
        model,
        train,
        val,
        settings,
        class_names=class_names,
        seed=seed,
        checkpoints=checkpoints,
        on_note=on_note,
    )
    history = fitting.run(on_epoch)
    with new_folder(out) as folder:
        write_weights(model, folder / WEIGHTS_FILE)
        write_json(folder / HISTORY_FILE, history)
        write_json(folder / SETTINGS_FILE, {"classes": list(class_names), **settings.model_dump(mode="json")})
        write_json(folder / MANIFEST, {"files": {path.name: file_sha256(path) for path in sorted(folder.iterdir())}})
