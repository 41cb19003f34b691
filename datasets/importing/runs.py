"""COCO's run lengths: those of foreign files are checked before C code may read them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from datasets.coco import Rle

Size = tuple[int, int]


def rle_from_runs(runs: Sequence[int], size: Size) -> Rle:
    """Plain run lengths over a mask of `size` (height, width). Raises ValueError when they do not fill it."""
    if min(*size, *runs, 0) < 0 or sum(runs) != size[0] * size[1] or not runs:
        raise ValueError(f"run lengths of {sum(runs)} pixels for a mask of {size[0]} x {size[1]}")
    encoded = coco_mask.frPyObjects({"size": list(size), "counts": list(runs)}, *size)
    return Rle(size, encoded["counts"].decode("ascii"))


def rle_from_text(text: str, size: Size) -> Rle:
    """Compressed run lengths. Raises ValueError when they do not fill a mask of `size` (height, width)."""
    return rle_from_runs(_decompress(text), size)


def decode_mask(rle: Rle) -> NDArray[np.uint8]:
    """A mask's pixels (height, width), 0 or 1."""
    runs = _decompress(rle.counts)
    return np.repeat(np.arange(len(runs), dtype=np.uint8) % 2, runs).reshape(rle.size, order="F")


def _decompress(text: str) -> list[int]:
    """The runs in a text of 6-bit characters: five bits of a number each, and whether more follow (maskApi.c)."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text.encode("ascii"):
        bits = character - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{chr(character)!r} is no part of run lengths")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        value -= (1 << shift) if bits & 0x10 else 0
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    return runs
