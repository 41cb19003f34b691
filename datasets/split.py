"""Splits: a family's side is told by a hash of its name, so an old image never moves."""

import hashlib

from pydantic import Field

from datasets.coco import Split
from datasets.taxonomy import Settings


class SplitSettings(Settings):
    """`test_fraction`: the share of families, in (0, 1), that are kept for testing."""

    test_fraction: float = Field(default=0.2, gt=0, lt=1)


def split_of(family: str, *, seed: int, settings: SplitSettings) -> Split:
    """The side of a family. Families are independent, so adding some moves none of the others."""
    return "test" if unit_hash(family, seed=seed) < settings.test_fraction else "train"


def unit_hash(text: str, *, seed: int) -> float:
    """A uniform number in [0, 1) that only the text and the seed decide."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8]) / 2**64
