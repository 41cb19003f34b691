"""What is worth keeping: cheap tests that drop what is no photograph of a car, or the same photograph once more."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.duplicates.descriptor import describe_image
from datasets.stored_image import StoredImage
from scrapers.settings import RelevanceSettings

Score = Callable[[bytes], float]

_BITS = (8, 8)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Why an image is dropped, None where it is kept; the scorer's score, and the fingerprint, if these were made."""

    reason: str | None = None
    score: float | None = None
    fingerprint: str | None = None


class Relevance:
    """Judges images one after another; `score` says in [0, 1] how much of a car an image's bytes show."""

    def __init__(self, settings: RelevanceSettings, *, score: Score | None = None, known: Iterable[str] = ()) -> None:
        self._settings, self._score = settings, score
        self._known = np.array([int(fingerprint, 16) for fingerprint in known], np.uint64)
        self._count = len(self._known)

    def judge(self, content: bytes, image: StoredImage) -> Judgement:
        """Whether an image is worth keeping; the next ones are compared with it if it is."""
        settings, sides = self._settings, sorted((image.width, image.height))
        if sides[0] < settings.min_side:
            return Judgement(f"{image.width}x{image.height} pixels; relevance: min_side is {settings.min_side}")
        if sides[1] > settings.max_aspect * sides[0]:
            return Judgement(f"{image.width}x{image.height} pixels; relevance: max_aspect is {settings.max_aspect:g}")
        score = self._score(content) if self._score and settings.min_score is not None else None
        if score is not None and settings.min_score is not None and score < settings.min_score:
            return Judgement(f"scores {score:.2f}; relevance: min_score is {settings.min_score:g}", score)
        if not settings.same_below:
            return Judgement(score=score)
        bits = fingerprint(content)
        if self._is_known(bits):
            return Judgement("shows the same as another photograph; relevance: same_below", score, f"{bits:016x}")
        self._add(bits)
        return Judgement(None, score, f"{bits:016x}")

    def _is_known(self, bits: int) -> bool:
        differing = np.bitwise_count(self._known[: self._count] ^ np.uint64(bits))
        return bool((differing < self._settings.same_below).any())

    def _add(self, bits: int) -> None:
        if self._count == len(self._known):
            self._known = np.resize(self._known, max(1024, 2 * self._count)).astype(np.uint64)
        self._known[self._count] = bits
        self._count += 1


def fingerprint(content: bytes) -> int:
    """Sixty-four bits that say where an image gets brighter to the right (a difference hash).

    Raises:
        BadDataset: it is no whole image.
    """
    grey: NDArray[np.uint8] = describe_image(content)["grey"]
    small = cv2.resize(grey, (_BITS[0] + 1, _BITS[1]), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes())
