"""The digest of a dataset's canonical content: the same on any machine, whatever the order, numbers and text.

Coordinates count to 0.01 px. Times, addresses, parents and origins don't count.
"""

import hashlib
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw
from numpy.typing import NDArray

from datasets.numbers import parse_rings, parse_rows
from datasets.records import NO_SEGMENTATION, AnnotationRecord, CocoFile, ImageRecord

COORDINATE_DECIMALS = 2
_SOURCES = {"manual": 0, "semi-auto": 1, "auto": 2, "file": 3}
_CHUNK = 50_000
_ENCODER = msgspec.json.Encoder(order="deterministic")


def content_digest(content: CocoFile, columns: NDArray[np.int64] | None = None) -> str:
    """SHA-256 of the canonical content, as 64 hex digits.

    `columns` are `columns_of(content)`, where they are known already. Raises ValueError for broken geometry.
    """
    images = sorted(content.images, key=lambda image: image.sha256)
    columns = columns_of(content) if columns is None else columns
    order = _canonical_order(columns, content.annotations)
    sha256 = hashlib.sha256()
    sha256.update(_ENCODER.encode([[category.name, category.kind] for category in content.categories]))
    sha256.update(_ENCODER.encode([_image(image) for image in images]))
    for start in range(0, len(order), _CHUNK):
        chunk = order[start : start + _CHUNK]
        sha256.update(columns[chunk].astype("<i8", copy=False).tobytes())
        for piece in _shapes([content.annotations[index] for index in chunk.tolist()]):
            sha256.update(piece)
    return sha256.hexdigest()


def _image(image: ImageRecord) -> list[Any]:
    tags = sorted(image.tags, key=lambda tag: tag.category_id) if len(image.tags) > 1 else image.tags
    known = [sorted(image.neg_category_ids), sorted(image.not_exhaustive_category_ids)]
    said: list[Any] = [image.sha256, image.family, image.split or "", image.source.license or "", tags, known]
    if image.deleted or image.derived_from or image.copies:
        said.append([image.deleted, image.derived_from, sorted(copy.sha256 for copy in image.copies)])
    return said


def columns_of(content: CocoFile) -> NDArray[np.int64]:
    """What is canonical of N annotations in whole numbers: (N, 9).

    The columns: the image's place among all by SHA-256, class, x, y, width, height (in 0.01 px), who drew it, crowd,
    track (-1 for none).
    """
    images = sorted(content.images, key=lambda image: image.sha256)
    rank_of = {image.id: rank for rank, image in enumerate(images)}
    image_ids = map(attrgetter("image_id"), content.annotations)
    columns = annotation_columns(content.annotations, hundredths(boxes_of(content.annotations)))
    columns[:, 0] = column(map(rank_of.__getitem__, image_ids), len(content.annotations))
    return columns


def annotation_columns(annotations: Sequence[AnnotationRecord], boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """All columns but the image's, for annotations with these xywh boxes in 0.01 px (N, 4)."""
    columns = np.zeros((len(annotations), 9), np.int64)
    columns[:, 1] = column(map(attrgetter("category_id"), annotations), len(annotations))
    columns[:, 2:6] = boxes
    columns[:, 6] = column(map(_SOURCES.__getitem__, map(attrgetter("source"), annotations)), len(annotations))
    columns[:, 7] = column(map(attrgetter("iscrowd"), annotations), len(annotations))
    columns[:, 8] = -1
    track_ids = list(map(attrgetter("track_id"), annotations))
    if track_ids.count(UNSET) < len(track_ids):
        columns[:, 8] = [-1 if track_id is UNSET else track_id for track_id in track_ids]
    return columns


def column(values: Iterable[int], length: int) -> NDArray[np.int64]:
    """So many whole numbers as an array: (N,)."""
    return np.fromiter(values, np.int64, length)


def boxes_of(annotations: Sequence[AnnotationRecord]) -> NDArray[np.float64]:
    """Boxes as xywh pixels: (N, 4). Raises ValueError when one is not four numbers."""
    return parse_rows(list(map(attrgetter("bbox"), annotations)), width=4)


def hundredths(pixels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Coordinates in whole hundredths of a pixel."""
    whole: NDArray[np.int64] = np.rint(pixels * 10**COORDINATE_DECIMALS).astype(np.int64)
    return whole


def _canonical_order(columns: NDArray[np.int64], annotations: Sequence[AnnotationRecord]) -> NDArray[np.int64]:
    """Sorted by the columns; what is equal in all of them is sorted by its shape and attributes."""
    keys = [
        *sort_keys(columns[:, 0], columns[:, 1], columns[:, 2:6]),
        _packed(columns[:, 6] * 2 + columns[:, 7], columns[:, 8]),
    ]
    order = np.lexsort(keys[::-1])
    same = ~starts_of_runs([key[order] for key in keys])[1:]
    for start, end in _runs(same):
        run = order[start:end].tolist()
        order[start:end] = sorted(run, key=lambda index: b"".join(_shapes([annotations[index]])))
    return order


def sort_keys(
    images: NDArray[np.int64], category_ids: NDArray[np.int64], boxes: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """Three (N,) keys that sort by image, class and place: two whole numbers below 2**31 a key take half the time."""
    return [
        _packed(images, category_ids),
        _packed(boxes[:, 0], boxes[:, 1]),
        _packed(boxes[:, 2], boxes[:, 3]),
    ]


def _packed(high: NDArray[np.int64], low: NDArray[np.int64]) -> NDArray[np.int64]:
    return (high << 32) + low


def starts_of_runs(sorted_keys: Sequence[NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Where an entry differs from the one before it: (N,)."""
    new = np.zeros(len(sorted_keys[0]), bool)
    new[:1] = True
    for key in sorted_keys:
        new[1:] |= key[1:] != key[:-1]
    return new


def _runs(same: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where consecutive entries are equal: (start, end) of each run of two or more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return [(int(start), int(end) + 1) for start, end in edges.reshape(-1, 2)]


def _shapes(annotations: Sequence[AnnotationRecord]) -> list[bytes]:
    """Polygons as numbers, and what few annotations have as JSON with their position."""
    outlines = list(map(attrgetter("segmentation"), annotations))
    masks = _masks(outlines)
    for position in masks:
        outlines[position] = NO_SEGMENTATION
    numbers, counts, rings = parse_rings(outlines)
    attributes = {position: a.attributes for position, a in enumerate(annotations) if a.attributes}
    several = {position: _ring_lengths(outlines[position]) for position in np.flatnonzero(rings > 1).tolist()}
    rare = [sorted(told.items()) for told in (masks, attributes, several)]
    return [counts.astype("<i8").tobytes(), hundredths(numbers).astype("<i8").tobytes(), _ENCODER.encode(rare)]


def _masks(outlines: Sequence[Raw]) -> dict[int, Any]:
    """Which segmentations are run lengths rather than polygons, by position."""
    if b"{" not in b"".join(outlines):
        return {}
    texts = map(bytes, outlines)
    return {position: msgspec.json.decode(text) for position, text in enumerate(texts) if text.startswith(b"{")}


def _ring_lengths(outline: Raw) -> list[int]:
    return [len(ring) for ring in msgspec.json.decode(outline, type=list[list[float]])]
