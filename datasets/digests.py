"""The digest of a dataset's canonical content: the same on any machine, whatever the order, numbers and text.

Coordinates count to 0.01 px. What each source says of an image counts; times, addresses, parents and the ids of origins
don't.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw
from msgspec.structs import replace
from numpy.typing import NDArray

from datasets.numbers import parse_rings, parse_rows
from datasets.records import NO_SEGMENTATION, AnnotationRecord, CocoFile, ImageRecord, Provenance, View

COORDINATE_DECIMALS = 2
_MOST_PIXELS = 2**53 / 10**COORDINATE_DECIMALS  # up to there whole hundredths are exact
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
    if image.deleted or image.derived_from or image.copies or image.near:
        copies = sorted(copy.sha256 for copy in image.copies)
        said.append([image.deleted, image.derived_from, copies, sorted(image.near)])
    said.append(image.source.author)
    if image.views:
        said.append(sorted(map(_view, image.views)))
    return said


def _view(view: View) -> bytes:
    """What a source says of an image, which later merges go by; not where it was found."""
    provenance = Provenance(author=view.provenance.author, license=view.provenance.license)
    return _ENCODER.encode(replace(view, provenance=provenance))


def columns_of(content: CocoFile) -> NDArray[np.int64]:
    """What is canonical of N annotations in whole numbers: (N, 9).

    The columns: the image's place among all by SHA-256, class, x, y, width, height (in 0.01 px), who drew it, crowd,
    track (-1 for none).
    """
    images = sorted(content.images, key=lambda image: image.sha256)
    rank_of = {image.id: rank for rank, image in enumerate(images)}
    columns = annotation_columns(content.annotations)
    columns[:, 0] = [rank_of[annotation.image_id] for annotation in content.annotations]
    return columns


def annotation_columns(annotations: Sequence[AnnotationRecord]) -> NDArray[np.int64]:
    """All columns but the image's. Raises ValueError when a box is not four numbers."""
    columns = np.zeros((len(annotations), 9), np.int64, order="F")
    columns[:, 1] = [annotation.category_id for annotation in annotations]
    columns[:, 2:6] = hundredths(parse_rows([annotation.bbox for annotation in annotations], width=4))
    columns[:, 6] = [_SOURCES[annotation.source] for annotation in annotations]
    columns[:, 7] = [annotation.iscrowd for annotation in annotations]
    track_ids = [annotation.track_id for annotation in annotations]
    is_tracked = track_ids.count(UNSET) < len(track_ids)
    columns[:, 8] = [-1 if track_id is UNSET else track_id for track_id in track_ids] if is_tracked else -1
    return columns


def hundredths(pixels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Coordinates in whole hundredths of a pixel. Raises ValueError for one that is too large to have hundredths."""
    if len(pixels) and np.abs(pixels).max() > _MOST_PIXELS:
        raise ValueError(f"a coordinate is beyond {_MOST_PIXELS:.0e} pixels")
    whole: NDArray[np.int64] = np.rint(pixels * 10**COORDINATE_DECIMALS).astype(np.int64)
    return whole


def _canonical_order(columns: NDArray[np.int64], annotations: Sequence[AnnotationRecord]) -> NDArray[np.int64]:
    """Sorted by the columns; what is equal in all of them is sorted by its shape and attributes."""
    if _are_sorted(columns.T):
        order, keys = np.arange(len(columns)), [*columns.T]
    else:
        order, keys = sort_by(sort_keys(columns.T))
    for start, end in _runs(~starts_of_runs(keys)[1:]):
        run = order[start:end].tolist()
        order[start:end] = sorted(run, key=lambda index: b"".join(_shapes([annotations[index]])))
    return order


def sort_keys(columns: Iterable[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Keys, (N,) each, that sort as these columns do, (N,) each: as few as have room for the columns' ranges."""
    keys: list[NDArray[np.int64]] = []
    room = 0
    for column in columns:
        least, greatest = int(column.min(initial=0)), int(column.max(initial=0))
        bits = (greatest - least).bit_length()
        if keys and bits <= room:
            keys[-1] = (keys[-1] << bits) | (column - least)
            room -= bits
        else:
            keys.append(column - least if bits < 64 else column)
            room = 63 - bits
    return keys


def sort_by(keys: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """The order by the first of these keys, then the next, (N,), and the keys in it; what is equal stays in its order.

    The first key decides most, so only what it leaves undecided is sorted by all.
    """
    order = np.argsort(keys[0], kind="stable")
    is_new = np.append(starts_of_runs([keys[0][order]]), True)
    undecided = np.flatnonzero(~(is_new[:-1] & is_new[1:]))
    tied = order[undecided]
    order[undecided] = tied[np.lexsort([key[tied] for key in reversed(keys)])]
    return order, [key[order] for key in keys]


def starts_of_runs(sorted_keys: Sequence[NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Where an entry differs from the one before it: (N,)."""
    new = np.zeros(len(sorted_keys[0]), bool)
    new[:1] = True
    for key in sorted_keys:
        new[1:] |= key[1:] != key[:-1]
    return new


def _are_sorted(keys: NDArray[np.int64]) -> bool:
    """Whether entries are in the order of their first key, then their second, and so on."""
    undecided = np.ones(max(len(keys[0]) - 1, 0), bool)
    for key in keys:
        if (undecided & (key[1:] < key[:-1])).any():
            return False
        undecided &= key[1:] == key[:-1]
    return True


def _runs(same: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where consecutive entries are equal: (start, end) of each run of two or more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return [(int(start), int(end) + 1) for start, end in edges.reshape(-1, 2)]


def _shapes(annotations: Sequence[AnnotationRecord]) -> list[bytes]:
    """Polygons as numbers, and what few annotations have as JSON with their position."""
    outlines = [annotation.segmentation for annotation in annotations]
    masks = _masks(outlines)
    for position in masks:
        outlines[position] = NO_SEGMENTATION
    numbers, counts, rings = parse_rings(outlines)
    attributes = _given([annotation.attributes for annotation in annotations])
    several = {position: _ring_lengths(outlines[position]) for position in np.flatnonzero(rings > 1).tolist()}
    scores = _given([annotation.score for annotation in annotations])
    rare = [sorted(told.items()) for told in (masks, attributes, several, scores)]
    return [counts.astype("<i8").tobytes(), hundredths(numbers).astype("<i8").tobytes(), _ENCODER.encode(rare)]


def _given(values: list[Any]) -> dict[int, Any]:
    """What is said, by position; that nothing is said, or only that nothing is, does not count."""
    if values.count(UNSET) == len(values):
        return {}
    return {position: value for position, value in enumerate(values) if value is not UNSET and value != {}}


def _masks(outlines: Sequence[Raw]) -> dict[int, Any]:
    """Which segmentations are run lengths rather than polygons, by position."""
    if b"{" not in b"".join(outlines):
        return {}
    texts = map(bytes, outlines)
    return {position: msgspec.json.decode(text) for position, text in enumerate(texts) if text.startswith(b"{")}


def _ring_lengths(outline: Raw) -> list[int]:
    return [len(ring) for ring in msgspec.json.decode(outline, type=list[list[float]])]
