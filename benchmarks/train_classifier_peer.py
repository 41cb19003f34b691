"""One peer of benchmarks.train_classifier, alone in its process: `… PEER FOLDER SETTINGS_JSON SEED`."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.turns import Figures, timed
from training.classifying.fitting import ClassifierFitting
from training.classifying.pictures import Normalise, read_pictures
from training.classifying.samples import read_samples
from training.devices import channels_last, half_precision, training_device
from training.predictors import Letterbox, decode_image
from training.settings import ClassifierSettings

NAMES = ("dark", "light")
BRIGHTNESS = 0.3


def run_peer(peer: str, folder: Path, asked: dict[str, Any], seed: int) -> Figures:
    """Seconds, peak memory, and each epoch's mean loss."""
    if asked["threads"]:
        torch.set_num_threads(asked["threads"])
    torch.manual_seed(seed)
    device = training_device()
    model = timm.create_model(asked["model"], num_classes=len(NAMES)).to(device)
    work = _carloop if peer == "carloop" else _plain
    losses, figures = timed(lambda: work(model, folder, asked, seed))
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return {**figures, "losses": losses, "device": name}


def _carloop(model: nn.Module, folder: Path, asked: dict[str, Any], seed: int) -> list[float]:
    settings = ClassifierSettings(
        model=asked["model"],
        image_size=asked["size"],
        batch=asked["batch"],
        epochs=asked["epochs"],
        workers=max(1, asked["workers"]),
        brightness=BRIGHTNESS,
    )
    samples = read_samples(folder / "manifest.csv", NAMES, store=folder).of("train")
    train = read_pictures(samples, size=settings.image_size, workers=settings.workers)
    normalise = Normalise(model.default_cfg["mean"], model.default_cfg["std"])  # type: ignore[index,arg-type]
    val = read_pictures([], size=settings.image_size)
    fitting = ClassifierFitting(
        channels_last(model), normalise, train, val, settings, classes=len(NAMES), seed=seed, batch=asked["batch"]
    )
    return [row["loss"] for row in fitting.run(lambda *_: None)]


class _Files(Dataset[tuple[Tensor, int]]):
    """Decoded, letterboxed, mirrored and brightened each time that they are asked for."""

    def __init__(self, folder: Path, size: int, mean: Any, std: Any) -> None:
        with (folder / "manifest.csv").open() as handle:
            self.rows = [(folder / row["path"], NAMES.index(row["label"])) for row in csv.DictReader(handle)]
        self.size = size
        self.mean, self.std = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        path, target = self.rows[number]
        pixels = decode_image(path.read_bytes())
        square = Letterbox(self.size, *pixels.shape[:2]).place(pixels)
        image = torch.from_numpy(square).permute(2, 0, 1).float() / 255
        if torch.rand(()) < 0.5:
            image = image.flip(-1)
        factor = 1 + BRIGHTNESS * (2 * torch.rand(()) - 1)
        return ((image * factor).clamp(0, 1) - self.mean) / self.std, target


def _plain(model: nn.Module, folder: Path, asked: dict[str, Any], seed: int) -> list[float]:
    device = next(model.parameters()).device
    config: Any = model.default_cfg
    loader = DataLoader(
        _Files(folder, asked["size"], config["mean"], config["std"]),
        batch_size=asked["batch"],
        shuffle=True,
        num_workers=asked["workers"],
        pin_memory=device.type == "cuda",
        persistent_workers=asked["workers"] > 0,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.001, total_steps=asked["epochs"] * len(loader))
    epochs = []
    for _ in range(asked["epochs"]):
        model.train()
        losses = []
        for images, targets in loader:
            images, targets = images.to(device, non_blocking=True), targets.to(device, non_blocking=True)
            with torch.autocast(device.type, half_precision(device), enabled=half_precision(device) is not None):
                loss = nn.functional.cross_entropy(model(images), targets)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        epochs.append(float(np.mean([float(loss) for loss in losses])))
    return epochs


if __name__ == "__main__":
    figures = run_peer(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4]))
    print(json.dumps(figures))
