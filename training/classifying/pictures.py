"""Pictures made ready once: decoded, letterboxed, kept as (N, S, S, 3) uint8 RGB."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.classifying.samples import Sample
from training.errors import NothingToTrain, UndecodableImage
from training.predictors import Letterbox, Pixels, decode_ahead

MOST_BYTES_IN_MEMORY = 4 * 2**30


@dataclass(frozen=True)
class Pictures:
    """`pixels` (N, S, S, 3) uint8, `targets` (N,); `notes` tell of the files that were skipped."""

    pixels: Tensor
    targets: Tensor
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> "Pictures":
        """On the device, where they fill less than a quarter of what is free there."""
        if device.type != "cuda" or self.pixels.numel() > torch.cuda.mem_get_info(device)[0] / 4:
            return self
        return Pictures(self.pixels.to(device), self.targets.to(device), self.notes)

    def batch(self, chosen: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Some as (n, 3, S, S) uint8 with their channels innermost in memory, and their targets."""
        chosen = chosen.to(self.pixels.device)
        images, targets = self.pixels[chosen], self.targets[chosen]
        return images.to(device, non_blocking=True).permute(0, 3, 1, 2), targets.to(device, non_blocking=True)


def read_pictures(samples: Sequence[Sample], *, size: int, workers: int = 2) -> Pictures:
    """Decode each once; what is missing, broken or too large is skipped and noted.

    More than MOST_BYTES_IN_MEMORY go to a file that the system keeps in memory as it can.

    Raises:
        NothingToTrain: there are samples and none can be decoded.
    """
    pixels = _room(len(samples), size)
    targets: list[int] = []
    bad: list[str] = []
    for sample, decoded in decode_ahead(read_contents(samples), threads=workers):
        if isinstance(decoded, UndecodableImage):
            bad.append(why_skipped(sample, decoded))
            continue
        pixels[len(targets)] = Letterbox(size, *decoded.shape[:2]).place(decoded)
        targets.append(sample.target)
    if samples and not targets:
        raise NothingToTrain(f"none of {len(samples)} images can be decoded, {bad[0]}")
    notes = (f"{len(bad)} of {len(samples)} images cannot be decoded and were skipped, {bad[0]}",) if bad else ()
    return Pictures(torch.from_numpy(pixels[: len(targets)]), torch.tensor(targets, dtype=torch.long), notes)


def read_contents(samples: Sequence[Sample]) -> Iterator[tuple[Sample, bytes]]:
    """Each with its file's bytes; none, which decode to no picture, where it cannot be read."""
    return ((sample, _read(sample.path)) for sample in samples)


def why_skipped(sample: Sample, error: UndecodableImage) -> str:
    """Which file gave no picture, and why."""
    return f"{sample.path}: {error if sample.path.is_file() else 'it is not there'}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _room(count: int, size: int) -> Pixels:
    shape = (count, size, size, 3)
    if np.prod(shape, dtype=np.int64) <= MOST_BYTES_IN_MEMORY:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as handle:
        return np.memmap(handle, np.uint8, shape=shape)


class Normalise(nn.Module):
    """A network's mean and deviation, inside the graph, so that a served model needs to be told nothing."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def augment(pictures: Tensor, *, brightness: float, zoom: float = 0, upside_down: bool = False) -> Tensor:
    """uint8 pictures as floats in [0, 1]: every second one mirrored, each made lighter or darker.

    With `zoom` each is scaled by 1 ± zoom and moved by up to zoom of its side; with `upside_down` every second one is
    turned over too, as suits pictures taken from above.
    """
    images = pictures.float() / 255
    mirrored = torch.rand(len(images)) < 0.5
    images[mirrored] = images[mirrored].flip(-1)
    if upside_down:
        turned = torch.rand(len(images)) < 0.5
        images[turned] = images[turned].flip(-2)
    if zoom:
        images = _zoomed(images, zoom)
    factors = 1 + brightness * (2 * torch.rand(len(images), 1, 1, 1) - 1)
    return (images * factors.to(images.device)).clamp(0, 1)


def _zoomed(images: Tensor, zoom: float) -> Tensor:
    scales, right, down = 1 + zoom * (2 * torch.rand(3, len(images)) - 1)
    rows = torch.zeros(len(images), 2, 3)
    rows[:, 0, 0], rows[:, 1, 1] = scales, scales
    rows[:, 0, 2], rows[:, 1, 2] = right - 1, down - 1
    grid = nn.functional.affine_grid(rows.to(images.device), list(images.shape), align_corners=False)
    moved = nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return moved.contiguous(memory_format=torch.channels_last)
