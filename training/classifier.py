"""Train a timm network to tell an image's class. Pictures are (N, S, S, 3) RGB, uint8 until they are used."""

import logging

import torch
from torch import nn

from training.bundle import class_names
from training.classifying.fitting import ClassifierFitting
from training.classifying.memory import fitting_batch
from training.classifying.network import make_network, mean_and_std
from training.classifying.pictures import Normalise, Pictures, read_pictures
from training.classifying.samples import Samples, read_samples
from training.devices import be_deterministic, channels_last, training_device
from training.errors import NothingToTrain
from training.jobs import ClassifierJob, OnEpoch, OnNote
from training.outputs import write_outputs
from training.processes import agreed, process_rank

_LOG = logging.getLogger(__name__)


def train_classifier(job: ClassifierJob, *, on_epoch: OnEpoch, on_note: OnNote = _LOG.warning) -> None:
    """Train as the job says and fill `job.out`; a training that was killed goes on where it was.

    Raises:
        NothingToTrain: no image of the train part has a class, or none can be decoded.
        TrainingFailed: the loss is no number any more.
    """
    settings = job.settings
    samples = samples_of(job)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    be_deterministic(seed=job.seed)
    network = make_network(
        settings, classes=len(samples.class_names), on_note=on_note, initial_weights=job.initial_weights
    )
    normalise = Normalise(*mean_and_std(network))
    train, val = (
        read_pictures(samples.of(part), size=settings.image_size, workers=settings.workers) for part in ("train", "val")
    )
    for note in (*samples.notes, *train.notes, *val.notes):
        on_note(note)
    _require_classes_left(samples, train)
    network = channels_last(network.to(training_device()))
    batch = int(agreed({"batch": fitting_batch(network, settings)})["batch"])
    fitting = ClassifierFitting(
        network,
        normalise,
        train,
        val,
        settings,
        classes=len(samples.class_names),
        seed=job.seed,
        batch=batch * settings.accumulate,
        at_once=max(1, batch >> job.halvings),
        checkpoints=job.checkpoints,
        on_note=on_note,
    )
    history = fitting.run(on_epoch)
    if process_rank() == 0:
        write_outputs(job, network, nn.Sequential(normalise, network, nn.Softmax(dim=1)), history)


def _require_classes_left(samples: Samples, train: Pictures) -> None:
    left = set(train.targets.tolist())
    if len(left) < 2 <= len({sample.target for sample in samples.of("train")}):
        raise NothingToTrain(
            f"of the train part only images of {samples.class_names[left.pop()]!r} can be decoded "
            f"({train.notes[0]}); a classifier learns from two classes or more"
        )


def samples_of(job: ClassifierJob) -> Samples:
    """All that the job learns from, validates with and is tested on. Raises BadDataset, NothingToTrain."""
    settings = job.settings
    return read_samples(
        job.dataset,
        class_names(job.taxonomy, "classifier"),
        store=job.store,
        labels=settings.labels,
        val_fraction=settings.val_fraction,
        test_fraction=settings.test_fraction,
        seed=job.seed,
        most=settings.max_images,
    )
