"""From originals to objects: one annotation for each, in canonical order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.digests import annotation_columns
from datasets.merging.atoms import NAMELESS, Atoms
from datasets.merging.clusters import Overlaps, cluster, find_overlaps, of_several_hands
from datasets.merging.objects import make_object
from datasets.merging.places import Frames, find_places
from datasets.numbers import sorted_unique
from datasets.records import AnnotationRecord


@dataclass(frozen=True)
class Drawing:
    """N objects in canonical order: digest's columns (N, 9), pictures (N,).

    `overlapping` are the pictures of several hands on which something overlaps; `overlaps` are those of P places by
    different hands, `object_of` (P,) tells the places' objects.
    """

    records: list[AnnotationRecord]
    columns: NDArray[np.int64]
    pictures: NDArray[np.int64]
    overlapping: NDArray[np.int64]
    overlaps: Overlaps
    object_of: NDArray[np.int64]
    are_some_nameless: bool


def draw(atoms: Atoms, frames: Frames, sha256s: Sequence[str], *, same_iou: float, doubtful_iou: float) -> Drawing:
    """One record for each object: originals at one place, and at places of one class that overlap enough."""
    places = find_places(atoms, frames)
    overlaps = find_overlaps(places, atoms, min_iou=doubtful_iou)
    overlapping = sorted_unique(places.pictures[overlaps.first])
    overlaps = of_several_hands(places, atoms, overlaps)
    one_class = places.category_ids[overlaps.first] == places.category_ids[overlaps.second]
    leaders = cluster(places, atoms, overlaps.only(one_class & (overlaps.iou >= same_iou)))
    shown = leaders == np.arange(len(places))
    object_of = (np.cumsum(shown) - 1)[leaders]
    first = places.members[places.starts[:-1]][shown]
    records = list(map(atoms.records.__getitem__, first.tolist()))
    columns = atoms.columns.T[:, first].T
    made = _make_objects(atoms, frames, sha256s, places.members, np.repeat(object_of, np.diff(places.starts)))
    for number, record in made.items():
        records[number] = record
    columns[list(made)] = annotation_columns(list(made.values()))
    return Drawing(
        records=records,
        columns=columns,
        pictures=places.pictures[shown],
        overlapping=overlapping,
        overlaps=overlaps,
        object_of=object_of,
        are_some_nameless=NAMELESS.source in atoms.source_names,
    )


def _make_objects(
    atoms: Atoms,
    frames: Frames,
    sha256s: Sequence[str],
    members: NDArray[np.int64],
    object_of: NDArray[np.int64],
) -> dict[int, AnnotationRecord]:
    """The objects that are not just their only original, by number. `object_of` (N,) tells the objects of `members`."""
    pictures = atoms.pictures[members]
    is_made = np.bincount(object_of) > 1
    is_made[object_of[frames.shown_on[pictures] != pictures]] = True
    wanted = np.flatnonzero(is_made[object_of])
    wanted = wanted[np.argsort(object_of[wanted], kind="stable")]
    originals = [
        (sha256s[picture], atoms.records[atom])
        for picture, atom in zip(pictures[wanted].tolist(), members[wanted].tolist(), strict=True)
    ]
    numbers, starts = np.unique(object_of[wanted], return_index=True)
    shown_on = frames.shown_on[pictures[wanted[starts]]].tolist()
    scales = {sha256s[picture]: scale for picture, scale in frames.scaled.items()}
    ends = [*starts[1:].tolist(), len(originals)]
    return {
        number: make_object(originals[start:end], sha256s[picture], scales)
        for number, picture, start, end in zip(numbers.tolist(), shown_on, starts.tolist(), ends, strict=False)
    }
