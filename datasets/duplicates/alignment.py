"""Lay one picture over another and measure how well they agree, for many pairs at once.

Places are fractions of a picture's width and height. An alignment maps the place u of one picture to s·u + t of the
other, for each axis (x, y). It is found by correlation for whole pixels and then by Gauss-Newton steps (Lucas and
Kanade 1981; Baker and Matthews 2004, https://doi.org/10.1023/B:VISI.0000011205.11775.fd). A warp that only scales and
shifts is two small matrix products: rows, then columns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from datasets.duplicates.descriptor import SIDE
from datasets.duplicates.texture import normalise, soften

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]

_MOST_SCALE = 1.5  # nor less than its inverse
_SETTLED = 0.05  # texture pixels: a smaller step is the last
_REACH = 0.14  # of the frame: how far off the middle a part may lie
_BLOCKS = 4  # per axis
_SMALLEST = 0.4  # of a block: a smaller part of it is not judged
_BURNT = 248  # grey level: what is brighter may have been cut off
_LEAST_SHARED = 0.5  # of the frame
_LEAST_TELLING = 6  # blocks with texture in both
_FAINT = 0.05  # squared texture of a block that means nothing


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well P pairs agree where both are known, (P,) each, in [-1, 1]; 0 where too little is known to say.

    score: normalised correlation of the textures; weakest: the least of those within each of 4 × 4 blocks.
    """

    score: Floats
    weakest: Floats


def halve(textures: NDArray[np.int8]) -> NDArray[np.int8]:
    """(N, S, S) textures at half their side."""
    rows = textures[:, ::2].astype(np.int16) + textures[:, 1::2]
    return ((rows[:, :, ::2] + rows[:, :, 1::2]) // 4).astype(np.int8)


def shift_roughly(ones: Floats, which: Integers, others: Floats, scales: Floats) -> tuple[Floats, Floats]:
    """The (P, 2) shift in whole pixels that lays (P, S, S) others best over the ones, and its (P,) correlation.

    `ones` are (O, S, S), `which` of them belongs to a pair is (P,), and `scales` (P, 2).
    """
    centred = (1 - scales) / 2
    warped, known = _warp(others, scales, centred)
    warped *= known
    side = others.shape[1]
    spectrum = fft.rfft2(warped) * np.conj(fft.rfft2(ones))[which]
    reach = int(np.ceil(_REACH * side))
    width = 2 * reach + 1
    product = np.roll(fft.irfft2(spectrum, s=(side, side)), (reach, reach), axis=(1, 2))
    near = product[:, :width, :width].reshape(len(others), width * width)
    row, column = np.divmod(near.argmax(axis=1), width)
    size = np.sqrt(_dot(ones, ones)[which] * _dot(warped, warped))
    moved = (np.stack([column, row], axis=1) - reach).astype(np.float32) / side
    return centred + scales * moved, near.max(axis=1) / np.maximum(size, 1e-6)


def refine(ones: Floats, others: Floats, scales: Floats, shifts: Floats, *, steps: int) -> tuple[Floats, Floats]:
    """Better (P, 2) scales and shifts for (P, S, S) textures, after at most that many steps."""
    scales, shifts = scales.copy(), shifts.copy()
    active = np.arange(len(ones))
    for _ in range(steps):
        if not len(active):
            break
        scale = scales[active]
        grow, move = _step(ones[active], others[active], scale, shifts[active])
        scales[active] = np.clip(scale + grow, 1 / _MOST_SCALE, _MOST_SCALE)
        shifts[active] += move - (scales[active] - scale) / 2
        largest = np.abs(np.concatenate([grow / 2, move], axis=1)).max(axis=1)
        active = active[largest * ones.shape[1] > _SETTLED]
    return scales, shifts


def correlate(ones: Floats, others: Floats, scales: Floats, shifts: Floats) -> Floats:
    """(P,) normalised correlations of aligned (P, S, S) textures, over what both show."""
    warped, known = _warp(others, scales, shifts)
    seen, warped = ones * known, warped * known
    size = np.sqrt(_dot(seen, seen) * _dot(warped, warped))
    return _dot(seen, warped) / np.maximum(size, 1e-6)


def measure(ones: Floats, others: Floats, scales: Floats, shifts: Floats) -> Agreement:
    """How well (P, S, S) grey pictures agree, their textures taken anew from the part that both show.

    Where just one of them is overexposed, both are taken as unknown.
    """
    warped, inside = _warp(others, scales, shifts)
    ones, warped = soften(ones), soften(warped)
    known = inside * ((ones < _BURNT) == (warped < _BURNT))
    one, other = normalise(np.stack([ones, warped]), known)
    product, power, other_power, area = (_blocks(plane) for plane in (one * other, one * one, other * other, known))
    score = product.sum(axis=1) / np.sqrt(np.maximum(power.sum(axis=1) * other_power.sum(axis=1), 1e-6))
    faint = _FAINT * area + 1e-6
    each = (product + faint) / np.sqrt((power + faint) * (other_power + faint))
    judged = area >= _SMALLEST * (SIDE // _BLOCKS) ** 2
    telling = (judged & (power > faint) & (other_power > faint)).sum(axis=1)
    enough = (inside.mean(axis=(1, 2)) >= _LEAST_SHARED) & (telling >= _LEAST_TELLING)
    return Agreement(np.where(enough, score, 0), np.where(enough, np.where(judged, each, 1).min(axis=1), 0))


def _warp(others: Floats, scales: Floats, shifts: Floats) -> tuple[Floats, Floats]:
    """Others as seen in the ones' frame, bilinear, their edges drawn out, and where they are known."""
    side = others.shape[1]
    place = np.arange(side, dtype=np.float32)
    sampled = scales[:, :, None] * (place + 0.5) + shifts[:, :, None] * side - 0.5  # (P, 2, S)
    weights = np.clip(sampled, 0, side - 1)[..., None] - place
    np.abs(weights, out=weights)
    np.subtract(1, weights, out=weights)
    np.maximum(weights, 0, out=weights)
    inside = ((sampled >= 0) & (sampled <= side - 1)).astype(np.float32)
    return weights[:, 1] @ others @ weights[:, 0].transpose(0, 2, 1), inside[:, 1, :, None] * inside[:, 0, None, :]


def _step(ones: Floats, others: Floats, scales: Floats, shifts: Floats) -> tuple[Floats, Floats]:
    """One Gauss-Newton step: (P, 2) growth about the middle, and movement, in fractions of the frame."""
    side = ones.shape[1]
    warped, known = _warp(others, scales, shifts)
    middle = ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32)
    planes = np.zeros((len(ones), 6, side, side), np.float32)  # derivatives by growth and movement, warped, one
    np.subtract(warped[:, :, 2:], warped[:, :, :-2], out=planes[:, 2, :, 1:-1])
    np.subtract(warped[:, 2:], warped[:, :-2], out=planes[:, 3, 1:-1])
    planes[:, 2:4] *= known[:, None] * (side / 2 / scales[:, :, None, None])
    np.multiply(planes[:, 2], middle, out=planes[:, 0])
    np.multiply(planes[:, 3], middle[:, None], out=planes[:, 1])
    np.multiply(warped, known, out=planes[:, 4])
    np.multiply(ones, known, out=planes[:, 5])
    columns = planes.reshape(len(ones), 6, -1)
    products = columns @ columns.transpose(0, 2, 1)
    gain = np.maximum(products[:, 4, 5] / np.maximum(products[:, 4, 4], 1e-6), 0.3)[:, None]
    normal = products[:, :5, :5] + np.eye(5, dtype=np.float32) * (1e-3 * products[:, range(5), range(5), None] + 1e-3)
    residual = products[:, :5, 5] - gain * products[:, :5, 4]
    step = np.linalg.solve(normal, residual[:, :, None])[:, :4, 0] / gain
    return np.clip(step[:, :2], -0.1, 0.1), np.clip(step[:, 2:], -0.06, 0.06)


def _dot(ones: Floats, others: Floats) -> Floats:
    product: Floats = np.einsum("pij,pij->p", ones, others)
    return product


def _blocks(planes: Floats) -> Floats:
    """(P, 16) sums over the blocks of (P, S, S)."""
    side = planes.shape[1] // _BLOCKS
    sums: Floats = planes.reshape(-1, _BLOCKS, side, _BLOCKS, side).sum(axis=(2, 4))
    return sums.reshape(len(planes), _BLOCKS**2)
