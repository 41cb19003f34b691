"""A core-set: images far from all that is labelled and from each other, exactly as greedy k-center chooses them.

Greedy k-center (https://doi.org/10.48550/arXiv.1708.00489) takes the image farthest from its nearest centre, over and
over; here an image's distance is multiplied by its weight. A distance only falls as centres are added, so an old one is
an upper bound: only images at the top by old distances are compared with each new centre, and all others with several
centres at once, when the top has fallen to where one of them might be better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.selecting.pool import Floats

_TOP = 4096
_ROWS = 8192
_UNKNOWN = 5.0  # more than 4, the square of the distance of opposite points on the unit sphere
_OUT = -1.0

Values = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Far:
    """A chosen row and its distance to the nearest centre before it, in [0, 2]; None where there was no centre."""

    row: int
    distance: float | None


def spread(
    embeddings: Floats,
    weights: Values,
    families: Sequence[str],
    *,
    centres: Floats | None,
    taken: Sequence[int],
    budget: int,
    per_family: int,
) -> Iterator[Far]:
    """Up to `budget` rows of (N, D) embeddings, far by cosine from (M, D) `centres` and each other, best first.

    `weights` (N,) are at least 0. Rows that are `taken` already are centres, too, and count for their families. Of
    equals the first row wins; without any centre that is the first row of the greatest weight.
    """
    points = unit_rows(embeddings)
    left = _Left(points, weights, families, per_family)
    for row in taken:
        left.take(row)
    if centres is not None and len(centres):
        left.approach(unit_rows(centres))
    if len(taken):
        left.approach(points[list(taken)])
    while budget > 0 and left.any():
        chosen = left.take_top(budget)
        budget -= len(chosen)
        yield from chosen
        if budget:
            left.approach(points[[far.row for far in chosen]])


def unit_rows(embeddings: Floats) -> Singles:
    """Rows as float32 of length 1; a row of zeros stays."""
    points = np.array(embeddings, np.float32)
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    return points


class _Left:
    """The rows that may still be chosen, with the square of their distance to the centres that they were held to."""

    def __init__(self, points: Singles, weights: Values, families: Sequence[str], per_family: int) -> None:
        self._points, self._squared_weights = points, (weights**2).astype(np.float32)
        numbers = {family: number for number, family in enumerate(dict.fromkeys(families))}
        self._family = np.array([numbers[family] for family in families])
        self._allowed = np.full(len(numbers), per_family)
        self._squares = np.full(len(points), _UNKNOWN, np.float32)
        self._open = np.ones(len(points), bool)

    def any(self) -> bool:
        return bool(self._open.any())

    def take(self, row: int) -> None:
        """This row is chosen; where its family has had enough, the others of it no longer may be."""
        self._open[row] = False
        family = self._family[row]
        self._allowed[family] -= 1
        if not self._allowed[family]:
            self._open[self._family == family] = False

    def approach(self, centres: Singles) -> None:
        """Hold every row to new centres too."""
        for start in range(0, len(self._points), _ROWS):
            rows = slice(start, start + _ROWS)
            nearest = (self._points[rows] @ centres.T).max(axis=1)
            np.minimum(self._squares[rows], _squares(nearest), out=self._squares[rows])

    def take_top(self, budget: int) -> list[Far]:
        """The next rows, as long as none outside of the top can be better; at least one."""
        keys = np.where(self._open, self._squares * self._squared_weights, np.float32(_OUT))
        top, bound = _top(keys)
        points, squares, weights = self._points[top], self._squares[top], self._squared_weights[top]
        chosen: list[Far] = []
        while len(chosen) < budget:
            found = np.where(self._open[top], squares * weights, np.float32(_OUT))
            best = int(found.argmax())
            if found[best] < 0 or (chosen and found[best] <= bound):
                break
            chosen.append(Far(int(top[best]), _distance(float(squares[best]))))
            self.take(int(top[best]))
            squares = np.minimum(squares, _squares(points @ points[best]))
        return chosen


def _top(keys: Singles) -> tuple[NDArray[np.intp], float]:
    """The rows of the greatest keys, in order, and the greatest key of all others."""
    if len(keys) <= _TOP:
        return np.arange(len(keys)), _OUT
    bound = float(np.partition(keys, -_TOP)[-_TOP])
    above = np.flatnonzero(keys > bound)
    return (above, bound) if len(above) else (np.array([keys.argmax()]), bound)


def _squares(cosines: Singles) -> Singles:
    """Squared distances of points on the unit sphere."""
    return np.maximum(2 - 2 * cosines, 0)


def _distance(square: float) -> float | None:
    return None if square == _UNKNOWN else float(np.sqrt(square))
