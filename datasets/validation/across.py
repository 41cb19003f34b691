"""One image in several places: the same bytes under two names, on two sides of a split, or with other annotations."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.validation.columns import Columns
from datasets.validation.findings import Notes, shown
from datasets.validation.images import Picture

NearPairs = Callable[[Sequence[Path]], Sequence[tuple[int, int]]]
_SAME_PLACE = 1.0
_ROBOFLOW = re.compile(r"(?:.*/)?([^/]+)\.rf\.[^/.]+\.\w+$")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """An image record; `split` is its own or its folder's name, `picture` its file where that was read and decodes."""

    columns: Columns
    notes: Notes
    row: int
    split: str
    picture: Picture | None = None

    @property
    def file_name(self) -> str:
        return self.columns.records.images[self.row].file_name

    @property
    def place(self) -> str:
        return f"images[{self.row}] {shown(self.file_name)} of {self.notes.file}"

    def note(self, code: str, detail: str) -> None:
        self.notes.add(code, detail, "images", self.row, self.file_name)


def check_same(seen: Sequence[Seen], labels: "Labels") -> None:
    """Note images with the same bytes: several names, several splits, and annotations that differ."""
    for first, *others in _groups(seen, lambda image: image.picture.sha256 if image.picture else None):
        for other in others:
            if (other.notes.file, other.file_name) != (first.notes.file, first.file_name):
                _tell_same(first, other, labels)


def _groups(seen: Sequence[Seen], key: Callable[[Seen], str | None]) -> list[list[Seen]]:
    groups: dict[str, list[Seen]] = defaultdict(list)
    for image in seen:
        if (found := key(image)) is not None:
            groups[found].append(image)
    return list(groups.values())


def _tell_same(first: Seen, other: Seen, labels: "Labels") -> None:
    code = "same-bytes" if first.split == other.split else "duplicate-across-splits"
    other.note(code, f"its bytes are those of {first.place}{_splits(first, other)}")
    here, there = labels.of(other), labels.of(first)
    if not _agree(here, there):
        other.note("contradicting-annotations", f"{_counted(here)} here, {_counted(there)} at {first.place}")


def _splits(first: Seen, other: Seen) -> str:
    return "" if first.split == other.split else f" ({other.split or 'no split'} and {first.split or 'no split'})"


def check_copies(seen: Sequence[Seen], labels: "Labels", near_pairs: NearPairs | None) -> None:
    """Note copies of one photo in several splits, and copies whose classes contradict.

    Copies are known by Roboflow's names, `<photo>.rf.<hash>.jpg`, and by `near_pairs`, which is given the paths of the
    pictures once. A copy may be cropped or mirrored, so only its classes are compared, and one may lack some.
    """
    pairs = _named_alike(seen)
    if near_pairs is not None:
        read = [(image, image.picture.path) for image in seen if image.picture is not None]
        for one, two in near_pairs([path for _, path in read]) if read else ():
            first, other = read[min(one, two)][0], read[max(one, two)][0]
            if first.split != other.split and not _same_bytes(first, other):
                other.note("near-duplicate-across-splits", f"nearly {first.place}{_splits(first, other)}")
            pairs[first, other] = None
    for first, other in pairs:
        here, there = labels.of(other), labels.of(first)
        names, others = {name for name, _ in here}, {name for name, _ in there}
        if not _same_bytes(first, other) and not (names <= others or others <= names):
            other.note("contradicting-classes", f"{_counted(here)} here, {_counted(there)} at {first.place}")


def _named_alike(seen: Sequence[Seen]) -> dict[tuple[Seen, Seen], None]:
    pairs: dict[tuple[Seen, Seen], None] = {}
    for first, *others in _groups(seen, _source):
        told = set()
        for other in others:
            pairs[first, other] = None
            if other.split != first.split and other.split not in told and not _same_bytes(first, other):
                told.add(other.split)
                other.note("same-source-across-splits", f"a copy of {first.place}{_splits(first, other)}")
    return pairs


def _source(image: Seen) -> str | None:
    found = _ROBOFLOW.match(image.file_name)
    return found[1] if found else None


def _same_bytes(first: Seen, other: Seen) -> bool:
    return first.picture is not None and other.picture is not None and first.picture.sha256 == other.picture.sha256


_Objects = list[tuple[str, tuple[float, ...]]]


class Labels:
    """The objects on an image: class name and bbox_xywh in pixels."""

    def __init__(self) -> None:
        self._by_image: dict[int, dict[int, list[int]]] = {}

    def of(self, image: Seen) -> _Objects:
        columns = image.columns
        if id(columns) not in self._by_image:
            self._by_image[id(columns)] = _rows_by_image(columns)
        return sorted(
            (_class_name(columns, row), tuple(columns.boxes_xywh[row].tolist()))
            for row in self._by_image[id(columns)].get(image.row, ())
        )


def _rows_by_image(columns: Columns) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = defaultdict(list)
    for row, image_row in enumerate(columns.image_rows.tolist()):
        rows[image_row].append(row)
    return rows


def _class_name(columns: Columns, row: int) -> str:
    category = columns.category_rows[row]
    return "" if category < 0 else columns.records.categories[category].name.strip().casefold()


def _agree(here: _Objects, there: _Objects) -> bool:
    """Whether both say the same, within a pixel."""
    if [name for name, _ in here] != [name for name, _ in there]:
        return False
    waiting = list(there)
    for name, bbox_xywh in here:
        near = (o for o in waiting if o[0] == name and np.allclose(o[1], bbox_xywh, 0, _SAME_PLACE, equal_nan=True))
        match = next(near, None)
        if match is None:
            return False
        waiting.remove(match)
    return True


def _counted(objects: _Objects) -> str:
    counts = Counter(name for name, _ in objects)
    return ", ".join(f"{count} {shown(name)}" for name, count in sorted(counts.items())) or "no object"
