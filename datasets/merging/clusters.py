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
    several = np.flatnonzero(np.isin(places.pictures, _annotated_by_several(places, atoms)))
    first, second, iou = overlapping_pairs(places.pictures[several], places.boxes_xyxy[several], min_iou=min_iou)
    first, second = several[np.minimum(first, second)], several[np.maximum(first, second)]
    order = np.lexsort((second, first, -iou))
    return Overlaps(first[order], second[order], iou[order])


def _annotated_by_several(places: Places, atoms: Atoms) -> NDArray[np.int64]:
    pictures = np.repeat(places.pictures, np.diff(places.starts))
    hands = atoms.hands[places.members]
    count = int(hands.max(initial=0)) + 1
    found = sorted_unique(pictures * count + hands) // count
    return sorted_unique(found[1:][found[1:] == found[:-1]])


def cluster(places: Places, atoms: Atoms, overlaps: Overlaps) -> dict[int, list[int]]:
    """Clusters of two or more places, in order, by their first place.

    The greatest overlaps are joined first, and never two objects that one source drew on one picture: it meant two.
    """
    single = _are_single(places, atoms, overlaps)
    pairs = zip(overlaps.first[single].tolist(), overlaps.second[single].tolist(), strict=True)
    members = {one: [one, other] for one, other in pairs}
    rest = overlaps.only(~single)
    return members | _cluster_by_greatest(rest, _hands_of(places, atoms, rest))


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
