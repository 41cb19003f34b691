"""Train torchvision's Mask R-CNN to outline objects, and test it. Boxes are xyxy pixels of the scaled picture.

It leaves safetensors; there is no ONNX graph, for nothing serves it.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from datasets.coco import Dataset, Image, read_coco
from training.bundle import file_sha256
from training.devices import seed_epoch, training_device
from training.errors import NothingToTrain
from training.evaluation.matching import shape_ids, stream_results
from training.evaluation.subject import Subject
from training.jobs import WEIGHTS_FILE, OnEpoch, OnNote, SegmenterJob, images_at_once
from training.outputs import write_outputs
from training.predictors import Detection
from training.processes import process_rank
from training.segmenting.fitting import SegmenterFitting
from training.segmenting.network import make_segmenter
from training.segmenting.outlined import choose_parts, read_outlined
from training.segmenting.scoring import SURE, find_objects
from training.settings import SegmenterSettings

MODEL = "mask_rcnn"
_LOG = logging.getLogger(__name__)


def train_segmenter(job: SegmenterJob, *, on_epoch: OnEpoch, on_note: OnNote = _LOG.warning) -> None:
    """Train as the job says and fill `job.out`; a training that was killed goes on where it was.

    Kept are the weights of the epoch with the best val mask mAP, without a val part the last one's.

    Raises:
        NothingToTrain: no picture to learn from has an object.
        BadInput: images were not searched for every class.
        TrainingFailed: the loss is no number any more.
    """
    settings, dataset = job.settings, read_coco(job.dataset, job.taxonomy).live
    parts = choose_parts(dataset, settings, seed=job.seed)
    train, skipped = read_outlined(dataset, parts.train, job.store, size=settings.image_size)
    val, also_skipped = read_outlined(dataset, parts.val, job.store, size=settings.image_size)
    for note in filter(None, (parts.note, told_skipped([*skipped, *also_skipped]))):
        on_note(note)
    if not any(one.masks for one in train):
        raise NothingToTrain(
            f"of {len(train)} images that can be decoded none has an outlined object to learn from; "
            "check the images, or lower val_fraction"
        )
    if settings.threads:
        torch.set_num_threads(settings.threads)
    seed_epoch(seed=job.seed, epoch=0)
    model = make_segmenter(settings, classes=len(shape_ids(job.taxonomy))).to(training_device())
    fitting = SegmenterFitting(
        model,
        train,
        val,
        settings,
        truth=dataset.only(one.image.sha256 for one in val),
        seed=job.seed,
        at_once=images_at_once(job),
        checkpoints=job.checkpoints,
        on_note=on_note,
    )
    history = fitting.run(on_epoch)
    if process_rank() == 0:
        write_outputs(job, model, None, history)


def told_skipped(skipped: Sequence[str]) -> str:
    """A sentence on the images that cannot be decoded, or nothing."""
    return f"{len(skipped)} images cannot be decoded and were skipped, {skipped[0]}" if skipped else ""


def read_segmenter(training: Path, settings: SegmenterSettings, *, classes: int) -> nn.Module:
    """The network that `train_segmenter` left in a folder."""
    model = make_segmenter(settings, classes=classes)
    model.load_state_dict(load_file(training / WEIGHTS_FILE))
    return model.to(training_device()).eval()


def predict_with_segmenter(
    job: SegmenterJob, dataset: Dataset, images: Sequence[Image], *, test_set: str, on_image: Callable[[], None]
) -> tuple[Subject, list[str]]:
    """What the network in `job.out` finds on images of a dataset, for a report of it; and why some were skipped."""
    ids = shape_ids(dataset.taxonomy)
    names = [dataset.taxonomy.name(one) for one in ids]
    pictures, skipped = read_outlined(dataset, images, job.store, size=job.settings.image_size)
    truth = dataset.only(one.image.sha256 for one in pictures)
    model = read_segmenter(job.out, job.settings, classes=len(ids))

    def find() -> Iterator[tuple[str, list[Detection]]]:
        for found in find_objects(model, pictures, names, batch=job.settings.batch):
            on_image()
            yield found

    weights = file_sha256(job.out / WEIGHTS_FILE)
    subject = Subject(
        model=f"{MODEL}@{weights[:12]}",
        bundle=weights,
        task="segmenter",
        test_set=test_set,
        thresholds=dict.fromkeys(names, SURE),
        truth=truth,
        results=stream_results(truth, find(), ids),
        seed=job.seed,
    )
    return subject, skipped
