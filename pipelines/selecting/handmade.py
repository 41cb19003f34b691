"""Features of a picture that need no trained network: where edges run, and where which colours are."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from datasets.coco import Image
from datasets.selecting.pool import Floats
from training.errors import UndecodableImage
from training.predictors import Letterbox, Pixels, decode_ahead

_SIDE, _GRID = 128, 4
_COMPONENTS = 64
_HOG = cv2.HOGDescriptor((_SIDE, _SIDE), (32, 32), (32, 32), (16, 16), 9)

Embed = Callable[[Pixels], Floats]


def handmade(pixels: Pixels) -> Floats:
    """(672,) numbers for a picture, (H, W, 3) RGB: histograms of gradients, mean and deviation of Lab colours.

    Both over the parts of a square of 128 pixels, 576 and 96 numbers.
    """
    square = Letterbox(_SIDE, *pixels.shape[:2]).place(pixels)
    edges = np.asarray(_HOG.compute(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY))).ravel()
    lab = cv2.cvtColor(square, cv2.COLOR_RGB2LAB).astype(np.float32) / 255
    step = _SIDE // _GRID
    parts = lab.reshape(_GRID, step, _GRID, step, 3)
    return np.concatenate([edges, parts.mean((1, 3)).ravel(), parts.std((1, 3)).ravel()]).astype(np.float32)


def featurise(images: Sequence[Image], store: Path, embed: Embed, *, advance: Callable[[], object]) -> Floats:
    """(N, D) features of images, D at most 64: the principal parts of what `embed` gives. Raises UndecodableImage."""
    contents = ((image.sha256, (store / image.file_name).read_bytes()) for image in images)
    rows = []
    for _, pixels in decode_ahead(contents):
        if isinstance(pixels, UndecodableImage):
            raise pixels
        rows.append(embed(pixels))
        advance()
    return principal(np.array(rows, np.float32))


def principal(features: Floats) -> Floats:
    """(N, D) features as their first 64 principal components, all standardised first and to one total variance of 1."""
    deviation = features.std(0)
    standard = (features - features.mean(0)) / np.where(deviation > 0, deviation, 1)
    sides, sizes, _ = np.linalg.svd(standard, full_matrices=False)
    components: Floats = (sides * sizes)[:, :_COMPONENTS] / np.sqrt(standard.shape[1])
    return components
