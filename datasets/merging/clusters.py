"""Which places are one object: boxes of one class, drawn by different hands, that overlap enough."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.merging.atoms import Atoms
from datasets.merging.overlaps import overlapping_pairs
from datasets.merging.places import Places
from datasets.numbers import sorted_unique


@dataclass(frozen=True)
class Overlaps:
    """Pairs of places of one picture that overlap: indices, IoU in (0, 1]; (K,) each."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    iou: NDArray[np.float64]

    def only(self, mask: NDArray[np.bool_]) -> "Overlaps":
        return Overlaps(self.first[mask], self.second[mask], self.iou[mask])


def find_overlaps(places: Places, atoms: Atoms, *, min_iou: float) -> Overlaps:
    """Pairs of overlapping places in pictures that several hands annotated; other pictures need no second look."""
    several = np.flatnonzero(_annotated_by_several(places, atoms)[places.pictures])
    first, second, iou = overlapping_pairs(places.pictures[several], places.boxes_xyxy[several], min_iou=min_iou)
    first, second = several[np.minimum(first, second)], several[np.maximum(first, second)]
    order = np.lexsort((second, first, -iou))
    return Overlaps(first[order], second[order], iou[order])


def _annotated_by_several(places: Places, atoms: Atoms) -> NDArray[np.bool_]:
    """Whether each picture has originals by two hands or more."""
    pictures = np.repeat(places.pictures, np.diff(places.starts))  # in order, as places are
    hands = atoms.hands[places.members]
    are_several = np.zeros(int(pictures.max(initial=-1)) + 1, bool)
    are_several[pictures[1:][(pictures[1:] == pictures[:-1]) & (hands[1:] != hands[:-1])]] = True
    return are_several


def of_several_hands(places: Places, atoms: Atoms, overlaps: Overlaps) -> Overlaps:
    """Without the pairs that one hand drew alone: two objects for certain, whatever they overlap."""
    if not len(places):
        return overlaps
    hands = atoms.hands[places.members]
    least, greatest = (extreme.reduceat(hands, places.starts[:-1]) for extreme in (np.minimum, np.maximum))
    alike = least[overlaps.first] == least[overlaps.second]
    for side in (overlaps.first, overlaps.second):
        alike &= least[side] == greatest[side]
    return overlaps.only(~alike)


def cluster(places: Places, atoms: Atoms, overlaps: Overlaps) -> NDArray[np.int64]:
    """The first place of each place's object: (P,).

    The greatest overlaps are joined first, and never two objects that one source drew on one picture: it meant two.
    """
    leaders = np.arange(len(places))
    single = _are_single(places, atoms, overlaps)
    leaders[overlaps.second[single]] = overlaps.first[single]
    rest = overlaps.only(~single)
    for first, members in _cluster_by_greatest(rest, _hands_of(places, atoms, rest)).items():
        leaders[members] = first
    return leaders


def _are_single(places: Places, atoms: Atoms, overlaps: Overlaps) -> NDArray[np.bool_]:
    """Overlaps of two places, by two hands, that overlap no other: nothing is left to weigh."""
    times = np.bincount(overlaps.first, minlength=len(places)) + np.bincount(overlaps.second, minlength=len(places))
    hands, starts = atoms.hands, places.starts
    ones, others = places.members[starts[overlaps.first]], places.members[starts[overlaps.second]]
    alone: NDArray[np.bool_] = (times[overlaps.first] == 1) & (times[overlaps.second] == 1)
    for side in (overlaps.first, overlaps.second):
        alone &= starts[side + 1] - starts[side] == 1
    alone &= hands[ones] != hands[others]
    return alone


def _hands_of(places: Places, atoms: Atoms, overlaps: Overlaps) -> dict[int, set[int]]:
    """Who drew at each place of the overlaps: sources, each on a picture."""
    codes = atoms.hands[places.members].tolist()
    wanted = sorted_unique(np.concatenate([overlaps.first, overlaps.second]))
    starts, ends = places.starts[wanted].tolist(), places.starts[wanted + 1].tolist()
    return {place: set(codes[a:b]) for place, a, b in zip(wanted.tolist(), starts, ends, strict=True)}


def _cluster_by_greatest(overlaps: Overlaps, hands: Mapping[int, set[int]]) -> dict[int, list[int]]:
    root: dict[int, int] = {}
    members: dict[int, list[int]] = {}
    held: dict[int, set[int]] = {}
    for one, other in zip(overlaps.first.tolist(), overlaps.second.tolist(), strict=True):
        a, b = root.get(one, one), root.get(other, other)
        held_a, held_b = held.get(a, hands[a]), held.get(b, hands[b])
        if a == b or not held_a.isdisjoint(held_b):
            continue
        joined = sorted((*members.pop(a, (a,)), *members.pop(b, (b,))))
        members[joined[0]] = joined
        held[joined[0]] = held_a | held_b
        root.update(dict.fromkeys(joined, joined[0]))
    return members
