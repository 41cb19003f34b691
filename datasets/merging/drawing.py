"""From originals to objects: one annotation for each, in canonical order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from datasets.digests import annotation_columns, boxes_of, hundredths
from datasets.merging.atoms import NAMELESS, Atoms
from datasets.merging.clusters import Overlaps, cluster, find_overlaps
from datasets.merging.objects import make_object
from datasets.merging.places import Frames, Places, find_places
from datasets.records import AnnotationRecord


@dataclass(frozen=True)
class Drawing:
    """N objects in canonical order: digest's columns (N, 9), pictures (N,); overlaps of P places, objects (P,)."""

    records: list[AnnotationRecord]
    columns: NDArray[np.int64]
    pictures: NDArray[np.int64]
    overlaps: Overlaps
    object_of: NDArray[np.int64]
    are_some_nameless: bool


def draw(atoms: Atoms, frames: Frames, sha256s: Sequence[str], *, same_iou: float, doubtful_iou: float) -> Drawing:
    """One record for each object: originals at one place, and at places of one class that overlap enough."""
    places = find_places(atoms, frames)
    overlaps = find_overlaps(places, atoms, min_iou=doubtful_iou)
    one_class = places.category_ids[overlaps.first] == places.category_ids[overlaps.second]
    same = overlaps.only(one_class & (overlaps.iou >= same_iou))
    clusters = cluster(places, atoms, same)
    shown = np.ones(len(places), bool)
    shown[[place for members in clusters.values() for place in members[1:]]] = False
    object_of = np.cumsum(shown) - 1
    for first, members in clusters.items():
        object_of[members] = object_of[first]
    records, made = _records(atoms, frames, places, clusters, shown, sha256s)
    columns = atoms.columns[places.members[places.starts[:-1]][shown]]
    again = [records[number] for number in made]
    columns[made] = annotation_columns(again, hundredths(boxes_of(again)))
    return Drawing(records, columns, places.pictures[shown], overlaps, object_of, NAMELESS.source in atoms.source_names)


def _records(
    atoms: Atoms,
    frames: Frames,
    places: Places,
    clusters: Mapping[int, Sequence[int]],
    shown: NDArray[np.bool_],
    sha256s: Sequence[str],
) -> tuple[list[AnnotationRecord], list[int]]:
    """A place's only original is the object; several are put together. Also which were."""
    first = places.members[places.starts[:-1]]
    records = list(map(atoms.records.__getitem__, first[shown].tolist()))
    drawn_on = atoms.pictures[first]
    made = shown & ((np.diff(places.starts) > 1) | (frames.shown_on[drawn_on] != drawn_on))
    made[list(clusters)] = True
    numbers = (np.cumsum(shown) - 1)[made].tolist()
    groups = [clusters.get(place, (place,)) for place in np.flatnonzero(made).tolist()]
    scaled = frames.scaled
    for number, group in zip(numbers, _grouped(atoms, places, groups), strict=True):
        originals = [(sha256s[picture], atoms.records[atom]) for picture, atom in group]
        shown_on = sha256s[int(frames.shown_on[group[0][0]])] if scaled else originals[0][0]
        scales = {sha256s[picture]: scaled[picture] for picture, _ in group if picture in scaled} if scaled else {}
        records[number] = make_object(originals, shown_on, scales)
    return records, numbers


def _grouped(atoms: Atoms, places: Places, groups: Sequence[Sequence[int]]) -> Iterator[list[tuple[int, int]]]:
    """The originals of each group of places: the picture that each was drawn on, and its number."""
    flat = np.fromiter(chain.from_iterable(groups), np.int64)
    starts, sizes = places.starts[flat], places.starts[flat + 1] - places.starts[flat]
    steps = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    members = places.members[np.repeat(starts, sizes) + steps]
    pairs = list(zip(atoms.pictures[members].tolist(), members.tolist(), strict=True))
    ends = np.cumsum(sizes)[np.cumsum([len(group) for group in groups]) - 1].tolist() if groups else []
    for start, end in zip([0, *ends], ends, strict=False):
        yield pairs[start:end]
