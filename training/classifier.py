"""Train a timm network to tell an image's tag. Pictures are (N, 3, S, S) RGB, uint8 until they are used."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from datasets.coco import Dataset, Image, read_coco
from training.bundle import class_names
from training.devices import be_deterministic, channels_last, has_fast_bfloat16, training_device
from training.errors import NothingToTrain
from training.jobs import ClassifierJob, OnEpoch
from training.outputs import History, read_weights, write_outputs
from training.predictors import Letterbox, decode_image
from training.settings import ClassifierSettings, epochs_within

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def train_classifier(job: ClassifierJob, *, on_epoch: OnEpoch) -> None:
    """Train as the job says and fill `job.out`. Raises NothingToTrain."""
    dataset = read_coco(job.dataset, job.taxonomy).live
    tagged = training_images(dataset)
    if not tagged:
        raise NothingToTrain(f"{job.dataset} has no tagged image in the train split; tag some, or check the split")
    if job.settings.threads:
        torch.set_num_threads(job.settings.threads)
    be_deterministic(seed=job.seed)
    device = training_device()
    model = channels_last(_model(job, classes=len(class_names(job.taxonomy, "classifier"))).to(device))
    pictures = _read_pictures([image for image, _ in tagged], job.store, job.settings.image_size)
    targets = torch.tensor([target for _, target in tagged])
    history = _fit(model, pictures.to(device), targets.to(device), job.settings, on_epoch)
    write_outputs(job, model, nn.Sequential(Normalise(), model, nn.Softmax(dim=1)), history)


def training_images(dataset: Dataset) -> list[tuple[Image, int]]:
    """The train images with one tag, each with its class by output index; of several tags none is the truth."""
    index_of = {category_id: index for index, category_id in enumerate(dataset.taxonomy.ids("tag"))}
    train = (image for image in dataset.images if image.split == "train" and len(image.tags) == 1)
    return [(image, index_of[image.tags[0].category_id]) for image in train]


class Normalise(nn.Module):
    """ImageNet's mean and deviation, inside the graph, so that a served model needs to be told nothing."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def _model(job: ClassifierJob, *, classes: int) -> nn.Module:
    settings = job.settings
    model: nn.Module = timm.create_model(
        settings.model,
        pretrained=settings.pretrained and job.initial_weights is None,
        num_classes=classes,
        drop_rate=settings.dropout,
    )
    if job.initial_weights:
        read_weights(job.initial_weights, model)
    return model


def _read_pictures(images: list[Image], store: Path, size: int) -> Tensor:
    def picture(image: Image) -> Tensor:
        pixels = decode_image((store / image.file_name).read_bytes())
        return torch.from_numpy(Letterbox(size, *pixels.shape[:2]).place(pixels)).permute(2, 0, 1)

    return torch.stack([picture(image) for image in images])


def _fit(
    model: nn.Module, pictures: Tensor, targets: Tensor, settings: ClassifierSettings, on_epoch: OnEpoch
) -> History:
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    epochs = epochs_within(settings, images=len(targets))
    batches = len(list(_batches(len(targets), settings.batch)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=settings.learning_rate, total_steps=epochs * batches
    )
    normalise = Normalise().to(pictures.device)
    history: History = []
    for epoch in range(1, epochs + 1):
        model.train()
        losses = []
        for chosen in _batches(len(targets), settings.batch):
            images = normalise(augment(pictures[chosen], brightness=settings.brightness))
            losses.append(_step(model, images, targets[chosen], optimizer))
            schedule.step()
        mean = float(np.mean(losses))
        history.append({"epoch": epoch, "loss": mean})
        on_epoch(epoch, epochs, {"loss": mean})
    return history


def _batches(count: int, size: int) -> Iterator[Tensor]:
    """Shuffled indices in batches; a last batch of one is left out, batch normalisation cannot learn from it."""
    return (chosen for chosen in torch.split(torch.randperm(count), size) if len(chosen) > 1 or count == 1)


def _step(model: nn.Module, images: Tensor, targets: Tensor, optimizer: torch.optim.Optimizer) -> float:
    device = images.device
    with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
        logits = model(images.contiguous(memory_format=torch.channels_last))
    loss = functional.cross_entropy(logits.float(), targets)
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()
    return loss.item()


def augment(pictures: Tensor, *, brightness: float) -> Tensor:
    """uint8 pictures as floats in [0, 1]: every second one mirrored, each made lighter or darker."""
    images = pictures.float() / 255
    mirrored = torch.rand(len(images)) < 0.5
    images[mirrored] = images[mirrored].flip(-1)
    factors = 1 + brightness * (2 * torch.rand(len(images), 1, 1, 1) - 1)
    return (images * factors.to(images.device)).clamp(0, 1)
