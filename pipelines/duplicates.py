"""Near-duplicates among stored images, and what is kept of each so that none is decoded twice."""

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.duplicates.descriptor import DESCRIPTOR
from datasets.duplicates.families import families
from datasets.duplicates.pairs import Pair, find_pairs
from datasets.duplicates.reading import read_described
from datasets.files import alone, write_bytes
from datasets.store import ImageStore
from pipelines.progress import Progress


@dataclass(frozen=True)
class Duplicates:
    """Of images, by SHA-256: the pairs that show one photograph, and those that could not be looked at, with why."""

    sha256s: tuple[str, ...]
    pairs: tuple[tuple[str, str, Pair], ...]
    unread: Mapping[str, str]

    @property
    def scaled(self) -> list[tuple[str, str]]:
        """The pairs that are one picture in two sizes, certain enough to carry annotations over."""
        return [(one, other) for one, other, pair in self.pairs if pair.kind == "scaled"]

    @property
    def near(self) -> list[tuple[str, str]]:
        """The others (cropped, mirrored, altered) but those that would join families on one doubtful likeness."""
        group_of = {sha256: number for number, group in enumerate(self.families) for sha256 in group}
        found = [(one, other) for one, other, pair in self.pairs if pair.kind != "scaled"]
        return [(one, other) for one, other in found if group_of[one] == group_of[other]]

    @cached_property
    def families(self) -> list[list[str]]:
        """The images in groups of one photograph, those that are alone included."""
        place = {sha256: number for number, sha256 in enumerate(self.sha256s)}
        pairs = [replace(pair, one=place[one], other=place[other]) for one, other, pair in self.pairs]
        return [[self.sha256s[number] for number in group] for group in families(len(self.sha256s), pairs)]


class Descriptors:
    """Descriptors by SHA-256, in a file that processes add to one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, NDArray[np.void]]:
        """All of them; none where the file is absent, damaged or another release's, for they can be made again."""
        if not self._path.exists():
            return {}
        content = io.BytesIO(self._path.read_bytes())
        try:
            with np.load(content, allow_pickle=False) as kept:
                return dict(zip(kept["sha256s"].tolist(), kept["descriptors"].astype(DESCRIPTOR), strict=True))
        except Exception:  # whatever NumPy and zipfile find wrong
            return {}

    def add(self, new: Mapping[str, NDArray[np.void]]) -> None:
        with alone(self._path):
            self._write({**self.read(), **new})

    def forget(self, sha256s: Collection[str]) -> None:
        """Keep nothing of these images: a descriptor is a small grey picture."""
        with alone(self._path):
            known = self.read()
            if not known.keys().isdisjoint(sha256s):
                self._write({sha256: kept for sha256, kept in known.items() if sha256 not in sha256s})

    def _write(self, known: Mapping[str, NDArray[np.void]]) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, sha256s=np.array(list(known)), descriptors=np.array(list(known.values()), DESCRIPTOR))
        write_bytes(self._path, buffer.getvalue())


def find_duplicates(
    images: Mapping[str, str], store: ImageStore, descriptors: Descriptors, progress: Progress
) -> Duplicates:
    """The near-duplicates among images, given by SHA-256 with their file's name in the store."""
    sha256_of = {store.path(file_name): sha256 for sha256, file_name in sorted(images.items())}
    known = descriptors.read()
    with progress.step(f"look at {len(images):,} images", len(images)) as step:
        described = read_described(
            list(sha256_of), known=known, progress=lambda done, total: step.advance(to=done, of=total)
        )
    found = zip(described.sha256s, described.descriptors, strict=True)
    if new := {sha256: descriptor for sha256, descriptor in found if sha256 not in known}:
        descriptors.add(new)
    with progress.step("compare them"):
        pairs = find_pairs(described.descriptors)
    expected = [sha256_of[path] for path in described.paths]
    unread = {sha256_of[path]: why for path, why in described.failures.items()}
    for wanted, sha256 in zip(expected, described.sha256s, strict=True):
        if wanted != sha256:
            unread[wanted] = "was changed after it was stored; delete it and import its dataset again"
    named = ((expected[pair.one], expected[pair.other], pair) for pair in pairs)
    read = tuple(pair for pair in named if unread.keys().isdisjoint(pair[:2]))
    return Duplicates(tuple(sorted(images)), read, unread)
