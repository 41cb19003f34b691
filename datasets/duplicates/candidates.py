"""Which images might show the same photograph: approximate nearest neighbours among small frequency vectors.

A vector is the low-frequency part of a texture's cosine transform, of unit length, and its product with another is
their likeness in [-1, 1]. Each image is looked up as it is and mirrored, whole and as two of its centre parts.
The index is HNSW (Malkov and Yashunin, https://arxiv.org/abs/1603.09320) from usearch, over 8-bit integers and built
by one thread, so that the same vectors in the same order always have the same neighbours.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from usearch.index import BatchMatches, Index

from datasets.duplicates.descriptor import SIDE

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]

ZOOMS = (1.0, 0.92, 0.84)  # the parts of a frame that are looked up, by side
NEIGHBOURS = 6
LIKENESS = 0.5  # candidates below are not looked at
_FREQUENCIES = 10  # per axis
_BATCH = 4096  # textures whose vectors are computed at once


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs to verify, (C,) arrays each, every pair once: the part of `one`'s centre that is like all of `other`.

    `zoom` above 1 says that a part of `other` is like all of `one`.
    """

    one: Integers
    other: Integers
    mirrored: NDArray[np.bool_]
    zoom: Floats


def find_candidates(textures: NDArray[np.int8]) -> Candidates:
    """The pairs of (N, SIDE, SIDE) textures that are alike enough to be verified, by ascending index."""
    if len(textures) < 2:
        nothing = np.zeros(0, np.int64)
        return Candidates(nothing, nothing, nothing.astype(np.bool_), nothing.astype(np.float32))
    index = Index(ndim=_FREQUENCIES**2, metric="ip", dtype="i8", connectivity=16, expansion_add=64, expansion_search=64)
    index.add(np.arange(len(textures)), frequencies(textures), threads=1)
    found = [_search(index, textures, zoom, mirrored) for zoom in ZOOMS for mirrored in (False, True)]
    one, other, mirrored, zoom, likeness = (np.concatenate(column) for column in zip(*found, strict=True))
    swapped = one > other
    one, other = np.where(swapped, other, one), np.where(swapped, one, other)
    zoom = np.where(swapped, 1 / zoom, zoom)
    order = np.lexsort((zoom, -likeness, mirrored, other, one))
    one, other, mirrored, zoom = one[order], other[order], mirrored[order], zoom[order]
    first = np.ones(len(one), bool)
    first[1:] = (one[1:] != one[:-1]) | (other[1:] != other[:-1]) | (mirrored[1:] != mirrored[:-1])
    return Candidates(one[first], other[first], mirrored[first], zoom[first].astype(np.float32))


def frequencies(textures: NDArray[np.int8], *, zoom: float = 1.0) -> Floats:
    """(N, F) unit vectors of the centre parts of (N, SIDE, SIDE) textures, `zoom` of each side; 0 where all is flat."""
    basis = _basis(zoom)
    parts = [textures[start : start + _BATCH] for start in range(0, len(textures), _BATCH)]
    rows: list[Floats] = [(basis @ part.astype(np.float32) @ basis.T).reshape(len(part), -1) for part in parts]
    vectors: Floats = np.concatenate(rows) if rows else np.zeros((0, _FREQUENCIES**2), np.float32)
    vectors[:, 0] = 0
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return vectors


def _mirror(vectors: Floats) -> Floats:
    signs = np.where(np.arange(_FREQUENCIES) % 2, -1, 1).astype(np.float32)
    return vectors * np.tile(signs, _FREQUENCIES)


def _basis(zoom: float) -> Floats:
    """(F, SIDE) cosines over the centre `zoom` of SIDE pixels."""
    place = ((np.arange(SIDE) + 0.5) / SIDE - 0.5) / zoom + 0.5
    frequency = np.arange(_FREQUENCIES)[:, None]
    cosines = np.cos(np.pi * frequency * place) * np.where(frequency, 1, np.sqrt(0.5))
    return (cosines * ((place > 0) & (place < 1))).astype(np.float32)


def _search(
    index: Index, textures: NDArray[np.int8], zoom: float, mirrored: bool
) -> tuple[Integers, Integers, NDArray[np.bool_], Floats, Floats]:
    vectors = frequencies(textures, zoom=zoom)
    wanted = _mirror(vectors) if mirrored else vectors
    matches = cast(BatchMatches, index.search(wanted, NEIGHBOURS, threads=1))
    there = np.arange(NEIGHBOURS) < np.asarray(matches.counts)[:, None]  # beyond is whatever memory held
    row, column = np.nonzero(there)
    keys, likeness = matches.keys[row, column].astype(np.int64), 1 - matches.distances[row, column]
    kept = (likeness >= LIKENESS) & (row != keys)
    count = int(kept.sum())
    return row[kept], keys[kept], np.full(count, mirrored), np.full(count, zoom, np.float32), likeness[kept]
