"""A file's records as columns: ids, sizes in pixels, boxes as xywh in pixels, polygons end to end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.numbers import count_numbers, parse_numbers
from datasets.validation.findings import Notes, shown
from datasets.validation.forms import TOLD, UNKNOWN, Records
from datasets.validation.text import MOST, is_finite, is_number, parse_piece

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
ABSENT = -1
MOST_SIDE = 1_000_000
_TOLD = bytes(TOLD)
_CHUNK = 50_000
_OPEN, _CLOSE, _COMMA = b"[],"[0], b"[],"[1], b"[],"[2]


@dataclass(frozen=True)
class Columns:
    """N annotations, M images, K categories.

    `image_rows` (N,) and `category_rows` (N,) are the places of what an annotation names, ABSENT where it is not there.
    `boxes_xywh` (N, 4) are NaN where unknown, and so are `widths` and `heights` (M,).
    """

    records: Records
    image_ids: Ints
    category_ids: Ints
    annotation_ids: Ints
    image_rows: Ints
    category_rows: Ints
    boxes_xywh: Floats
    areas: Floats
    crowds: Ints
    widths: Floats
    heights: Floats

    def file_name(self, annotation_row: int) -> str | None:
        """The file name of an annotation's image."""
        row = self.image_rows[annotation_row]
        return None if row == ABSENT else self.records.images[row].file_name

    @property
    def own_widths(self) -> Floats:
        """(N,) width of each annotation's image, NaN where unknown."""
        return _taken(self.widths, self.image_rows)

    @property
    def own_heights(self) -> Floats:
        """(N,) height of each annotation's image, NaN where unknown."""
        return _taken(self.heights, self.image_rows)


def _taken(values: Floats, rows: Ints) -> Floats:
    return np.append(values, np.nan)[rows]  # ABSENT is -1 and takes the last


def make_columns(records: Records, notes: Notes) -> Columns:
    """Columns of the records; boxes that are none are noted on the way."""
    images, annotations = records.images, records.annotations
    count = len(annotations)
    image_ids = np.fromiter((image.id for image in images), np.int64, len(images))
    category_ids = np.fromiter((category.id for category in records.categories), np.int64, len(records.categories))
    named_images = np.fromiter((annotation.image_id for annotation in annotations), np.int64, count)
    named_categories = np.fromiter((annotation.category_id for annotation in annotations), np.int64, count)
    image_rows = find_rows(named_images, image_ids)
    return Columns(
        records=records,
        image_ids=image_ids,
        category_ids=category_ids,
        annotation_ids=np.fromiter((annotation.id for annotation in annotations), np.int64, count),
        image_rows=image_rows,
        category_rows=find_rows(named_categories, category_ids),
        boxes_xywh=_boxes([bytes(annotation.bbox) for annotation in annotations], notes),
        areas=np.fromiter((annotation.area for annotation in annotations), np.float64, count),
        crowds=np.fromiter((annotation.iscrowd for annotation in annotations), np.int64, count),
        widths=_sides([image.width for image in images]),
        heights=_sides([image.height for image in images]),
    )


def _sides(values: list[int]) -> Floats:
    sides = np.array(values, np.float64)
    return np.where((sides > 0) & (sides <= MOST_SIDE), sides, np.nan)


def find_rows(wanted: Ints, ids: Ints) -> Ints:
    """Where each wanted id first stands in `ids`, ABSENT where it does not or is UNKNOWN."""
    if not len(ids):
        return np.full(len(wanted), ABSENT)
    order = np.argsort(ids, kind="stable")
    places = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    rows = order[places]
    return np.where((ids[rows] == wanted) & (wanted != UNKNOWN), rows, ABSENT)


def repeats(ids: Ints) -> Flags:
    """Which ids stand earlier in the list already; UNKNOWN ones never do."""
    order = np.argsort(ids, kind="stable")
    again = np.zeros(len(ids), np.bool_)
    again[order[1:]] = ids[order[1:]] == ids[order[:-1]]
    known: Flags = ids != UNKNOWN
    return again & known


def _boxes(pieces: list[bytes], notes: Notes) -> Floats:
    try:
        numbers = parse_numbers(pieces)
        are_flat = len(numbers) == 4 * len(pieces) and b"".join(pieces).count(b"[") == len(pieces)
        if are_flat and np.all(count_numbers(pieces) == 4) and np.all(np.abs(numbers) <= MOST):
            return numbers.reshape(-1, 4)
    except ValueError:
        pass  # something is no box: look at them one by one
    return np.array([_box(row, piece, notes) for row, piece in enumerate(pieces)], np.float64).reshape(-1, 4)


def _box(row: int, piece: bytes, notes: Notes) -> list[float]:
    value = parse_piece(piece) if piece not in (b"", _TOLD) else None
    if isinstance(value, list) and len(value) == 4 and all(is_number(side) for side in value):
        if all(is_finite(side) for side in value):
            return [float(side) for side in value]
        notes.add("bbox-not-finite", f"bbox is {shown(value)}", "annotations", row)
    elif piece != _TOLD:
        notes.add("bad-bbox", f"bbox is {shown(value) if piece else 'absent'}", "annotations", row)
    return [np.nan] * 4


@dataclass(frozen=True)
class Polygons:
    """P polygons of whole, finite numbers: `coordinates` x, y, x, y... end to end, `counts` (P,) of numbers each."""

    coordinates: Floats
    counts: Ints
    rows: Ints

    def only(self, wanted: Flags) -> "Polygons":
        return Polygons(self.coordinates[np.repeat(wanted, self.counts)], self.counts[wanted], self.rows[wanted])


def parse_polygons(pieces: list[bytes], rows: Ints, notes: Notes) -> Polygons:
    """The polygons in JSON lists of lists of numbers; `rows` are their annotations. What is none is noted."""
    chunks = [
        _chunk(pieces[start : start + _CHUNK], rows[start : start + _CHUNK], notes)
        for start in range(0, len(pieces), _CHUNK)
    ]
    return Polygons(
        np.concatenate([np.empty(0), *(chunk.coordinates for chunk in chunks)]),
        np.concatenate([np.empty(0, np.int64), *(chunk.counts for chunk in chunks)]),
        np.concatenate([np.empty(0, np.int64), *(chunk.rows for chunk in chunks)]),
    )


def _chunk(pieces: list[bytes], rows: Ints, notes: Notes) -> Polygons:
    try:
        coordinates = parse_numbers(pieces)
        counts, owners = _count_polygons(b",".join(pieces), len(pieces))
        if counts.sum() == len(coordinates) and np.all(np.abs(coordinates) <= MOST):
            return Polygons(coordinates, counts, rows[owners])
    except ValueError:
        pass  # something is no polygon: look at them one by one
    found = [(row, polygon) for row, piece in zip(rows, pieces, strict=True) for polygon in _lists(row, piece, notes)]
    return Polygons(
        np.array([value for _, polygon in found for value in polygon], np.float64),
        np.array([len(polygon) for _, polygon in found], np.int64),
        np.array([row for row, _ in found], np.int64),
    )


def _count_polygons(content: bytes, pieces: int) -> tuple[Ints, Ints]:
    """Numbers in each polygon and the piece it is of, from brackets and commas alone.

    Raises:
        ValueError: the pieces are not lists of lists.
    """
    text = np.frombuffer(content, np.uint8)
    places = np.flatnonzero((text == _OPEN) | (text == _CLOSE) | (text == _COMMA))
    marks = text[places]
    depths = np.cumsum((marks == _OPEN).astype(np.int32) - (marks == _CLOSE))
    opened = np.flatnonzero((marks == _OPEN) & (depths == 2))
    between = np.count_nonzero((marks == _COMMA) & (depths == 1))
    if depths.max(initial=0) != 2 or between != len(opened) - pieces:
        raise ValueError("no lists of lists")
    inner = np.cumsum((marks == _COMMA) & (depths == 2))
    last = np.append(opened[1:] - 1, len(marks) - 1)
    owners = np.cumsum((marks == _OPEN) & (depths == 1))[opened] - 1
    return (inner[last] - inner[opened] + 1).astype(np.int64), owners


def _lists(row: int, piece: bytes, notes: Notes) -> list[list[float]]:
    value = parse_piece(piece)
    if not isinstance(value, list) or not all(
        isinstance(polygon, list) and all(map(is_number, polygon)) for polygon in value
    ):
        notes.add("bad-segmentation", f"segmentation is {shown(value)}", "annotations", row)
        return []
    sound = [polygon for polygon in value if all(map(is_finite, polygon))]
    if len(sound) < len(value):
        notes.add("polygon-not-finite", f"segmentation is {shown(value)}", "annotations", row)
    return [[float(side) for side in polygon] for polygon in sound]
