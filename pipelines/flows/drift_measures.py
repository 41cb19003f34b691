"""What `drift` measures of images, and how the measures of two sets of images are compared.

Measures are averaged over a family, for photographs of one car are no independent draws. Each measure's two
distributions are compared by the Kolmogorov-Smirnov test, all together at a false discovery rate (Benjamini and
Hochberg, 1995).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from msgspec import Struct
from scipy.stats import false_discovery_control, ks_2samp

from datasets.coco import Image
from datasets.selecting.pool import Floats
from pipelines.flows.settings import DriftSettings
from pipelines.selecting.handmade import principal
from training.errors import UndecodableImage
from training.predictors import Pixels, decode_ahead

STATISTICS = ("brightness", "contrast", "saturation", "warmth", "sharpness", "megapixels", "width by height")
_COMPONENTS = 8
_SIDE = 256


@dataclass(frozen=True)
class Measured:
    """Images that could be decoded, and their measures: statistics (N, S) and what a model sees of each (N, D)."""

    images: tuple[Image, ...]
    statistics: Floats
    features: Floats


class Row(Struct, frozen=True):
    """A measure: medians on both sides, the distance of its distributions in [0, 1], the adjusted p, the verdict."""

    measure: str
    before: float
    now: float
    distance: float
    p: float
    has_drifted: bool

    def shown(self) -> dict[str, Any]:
        told = {**msgspec.to_builtins(self), "has_drifted": "yes" if self.has_drifted else "no"}
        return {name.replace("_", " "): value for name, value in told.items()}


def measure_images(
    images: Sequence[Image], store: Path, embed: Callable[[Pixels], Floats], advance: Callable[[], object]
) -> Measured:
    """Measures of images of a store; those that cannot be decoded are left out. `advance` is called for each."""
    of = {image.sha256: image for image in images}
    seen, statistics, features = [], [], []
    for sha256, pixels in decode_ahead((image.sha256, (store / image.file_name).read_bytes()) for image in images):
        advance()
        if not isinstance(pixels, UndecodableImage):
            seen.append(of[sha256])
            statistics.append(statistics_of(pixels))
            features.append(embed(pixels))
    return Measured(tuple(seen), np.array(statistics, np.float32), np.array(features, np.float32))


def statistics_of(pixels: Pixels) -> list[float]:
    """`STATISTICS` of a picture, (H, W, 3) RGB: the first five from one of about 256 pixels' side.

    Brightness, contrast, saturation in [0, 1]; warmth is the mean of Lab's b in [-1, 1]; sharpness is the logarithm of
    the Laplacian's variance (Pech-Pacheco et al., 2000).
    """
    height, width = pixels.shape[:2]
    scale = _SIDE / max(height, width)
    small = cv2.resize(
        pixels, (max(round(width * scale), 1), max(round(height * scale), 1)), interpolation=cv2.INTER_AREA
    )
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    saturation = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)[..., 1].mean() / 255
    warmth = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)[..., 2].astype(np.float32).mean() / 128 - 1
    sharpness = np.log(cv2.Laplacian(grey, cv2.CV_32F).var() + 1e-6)
    light = (grey.mean(), grey.std(), saturation, warmth, sharpness)
    return [*map(float, light), height * width / 1e6, width / height]


def values_of(sides: Sequence[Measured]) -> tuple[list[str], list[Floats]]:
    """The names of M measures and their values, (N, M) of each side: statistics and principal parts of all features."""
    components = principal(np.concatenate([side.features for side in sides]))[:, :_COMPONENTS]
    values = np.hstack([np.concatenate([side.statistics for side in sides]), components])
    names = [*STATISTICS, *(f"look {number + 1}" for number in range(components.shape[1]))]
    return names, np.split(values, np.cumsum([len(side.images) for side in sides])[:-1])


def by_family(images: Sequence[Image], values: Floats) -> Floats:
    """(F, M) means of (N, M) values over each family."""
    rows: Mapping[str, list[int]] = defaultdict(list)
    for row, image in enumerate(images):
        rows[image.family].append(row)
    return np.array([values[found].mean(0) for found in rows.values()])


def compare_measures(names: Sequence[str], now: Floats, before: Floats, settings: DriftSettings) -> list[Row]:
    """Each of M measures of (F, M) and (G, M) families; F and G are at least 1."""
    found = [ks_2samp(now[:, at], before[:, at]) for at in range(len(names))]
    adjusted = false_discovery_control([one.pvalue for one in found])
    return [
        Row(
            measure=name,
            before=float(np.median(before[:, at])),
            now=float(np.median(now[:, at])),
            distance=float(one.statistic),
            p=float(p),
            has_drifted=bool(p < settings.significance and one.statistic >= settings.least_effect),
        )
        for at, (name, one, p) in enumerate(zip(names, found, adjusted, strict=True))
    ]
