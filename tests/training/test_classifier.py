"""Training a tiny timm network on squares: red ones are dirty, blue ones clean."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from datasets.errors import BadInput
from datasets.taxonomy import Category, Taxonomy
from tests.training.group import learn_together
from training.classifier import train_classifier
from training.classifying.fitting import ClassifierFitting, class_weights_of
from training.classifying.network import make_network
from training.classifying.pictures import Normalise, Pictures, augment
from training.errors import NothingToTrain, TrainingFailed
from training.jobs import ClassifierJob, run_training
from training.processes import require_devices
from training.settings import ClassifierSettings

TAXONOMY = Taxonomy(categories=(Category(name="dirty", kind="tag"), Category(name="clean", kind="tag")))
SETTINGS = ClassifierSettings(
    model="test_resnet", image_size=32, epochs=8, batch=8, ema_decay=0.9, threads=1, checkpoint_seconds=0
)
NETWORK_SEED = 1


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pictures by a CSV manifest: 16 to train on, 4 to validate with, 4 to test."""
    folder = tmp_path_factory.mktemp("squares")
    chance = np.random.default_rng(0)
    lines = ["path,label,split"]
    for number in range(24):
        pixels = chance.integers(80, 160, (32, 32, 3), dtype=np.uint8)
        pixels[4:24, 4:24] = (255, 0, 0) if number % 2 else (0, 0, 255)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
        lines.append(
            f"{number}.png,{('dirty', 'clean')[number % 2]},{['train', 'val', 'test'][max(0, number - 12) // 4]}"
        )
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder / "manifest.csv"


@pytest.fixture
def job(manifest: Path, tmp_path: Path) -> ClassifierJob:
    return ClassifierJob(
        dataset=manifest,
        taxonomy=TAXONOMY,
        store=manifest.parent,
        out=tmp_path / "run" / "best",
        checkpoints=tmp_path / "run" / "checkpoints",
        settings=SETTINGS,
    )


def train(job: ClassifierJob) -> list[dict[str, float]]:
    train_classifier(job, on_epoch=lambda *_: None)
    rows: list[dict[str, float]] = json.loads((job.out / "history.json").read_text())
    return rows


def test_a_killed_training_goes_on_to_the_same_curve_and_weights(job: ClassifierJob, tmp_path: Path) -> None:
    def kill(epoch: int, *_: object) -> None:
        if epoch == 2:
            for child in psutil.Process().children():
                if "training.worker" in child.cmdline():  # other tests' servers are children too
                    child.kill()

    with pytest.raises(TrainingFailed, match="killed"):
        run_training(job, log=tmp_path / "log", on_epoch=kill)
    told: list[int] = []
    train_classifier(job, on_epoch=lambda epoch, *_: told.append(epoch))

    undisturbed = job.model_copy(update={"out": tmp_path / "undisturbed", "checkpoints": None})

    assert train(undisturbed) == json.loads((job.out / "history.json").read_text())
    assert told[0] > 1
    resumed, whole = (load_file(folder / "weights.safetensors") for folder in (job.out, undisturbed.out))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_it_ends_when_the_val_part_gets_no_better(job: ClassifierJob) -> None:
    still = SETTINGS.model_copy(update={"learning_rate": 1e-12, "patience": 2, "epochs": 20, "ema_decay": None})

    history = train(job.model_copy(update={"settings": still, "checkpoints": None}))

    assert len(history) < 20
    assert {"val_macro_f1", "val_loss", "val_accuracy", "loss", "epoch", "batch"} == set(history[0])


def fitting(network: nn.Module, **changes: object) -> ClassifierFitting:
    pixels = torch.randint(0, 255, (16, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pictures = Pictures(pixels, torch.arange(16) % 2)
    settings = SETTINGS.model_copy(update={"epochs": 2, "ema_decay": None, "brightness": 0, "dropout": 0, **changes})
    empty = Pictures(pixels[:0], pictures.targets[:0])
    normalise = Normalise((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    return ClassifierFitting(
        network, normalise, pictures, empty, settings, classes=2, seed=0, batch=8, on_note=NOTES.append
    )


NOTES: list[str] = []


class Small(nn.Module):
    """A network that says it is out of memory when it gets more than `most` images."""

    def __init__(self, most: int) -> None:
        super().__init__()
        torch.manual_seed(NETWORK_SEED)
        self.most, self.head = most, nn.Linear(3, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.most:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {len(images)} images")
        logits: torch.Tensor = self.head(images.mean((2, 3)))
        return logits


def test_out_of_memory_halves_what_is_computed_at_once_and_learns_the_same() -> None:
    NOTES.clear()
    short, roomy = fitting(Small(most=3)), fitting(Small(most=8))

    history, expected = short.run(lambda *_: None), roomy.run(lambda *_: None)

    assert [row["batch"] for row in history] == [2, 2]
    assert [row["loss"] for row in history] == pytest.approx([row["loss"] for row in expected], rel=0.2)
    assert NOTES == [
        "memory ran out with 8 images at once; it goes on with 4",
        "memory ran out with 4 images at once; it goes on with 2",
    ]


def test_parts_of_a_batch_add_up_to_its_loss_and_gradient() -> None:
    whole, parted = fitting(Small(most=8), brightness=0.0), fitting(Small(most=8), brightness=0.0)
    parted.at_once = 3

    losses = [float(fit._step(torch.arange(8))["loss"]) for fit in (whole, parted)]

    assert losses[0] == pytest.approx(losses[1])
    for one, other in zip(whole.model.parameters(), parted.model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_half_precision_without_bfloat16_scales_its_gradients_and_learns_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = fitting(Small(most=8)).run(lambda *_: None)
    monkeypatch.setattr("training.fitting.half_precision", lambda _: torch.float16)
    halved = fitting(Small(most=8))

    history = halved.run(lambda *_: None)

    assert halved.scaler.get_scale() > 1
    assert [row["loss"] for row in history] == pytest.approx([row["loss"] for row in expected], rel=0.01)


def test_processes_that_share_each_batch_learn_as_one_does(tmp_path: Path) -> None:
    expected = fitting(Small(most=8)).run(lambda *_: None)

    histories = learn_together(lambda: fitting(Small(most=4)).run(lambda *_: None), tmp_path)  # four of eight each

    for told in histories:
        assert [row["loss"] for row in told] == pytest.approx([row["loss"] for row in expected], rel=1e-5)


def test_a_gpu_that_is_not_there_is_told() -> None:
    with pytest.raises(BadInput, match=r"devices names 98, 99, and \d+ of these GPUs can be used here"):
        require_devices([98, 99])


def test_a_class_none_of_whose_images_can_be_decoded_is_told(
    job: ClassifierJob, manifest: Path, tmp_path: Path
) -> None:
    rows = [f"{manifest.parent / str(number)}.png,dirty" for number in (0, 2)]
    (tmp_path / "broken.csv").write_text("\n".join(["path,label", *rows, "absent.png,clean"]))

    with pytest.raises(NothingToTrain, match=r"only images of 'dirty' can be decoded .*absent\.png: it is not there"):
        train_classifier(job.model_copy(update={"dataset": tmp_path / "broken.csv"}), on_epoch=lambda *_: None)


@pytest.mark.parametrize(("strength", "weights"), [(0, [1, 1]), (0.5, [0.8165, 1.4142]), (1, [0.6667, 2])])
def test_rare_classes_weigh_more(strength: float, weights: list[float]) -> None:
    found = class_weights_of(torch.tensor([0, 0, 0, 1]), 3, strength)

    assert found.tolist() == pytest.approx([*weights, 0], abs=1e-3)


def test_a_loss_that_is_no_number_is_told() -> None:
    network = Small(most=8)
    nn.init.constant_(network.head.bias, float("nan"))
    fit = fitting(network)

    with pytest.raises(TrainingFailed, match="loss of epoch 1 is nan; lower learning_rate"):
        fit.run(lambda *_: None)


def test_an_unknown_network_is_told_with_others() -> None:
    with pytest.raises(BadInput, match=r"timm has no network 'resnet19'; some that it has: .*resnet"):
        make_network(SETTINGS.model_copy(update={"model": "resnet19"}), classes=2, on_note=NOTES.append)


@pytest.mark.parametrize("changes", [{}, {"zoom": 0.3}, {"upside_down": True}])
def test_augmented_pictures_stay_in_range(changes: dict[str, float | bool]) -> None:
    pictures = torch.randint(0, 255, (4, 3, 16, 16), dtype=torch.uint8)

    images = augment(pictures, brightness=0.9, **changes)  # type: ignore[arg-type]

    assert images.shape == pictures.shape
    assert images.min() >= 0
    assert images.max() <= 1
