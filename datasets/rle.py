"""Masks as COCO's run lengths, decoded without pycocotools, whose C code trusts what it is given.

Source of the format: `rleFrString` in https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from datasets.records import BboxXywh, Rle

_MOST_PIXELS = 2**31
_MOST_CHARACTERS = 7


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
    def bbox_xywh(self) -> BboxXywh | None:
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

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(height, width) of 0 and 1."""
        columns = np.repeat((np.arange(len(self.runs)) & 1).astype(np.uint8), self.runs)
        return columns.reshape(self.width, self.height).T


def decode_mask(rle: Rle) -> Mask:
    """A mask of ours. Raises ValueError when it is broken, as `parse_mask` does."""
    return parse_mask({"size": list(rle.size), "counts": rle.counts})


def parse_mask(value: Any) -> Mask:
    """The mask in a segmentation `{"size": [height, width], "counts": [...] or "..."}`.

    Raises:
        ValueError: a key is missing or of another type, or the counts do not decode or do not fill the size; the
            message says which.
    """
    if not isinstance(value, dict):
        raise ValueError("no object")
    height, width = _parse_size(value.get("size"))
    runs = _parse_counts(value.get("counts"))
    if (runs < 0).any():
        raise ValueError("a count is negative")
    filled = int(runs.astype(np.float64).sum())
    if filled != height * width:
        raise ValueError(f"the counts fill {filled} pixels, size [{height}, {width}] has {height * width}")
    return Mask(height, width, runs)


def _parse_size(size: Any) -> tuple[int, int]:
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise ValueError("size is not [height, width] in pixels")
    if size[0] * size[1] > _MOST_PIXELS:
        raise ValueError(f"size {size[0]} x {size[1]} is larger than any image")
    return size[0], size[1]


def _parse_counts(counts: Any) -> NDArray[np.int64]:
    if isinstance(counts, str):
        return _decode(counts)
    if not isinstance(counts, list) or not all(type(count) is int for count in counts):
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
    if (ends - starts).max() >= _MOST_CHARACTERS:
        raise ValueError("a count is larger than any image")
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, ends - starts + 1))
    values = np.add.reduceat((codes & 0x1F) << shifts, starts)
    values -= np.where(codes[ends] & 0x10, np.int64(1) << (shifts[ends] + 5), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def encode_mask(mask: Mask) -> Rle:
    """A mask as compressed run lengths; never goes over its pixels, of which a short text may claim millions."""
    size = (mask.height, mask.width)
    return _rle(coco_mask.frPyObjects({"size": list(size), "counts": mask.runs.tolist()}, *size))


def encode_pixels(pixels: NDArray[Any]) -> Rle:
    """Pixels (height, width), zeros and others, as compressed run lengths."""
    return _rle(coco_mask.encode(np.asfortranarray(pixels != 0, dtype=np.uint8)))


def _rle(encoded: Any) -> Rle:
    height, width = encoded["size"]
    return Rle((height, width), encoded["counts"].decode("ascii"))
