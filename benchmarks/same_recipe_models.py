"""Small classifiers of one recipe for benchmarks.same_recipe: rendered cars, clean or dirty, and what each says of it.

All is kept in a folder: the cars once rendered, and each model's answers, so that a run goes on where it was.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datasets.files import digest, write_bytes
from training.evaluation.matching import Floats, Ints

if TYPE_CHECKING:
    import torch
    from torch import nn

SIDE = 64
_BATCH, _LEARNING_RATE, _WIDTH = 32, 4e-3, 16


@dataclass(frozen=True)
class Pictures:
    """N pictures of cars, (N, 3, SIDE, SIDE) RGB; `dirty` is (N,) of 0 and 1, `cars` (N,) are the cars' numbers."""

    pixels: NDArray[np.uint8]
    dirty: Ints
    cars: Ints

    def only(self, chosen: NDArray[np.bool_]) -> "Pictures":
        return Pictures(self.pixels[chosen], self.dirty[chosen], self.cars[chosen])


@dataclass(frozen=True)
class Training:
    """One model: trained from scratch on cars 0 to `train_cars`, tested on `test_cars` others; `seed` is its own."""

    train_cars: int
    epochs: int
    seed: int
    test_from: int
    test_cars: int
    cars_seed: int

    def file(self, folder: Path) -> Path:
        return folder / f"{digest(asdict(self))[:16]}.npy"


def render(path: Path, *, cars: int, seed: int) -> None:
    """All photographs of cars 0 to `cars`, unless they are there."""
    if path.exists():
        return
    from datasets.rendering.render import render_car

    frames = [(car, frame) for car in range(cars) for frame in render_car(car, seed=seed, size=SIDE)]
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = io.BytesIO()
    np.savez_compressed(
        kept,
        pixels=np.stack([frame.pixels for _, frame in frames]).transpose(0, 3, 1, 2),
        dirty=np.array([frame.cleanliness == "dirty" for _, frame in frames], np.int64),
        cars=np.array([car for car, _ in frames], np.int64),
    )
    write_bytes(path, kept.getvalue())


@cache
def read_pictures(path: Path) -> Pictures:
    with np.load(path) as kept:
        return Pictures(kept["pixels"], kept["dirty"], kept["cars"])


def answers(
    folder: Path, pictures: Path, trainings: Sequence[Training], *, jobs: int, on_model: Callable[[], None]
) -> dict[Training, Floats]:
    """The probability of dirt on each test picture, (N,), by model; those that are not in the folder are trained."""
    missing = [training for training in trainings if not training.file(folder).exists()]
    for training, dirt in _trained(pictures, missing, jobs):
        kept = io.BytesIO()
        np.save(kept, dirt)
        write_bytes(training.file(folder), kept.getvalue())
        on_model()
    return {training: np.load(training.file(folder)) for training in trainings}


def _trained(pictures: Path, trainings: Sequence[Training], jobs: int) -> Iterator[tuple[Training, Floats]]:
    if not trainings:
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(fit, pictures, training): training for training in trainings}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


def for_testing(pictures: Pictures, training: Training) -> Pictures:
    """Those that a model is tested on."""
    first = training.test_from
    return pictures.only((pictures.cars >= first) & (pictures.cars < first + training.test_cars))


def fit(path: Path, training: Training) -> Floats:
    """Train a network of four convolutions; the probability of dirt on each test picture, (N,)."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    torch.manual_seed(training.seed)
    pictures = read_pictures(path)
    train = pictures.only(pictures.cars < training.train_cars)
    network, pixels, dirty = _network(), _scaled(train), torch.from_numpy(train.dirty)
    steps = training.epochs * -(-len(dirty) // _BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), _LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
    for _ in range(training.epochs):
        for chosen in torch.split(torch.randperm(len(dirty)), _BATCH):
            shown = pixels[chosen].flip(3) if torch.rand(()) < 0.5 else pixels[chosen]
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(shown), dirty[chosen], label_smoothing=0.05)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.inference_mode():
        dirt: Floats = network(_scaled(for_testing(pictures, training))).softmax(1)[:, 1].numpy().astype(np.float64)
    return dirt


def _network() -> "nn.Sequential":
    from torch import nn

    width = _WIDTH
    layers = [
        layer
        for before, after in ((3, width), (width, 2 * width), (2 * width, 4 * width), (4 * width, 4 * width))
        for layer in (nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
    ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * width, 2))


def _scaled(pictures: Pictures) -> "torch.Tensor":
    import torch

    return (torch.from_numpy(pictures.pixels).float() / 255 - 0.45) / 0.25
