"""How the search for near-duplicates grows: pictures by the ten thousand, blended from parts of real photographs.

Each picture is the mean, in unequal shares, of two parts of two photographs, so that its frequencies and contrasts are
those of photographs and no two are alike. Every tenth is an edit (cropped, mirrored, brighter or blurred) of the one
before, so that there is something to verify.
"""

import io
import time
from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from datasets.duplicates.descriptor import DESCRIPTOR, describe
from datasets.duplicates.pairs import find_pairs

_SIDE = 160
_STEPS = (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)

Grey = NDArray[np.uint8]


class HasContent(Protocol):
    @property
    def content(self) -> bytes: ...


def measure_growth(photographs: Sequence[HasContent], most: int, *, seed: int) -> dict[str, Any]:
    """Processor seconds and recall of find_pairs for 1,000 to `most` pictures, and the exponent fitted to them."""
    descriptors, planted = blend([_grey(photograph.content) for photograph in photographs], most, seed=seed)
    rows = [_timed(descriptors[:count], planted) for count in sorted({*_STEPS, most}) if count <= most]
    counts, seconds = np.log([row["images"] for row in rows]), np.log([row["seconds"] for row in rows])
    exponent = float(np.polyfit(counts, seconds, 1)[0]) if len(rows) > 1 else float("nan")
    return {"exponent": exponent, "rows": rows}


def blend(greys: Sequence[Grey], count: int, *, seed: int) -> tuple[NDArray[np.void], set[tuple[int, int]]]:
    """`count` descriptors of blended pictures, and the pairs that are planted among them."""
    random = np.random.default_rng(seed)
    descriptors = np.empty(count, DESCRIPTOR)
    planted: set[tuple[int, int]] = set()
    picture = greys[0]
    for number in range(count):
        if number % 10 == 9:
            planted.add((number - 1, number))
            picture = _edit(picture, random)
        else:
            share = random.uniform(0.35, 0.65)
            picture = np.rint(share * _part(greys, random) + (1 - share) * _part(greys, random)).astype(np.uint8)
        descriptors[number] = describe(picture)
    return descriptors, planted


def _timed(descriptors: NDArray[np.void], planted: set[tuple[int, int]]) -> dict[str, Any]:
    started = time.process_time()
    pairs = find_pairs(descriptors)
    seconds = time.process_time() - started
    there = {pair for pair in planted if pair[1] < len(descriptors)}
    found = there & {(pair.one, pair.other) for pair in pairs}
    return {
        "images": len(descriptors),
        "seconds": seconds,
        "recall": len(found) / max(len(there), 1),
        "other_pairs": len(pairs) - len(found),
    }


def _grey(content: bytes) -> Grey:
    with PillowImage.open(io.BytesIO(content)) as picture:
        picture.draft("L", (_SIDE, _SIDE))
        return np.asarray(picture.convert("L").resize((_SIDE, _SIDE)))


def _part(greys: Sequence[Grey], random: np.random.Generator) -> Grey:
    grey = greys[int(random.integers(len(greys)))]
    side = round(random.uniform(0.3, 0.7) * _SIDE)
    top, left = random.integers(0, _SIDE - side, 2)
    part = cv2.resize(grey[top : top + side, left : left + side], (_SIDE, _SIDE))
    mirrored: Grey = part[:, ::-1] if random.random() < 0.5 else part
    return mirrored


def _edit(picture: Grey, random: np.random.Generator) -> Grey:
    kind = random.integers(4)
    if kind == 0:
        top, bottom, left, right = random.integers(4, 9, 4)
        return np.ascontiguousarray(picture[top:-bottom, left:-right])
    if kind == 1:
        return np.ascontiguousarray(picture[:, ::-1])
    if kind == 2:
        picture = np.clip(picture * 1.2, 0, 255).astype(np.uint8)
        return picture
    picture = cv2.GaussianBlur(picture, (0, 0), 1.0)
    return picture
