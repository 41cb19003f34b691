"""Run-length masks as COCO writes them, read without pycocotools, whose C code trusts what it is given.

Source of the format: `rleFrString` in https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.validation.text import is_number

_MOST_PIXELS = 2**31
_MOST_GROUP = 7


@dataclass(frozen=True, slots=True)
class Mask:
    """`runs` of pixels off, on, off... down the columns of an image of `height` x `width` pixels."""

    height: int
    width: int
    runs: NDArray[np.int64]

    @property
    def area(self) -> int:
        """Pixels that are on."""
        return int(self.runs[1::2].sum())

    @property
    def bbox_xywh(self) -> tuple[float, float, float, float] | None:
        """The extent of the pixels that are on, None if none is."""
        ends = np.cumsum(self.runs)
        first, last = (ends - self.runs)[1::2], ends[1::2] - 1
        first, last = first[self.runs[1::2] > 0], last[self.runs[1::2] > 0]
        if not len(first):
            return None
        left, right = int(first.min()) // self.height, int(last.max()) // self.height
        crossing = first // self.height != last // self.height
        top = 0 if crossing.any() else int((first % self.height).min())
        bottom = self.height - 1 if crossing.any() else int((last % self.height).max())
        return float(left), float(top), float(right - left + 1), float(bottom - top + 1)


def read_mask(value: Any) -> Mask:
    """The mask in a segmentation `{"size": [height, width], "counts": [...] or "..."}`.

    Raises:
        ValueError: a key is missing or of another type, or the counts do not decode or do not fill the size; the
            message says which.
    """
    if not isinstance(value, dict):
        raise ValueError("no object")
    height, width = _read_size(value.get("size"))
    runs = _read_counts(value.get("counts"))
    if (runs < 0).any():
        raise ValueError("a count is negative")
    with np.errstate(over="ignore"):
        filled = int(runs.astype(np.float64).sum())
    if filled != height * width:
        raise ValueError(f"the counts fill {filled} pixels, size [{height}, {width}] has {height * width}")
    return Mask(height, width, runs)


def _read_size(size: Any) -> tuple[int, int]:
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise ValueError("size is not [height, width] in pixels")
    if size[0] * size[1] > _MOST_PIXELS:
        raise ValueError(f"size {size[0]} x {size[1]} is larger than any image")
    return size[0], size[1]


def _read_counts(counts: Any) -> NDArray[np.int64]:
    if isinstance(counts, str):
        return _decode(counts)
    if not isinstance(counts, list) or not all(is_number(count) and type(count) is int for count in counts):
        raise ValueError("counts are neither a text nor a list of integers")
    if any(abs(count) > _MOST_PIXELS for count in counts):
        raise ValueError("a count is larger than any image")
    return np.array(counts, np.int64)


def _decode(text: str) -> NDArray[np.int64]:
    """Counts from their text form: five bits a character, from 48 on, the sixth says that the number goes on."""
    if not text.isascii():
        raise ValueError("counts hold characters that no mask has")
    codes = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    if not len(codes):
        return np.zeros(0, np.int64)
    if codes.min() < 0 or codes.max() > 63:
        raise ValueError("counts hold characters that no mask has")
    ends = np.flatnonzero(codes & 0x20 == 0)
    if not len(ends) or ends[-1] != len(codes) - 1:
        raise ValueError("counts are cut short")
    starts = np.append(0, ends[:-1] + 1)
    if (ends - starts).max() >= _MOST_GROUP:
        raise ValueError("a count is larger than any image")
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, ends - starts + 1))
    values = np.add.reduceat((codes & 0x1F) << shifts, starts)
    values -= np.where(codes[ends] & 0x10, np.int64(1) << (shifts[ends] + 5), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
