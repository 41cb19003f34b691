"""The shelf: where the `carloop dataset` commands keep images, versions and what was decided about them.

datasets/store/          images by content
datasets/versions/       dataset versions by digest
datasets/names.json      the version that a name stands for
datasets/splits.json     the side of every image that ever got one
datasets/takedowns.json  whose right to be used was withdrawn
datasets/descriptors.npz what the search for duplicates needs of each image, so that none is decoded twice
"""

import fcntl
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from datasets.coco import Dataset, Image, Split, from_records
from datasets.duplicates.descriptor import DESCRIPTOR
from datasets.duplicates.pairs import Pair, find_pairs
from datasets.duplicates.reading import read_described
from datasets.errors import BadDataset
from datasets.files import is_complete, read_json, write_bytes, write_json
from datasets.merge import Merged
from datasets.records import CocoFile
from datasets.rights import read_takedowns
from datasets.rights.takedown import hashes, records_without, with_kin
from datasets.store import ImageStore
from datasets.versions import read_content, taxonomy_of, write_content
from pipelines.progress import Progress

_LEAST_PREFIX = 6


@dataclass(frozen=True)
class Duplicates:
    """Pairs of images, by SHA-256, that show one photograph; and images that could not be looked at, with why."""

    pairs: tuple[tuple[str, str, Pair], ...]
    unread: Mapping[str, str]

    @property
    def scaled(self) -> list[tuple[str, str]]:
        """Those that are one picture in two sizes, certain enough to carry annotations over."""
        return [(one, other) for one, other, pair in self.pairs if pair.kind == "scaled"]

    @property
    def near(self) -> list[tuple[str, str]]:
        """The others: one photograph, cropped, mirrored or altered."""
        return [(one, other) for one, other, pair in self.pairs if pair.kind != "scaled"]


class Shelf:
    """The datasets under one home folder."""

    def __init__(self, home: Path) -> None:
        root = home / "datasets"
        self.store = ImageStore(root / "store")
        self.versions = root / "versions"
        self.takedowns = root / "takedowns.json"
        self._names, self._splits, self._descriptors = (
            root / name for name in ("names.json", "splits.json", "descriptors.npz")
        )

    def find(self, reference: str) -> Path:
        """The folder of a version, by name, by digest or its first six digits or more, or by path.

        Raises:
            BadDataset: there is no such version, or several begin so.
        """
        names = self.names()
        if reference in names:
            return self.versions / names[reference]
        if is_complete(Path(reference)):
            return Path(reference).resolve()
        found = (
            [path for path in self.versions.glob(f"{reference}*") if is_complete(path)] if _is_digest(reference) else []
        )
        if len(found) == 1:
            return found[0]
        told = "several versions begin with it" if found else f"known names: {', '.join(sorted(names)) or 'none yet'}"
        raise BadDataset(
            f"{reference} is no dataset version here; {told}; see carloop dataset list, or import it first"
        )

    def read(self, reference: str) -> Dataset:
        """A version under its own classes."""
        content = self.read_content(reference)
        return from_records(content, taxonomy_of(content))

    def read_content(self, reference: str) -> CocoFile:
        """A version as it lies in its file, without pictures whose right to be used was withdrawn since."""
        content = read_content(self.find(reference))
        forbidden = read_takedowns(self.takedowns).by_sha256
        named = {image.sha256: "taken down" for image in content.images if forbidden.keys() & hashes(image)}
        return records_without(content, with_kin(content.images, named)) if named else content

    def write(self, merged: Merged, *, parents: Iterable[str] = (), name: str | None = None) -> str:
        """Keep a merged dataset as a version, and let a name stand for it."""
        self.names()  # tells of a broken file before anything is written
        digest = write_content(
            merged.content, self.versions, parents=list(parents), conflicts=merged.conflicts, columns=merged.columns
        )
        if name:
            self.write_name(name, digest)
        return digest

    def holding(self, sha256s: Iterable[str]) -> set[str]:
        """Which of these images are in the store."""
        return {sha256 for sha256 in sha256s if any(self.store.path(f"images/{sha256[:2]}").glob(f"{sha256}.*"))}

    def names(self) -> dict[str, str]:
        """The digest that each name stands for."""
        return _read_map(self._names, str, "import or merge again under the old names")

    def write_name(self, name: str, digest: str) -> None:
        """Let a name stand for a version from now on."""
        with _alone(self._names):
            write_json(self._names, {**self.names(), name: digest})

    def splits(self) -> dict[str, Split]:
        """The side of every image that ever got one, by SHA-256."""
        return _read_map(self._splits, Split, "restore it from a backup, or images may change sides")

    def write_splits(self, images: Iterable[Image]) -> None:
        """Remember the sides of these images and their copies for ever; one that has a side keeps it."""
        sides = {sha256: image.split for image in images if image.split for sha256 in (image.sha256, *_copies(image))}
        with _alone(self._splits):
            write_json(self._splits, {**sides, **self.splits()})

    def find_duplicates(self, images: Sequence[tuple[str, str]], progress: Progress) -> Duplicates:
        """The near-duplicates among images of (SHA-256, file name in the store)."""
        sha256_of = {self.store.path(file_name): sha256 for sha256, file_name in images}
        known = self._read_descriptors()
        with progress.step(f"look at {len(images):,} images", len(images)) as step:
            described = read_described(
                list(sha256_of), known=known, progress=lambda done, total: step.advance(to=done, of=total)
            )
        if any(sha256 not in known for sha256 in described.sha256s):
            self._write_descriptors({**known, **dict(zip(described.sha256s, described.descriptors, strict=True))})
        with progress.step("compare them"):
            pairs = find_pairs(described.descriptors)
        expected = [sha256_of[path] for path in described.paths]
        unread = {sha256_of[path]: why for path, why in described.failures.items()}
        for sha256, found in zip(expected, described.sha256s, strict=True):
            if found != sha256:
                unread[sha256] = "was changed after it was stored; delete it and import its dataset again"
        named = ((expected[pair.one], expected[pair.other], pair) for pair in pairs)
        return Duplicates(tuple(pair for pair in named if unread.keys().isdisjoint(pair[:2])), unread)

    def _read_descriptors(self) -> dict[str, NDArray[np.void]]:
        if not self._descriptors.exists():
            return {}
        content = io.BytesIO(self._descriptors.read_bytes())
        try:
            with np.load(content, allow_pickle=False) as kept:
                return dict(zip(kept["sha256s"].tolist(), kept["descriptors"].astype(DESCRIPTOR), strict=True))
        except Exception:  # whatever NumPy and zipfile find wrong: another release's or damaged, it can be made again
            return {}

    def _write_descriptors(self, known: Mapping[str, NDArray[np.void]]) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, sha256s=np.array(list(known)), descriptors=np.array(list(known.values()), DESCRIPTOR))
        with _alone(self._descriptors):
            write_bytes(self._descriptors, buffer.getvalue())


def _copies(image: Image) -> Iterator[str]:
    return (copy.sha256 for copy in image.copies)


def _read_map(path: Path, kind: Any, remedy: str) -> dict[str, Any]:
    """What a JSON file of the shelf tells by name; nothing where there is no file. Raises BadDataset."""
    if not path.exists():
        return {}
    try:
        return msgspec.convert(read_json(path), dict[str, kind])
    except msgspec.ValidationError as error:
        raise BadDataset(f"{path} is broken: {error}; {remedy}") from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Read a file and write it anew while no other process does: what it adds would be lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_digest(text: str) -> bool:
    return len(text) >= _LEAST_PREFIX and all(letter in "0123456789abcdef" for letter in text)
