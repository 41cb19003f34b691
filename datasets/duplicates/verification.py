"""Verify candidates: from many cheap looks at half the side to a few exact ones, in batches of pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.duplicates.alignment import correlate, halve, measure, refine, shift_roughly
from datasets.duplicates.candidates import Candidates

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]

_HOPELESS = 0.42  # correlation in whole pixels of half the side
_UNLIKELY = 0.7  # correlation after alignment at half the side
_ROUGH_STEPS, _FINE_STEPS = 4, 4
_MANY, _FEW = 256, 64  # pairs at once, of small and of whole pictures: what a processor's cache holds


@dataclass(frozen=True, slots=True)
class Verified:
    """What is left of the candidates, V of them.

    candidate: (V,) index among the candidates; scale, shift: (V, 2), place u of one is s·u + t of other (which is
    mirrored first where the candidate says so), for x and y, in fractions of the frame; score, weakest: (V,).
    """

    candidate: NDArray[np.int64]
    scale: Floats
    shift: Floats
    score: Floats
    weakest: Floats


def verify(greys: NDArray[np.uint8], textures: NDArray[np.int8], candidates: Candidates) -> Verified:
    """Align the candidates among (N, SIDE, SIDE) pictures and measure their agreement; hopeless ones are left out."""
    halves = halve(textures)

    def look(numbers: Integers) -> tuple[Integers, Floats, Floats]:
        scale = np.repeat(1 / candidates.zoom[numbers, None], 2, axis=1)
        one, which = np.unique(candidates.one[numbers], return_inverse=True)
        others = _others(halves, candidates, numbers)
        shift, hope = shift_roughly(halves[one].astype(np.float32), which, others, scale)
        kept = hope >= _HOPELESS
        return numbers[kept], scale[kept], shift[kept]

    def align(numbers: Integers, scale: Floats, shift: Floats) -> tuple[Integers, Floats, Floats]:
        ones, others = _pictures(halves, candidates, numbers)
        scale, shift = refine(ones, others, scale, shift, steps=_ROUGH_STEPS)
        kept = correlate(ones, others, scale, shift) >= _UNLIKELY
        return numbers[kept], scale[kept], shift[kept]

    def judge(numbers: Integers, scale: Floats, shift: Floats) -> tuple[Integers, Floats, Floats, Floats, Floats]:
        scale, shift = refine(*_pictures(textures, candidates, numbers), scale, shift, steps=_FINE_STEPS)
        agreement = measure(*_pictures(greys, candidates, numbers), scale, shift)
        return numbers, scale, shift, agreement.score, agreement.weakest

    likely = _in_batches(look, _MANY, np.arange(len(candidates.one)))
    aligned = _in_batches(align, _MANY, *likely)
    return Verified(*_in_batches(judge, _FEW, *aligned))


def _in_batches(
    function: Callable[..., tuple[NDArray[Any], ...]], size: int, *columns: NDArray[Any]
) -> list[NDArray[Any]]:
    """What a function of columns gives when it is called with `size` rows at a time; once for no rows."""
    starts = range(0, max(len(columns[0]), 1), size)
    parts = [function(*(column[start : start + size] for column in columns)) for start in starts]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _pictures(planes: NDArray[Any], candidates: Candidates, numbers: Integers) -> tuple[Floats, Floats]:
    return planes[candidates.one[numbers]].astype(np.float32), _others(planes, candidates, numbers)


def _others(planes: NDArray[Any], candidates: Candidates, numbers: Integers) -> Floats:
    """The others of some candidates, mirrored where the candidate says so."""
    others = planes[candidates.other[numbers]]
    mirrored = candidates.mirrored[numbers]
    others[mirrored] = others[mirrored, :, ::-1]
    return others.astype(np.float32)
