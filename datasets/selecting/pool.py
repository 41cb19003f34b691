"""The images that wait for labels, as arrays: what models say of them, and what is labelled already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.errors import BadInput
from datasets.split import unit_hash

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """One image's detections: (K, 4) xyxy pixels, (K,) scores in [0, 1], (K,) places in the pool's class names."""

    boxes_xyxy: Floats
    scores: Floats
    class_ids: Ints


@dataclass(frozen=True, slots=True)
class Answers:
    """What one set of models says of N images: a detector's `found`, a classifier's (N, T) `probabilities`.

    Each is None where there is no such model.
    """

    found: Sequence[Found] | None = None
    probabilities: Floats | None = None


@dataclass(frozen=True)
class Pool:
    """N images that people could label, in any order.

    `keys` are their SHA-256. `embeddings` are (N, D), alike images near each other; None where nothing gives any.
    `class_names` are the detector's by output index, `tag_names` the classifier's.
    """

    keys: Sequence[str]
    families: Sequence[str]
    class_names: Sequence[str] = ()
    tag_names: Sequence[str] = ()
    champion: Answers = Answers()
    challenger: Answers = Answers()
    embeddings: Floats | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def in_order(self, *, seed: int) -> "Pool":
        """The same pool in the order of a seeded hash, which also breaks every tie."""
        hashes = [unit_hash(key, seed=seed) for key in self.keys]
        return self._taken(sorted(range(len(self)), key=lambda row: (hashes[row], self.keys[row])))

    def _taken(self, rows: Sequence[int]) -> "Pool":
        embeddings = None if self.embeddings is None else np.asarray(self.embeddings, np.float32)[rows]
        return replace(
            self,
            keys=[self.keys[row] for row in rows],
            families=[self.families[row] for row in rows],
            champion=_rows(self.champion, rows),
            challenger=_rows(self.challenger, rows),
            embeddings=embeddings,
        )


@dataclass(frozen=True)
class Labelled:
    """What is labelled already: objects and tags by class name, images by family, (M, D) embeddings."""

    counts: Mapping[str, int] = field(default_factory=dict)
    families: Mapping[str, int] = field(default_factory=dict)
    embeddings: Floats | None = None


def check_pool(pool: Pool, labelled: Labelled) -> None:
    """Raises BadInput where arrays do not fit the images or each other, or hold what is no number."""
    for name, rows in _lengths(pool):
        if rows != len(pool):
            raise BadInput(f"there are {rows} {name} for {len(pool)} images; give one for each, in one order")
    if len(set(pool.keys)) != len(pool):
        raise BadInput("an image is in the pool twice; give each once")
    for embeddings in (pool.embeddings, labelled.embeddings):
        if embeddings is not None and not np.isfinite(np.sum(embeddings, dtype=np.float64)):
            raise BadInput("an embedding holds NaN or infinity; compute the embeddings anew")
    if pool.embeddings is not None and labelled.embeddings is not None:
        here, there = pool.embeddings.shape[1], labelled.embeddings.shape[1]
        if here != there:
            raise BadInput(f"embeddings have {here} numbers, those of labelled images {there}; use one model for both")


def _lengths(pool: Pool) -> list[tuple[str, int]]:
    arrays = {
        "families": pool.families,
        "embeddings": pool.embeddings,
        "detections": pool.champion.found,
        "probabilities": pool.champion.probabilities,
        "detections of the challenger": pool.challenger.found,
        "probabilities of the challenger": pool.challenger.probabilities,
    }
    return [(name, len(array)) for name, array in arrays.items() if array is not None]


def _rows(answers: Answers, rows: Sequence[int]) -> Answers:
    return Answers(
        None if answers.found is None else [answers.found[row] for row in rows],
        None if answers.probabilities is None else np.asarray(answers.probabilities)[rows],
    )
