"""Find the images that show the same photograph, and how one's pixels map to the other's.

Thresholds were chosen on one half of the photographs of `benchmarks/near_duplicates.py` and hold on the other. What is
asked of a `scaled` pair is stricter, because a merge carries annotations over by it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, pairwise, product
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from datasets.duplicates.alignment import measure
from datasets.duplicates.candidates import Candidates, find_candidates
from datasets.duplicates.descriptor import SIDE
from datasets.duplicates.texture import textures
from datasets.duplicates.verification import Verified, verify

Kind = Literal["scaled", "cropped", "mirrored", "altered"]

SCORE = 0.955  # correlation that makes a pair
WEAKEST = 0.6  # correlation in the least of its blocks
SURE_SCORE = 0.975  # the same for a scaled pair, and for one that joins families alone
SURE_WEAKEST = 0.85
_FEW = 32 * 32  # pairs of equal pictures that are all told
WHOLE = 0.004  # of the frame: corners that meet this closely are the same corners


@dataclass(frozen=True, slots=True)
class Transform:
    """Where the pixel (x, y) of one upright image lies in the other: (scale_x · x + shift_x, scale_y · y + shift_y).

    Places are absolute pixels from the top left corner, as in boxes. A negative scale_x mirrors.
    """

    scale_x: float
    scale_y: float
    shift_x: float
    shift_y: float

    def inverse(self) -> Self:
        """The way back, from the other to the one."""
        return type(self)(
            1 / self.scale_x, 1 / self.scale_y, -self.shift_x / self.scale_x, -self.shift_y / self.scale_y
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images of the same photograph, one < other.

    kind: `scaled`, both show the whole frame, the transform is exactly the ratio of their sizes and certain enough to
    carry annotations by; `altered`, the whole frame too, but not certainly; `cropped`, a part, the transform
    estimated to about 1 % of the frame; `mirrored`, left and right changed places, whole or cropped.
    score: correlation of their textures, in [SCORE, 1].
    """

    one: int
    other: int
    score: float
    kind: Kind
    transform: Transform

    @property
    def mirrored(self) -> bool:
        return self.transform.scale_x < 0


def find_pairs(descriptors: NDArray[np.void], *, score: float = SCORE) -> list[Pair]:
    """The pairs among (N,) descriptors, by one, then other; the order of the descriptors makes no difference.

    Each image is compared with the few most like it, so in a family of many copies some pairs may be missing while
    the family is whole. Images with hardly any texture are in no pair.
    """
    groups = _same_pictures(descriptors["grey"])
    greys = descriptors["grey"][[group[0] for group in groups]].reshape(-1, SIDE, SIDE)
    texture = textures(greys)
    candidates = find_candidates(texture)
    links = _links(candidates, verify(greys, texture, candidates), score) + _own_links(greys, groups)
    sizes = np.stack([descriptors["width"], descriptors["height"]], axis=1).astype(float).tolist()
    pairs = [_pair(one, other, link, sizes) for link in links for one, other in _members(groups, link)]
    return sorted(pairs, key=lambda pair: (pair.one, pair.other))


@dataclass(frozen=True, slots=True)
class _Link:
    """Two groups of equal pictures that show the same photograph."""

    one: int
    other: int
    score: float
    kind: Kind
    scale: tuple[float, float]  # in fractions of the frame, x negative where mirrored
    shift: tuple[float, float]


def _same_pictures(greys: NDArray[np.uint8]) -> list[list[int]]:
    """Indices of equal pictures, in an order that only the pictures decide."""
    groups: dict[bytes, list[int]] = {}
    for number, grey in enumerate(greys):
        groups.setdefault(hashlib.sha256(grey.tobytes()).digest(), []).append(number)
    return [groups[key] for key in sorted(groups)]


def _links(candidates: Candidates, verified: Verified, score: float) -> list[_Link]:
    """The best link of each two groups."""
    best: dict[tuple[int, int], _Link] = {}
    for number in np.flatnonzero((verified.score >= score) & (verified.weakest >= WEAKEST)):
        link = _link(candidates, verified, int(number))
        known = best.get((link.one, link.other))
        if known is None or link.score > known.score:
            best[link.one, link.other] = link
    return list(best.values())


def _link(candidates: Candidates, verified: Verified, number: int) -> _Link:
    place = verified.candidate[number]
    mirrored = bool(candidates.mirrored[place])
    score, weakest = float(verified.score[number]), float(verified.weakest[number])
    scale, shift = verified.scale[number].astype(float), verified.shift[number].astype(float)
    whole = max(np.abs(shift).max(), np.abs(scale + shift - 1).max()) <= WHOLE
    if whole:
        scale, shift = np.ones(2), np.zeros(2)
    if mirrored:
        scale, shift = scale * (-1, 1), np.array([1 - shift[0], shift[1]])
    return _Link(
        int(candidates.one[place]),
        int(candidates.other[place]),
        min(score, 1.0),
        _kind(mirrored, whole, score >= SURE_SCORE and weakest >= SURE_WEAKEST),
        (float(scale[0]), float(scale[1])),
        (float(shift[0]), float(shift[1])),
    )


def _kind(mirrored: bool, whole: bool, sure: bool) -> Kind:
    if mirrored:
        return "mirrored"
    if not whole:
        return "cropped"
    return "scaled" if sure else "altered"


def _own_links(greys: NDArray[np.uint8], groups: Sequence[Sequence[int]]) -> list[_Link]:
    """Links of groups with themselves, where several images have the same picture and there is something on it."""
    shared = [number for number, group in enumerate(groups) if len(group) > 1]
    own = greys[shared].astype(np.float32)
    agreement = measure(own, own, np.ones((len(own), 2), np.float32), np.zeros((len(own), 2), np.float32))
    return [
        _Link(number, number, 1.0, "scaled", (1.0, 1.0), (0.0, 0.0))
        for number, score in zip(shared, agreement.score, strict=True)
        if score > 0
    ]


def _members(groups: Sequence[Sequence[int]], link: _Link) -> Iterator[tuple[int, int]]:
    """All pairs of a few equal pictures; of many, as many pairs as tie them together."""
    one, other = groups[link.one], groups[link.other]
    few = len(one) * len(other) <= _FEW
    if link.one == link.other:
        return combinations(one, 2) if few else pairwise(one)
    return product(one, other) if few else chain(product(one, other[:1]), product(one[:1], other[1:]))


def _pair(one: int, other: int, link: _Link, sizes: Sequence[Sequence[float]]) -> Pair:
    (width, height), (other_width, other_height) = sizes[one], sizes[other]
    transform = Transform(
        link.scale[0] * other_width / width,
        link.scale[1] * other_height / height,
        link.shift[0] * other_width,
        link.shift[1] * other_height,
    )
    if one < other:
        return Pair(one, other, link.score, link.kind, transform)
    return Pair(other, one, link.score, link.kind, transform.inverse())
