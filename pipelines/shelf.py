"""The shelf: where the `carloop dataset` commands keep images, versions and what was decided about them.

datasets/store/          images by content
datasets/versions/       dataset versions by digest
datasets/names.json      the version that a name stands for
datasets/splits.json     the side of every image that ever got one
datasets/takedowns.json  whose right to be used was withdrawn
datasets/decisions.json  what reviewers decided of images
datasets/descriptors.npz what the search for duplicates needs of each image, so that none is decoded twice
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from datasets.coco import Dataset, Split, from_records
from datasets.decisions import Decided, apply_decisions, read_decisions
from datasets.errors import BadDataset
from datasets.files import alone, is_complete, read_json, write_json
from datasets.records import CocoFile
from datasets.rights import read_takedowns
from datasets.rights.takedown import hashes, records_without, with_kin
from datasets.split import Assigned, SplitSettings, assign_splits
from datasets.store import ImageStore
from datasets.versions import read_content, taxonomy_of, write_content
from pipelines.names import is_digest

if TYPE_CHECKING:
    from datasets.merge import Merged


class Shelf:
    """The datasets under one home folder."""

    def __init__(self, home: Path) -> None:
        self.root = home / "datasets"
        self.store = ImageStore(self.root / "store")
        self.versions = self.root / "versions"
        self.takedowns = self.root / "takedowns.json"
        self.decisions = self.root / "decisions.json"
        self.descriptors = self.root / "descriptors.npz"
        self._names, self._splits = self.root / "names.json", self.root / "splits.json"

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
            [path for path in self.versions.glob(f"{reference}*") if is_complete(path)] if is_digest(reference) else []
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
        named = {image.sha256 for image in content.images if forbidden.keys() & hashes(image)}
        return records_without(content, with_kin(content.images, named)) if named else content

    def decided(self, content: CocoFile) -> Decided:
        """A file after what reviewers decided: without excluded images, and with gold ones on no side to train on."""
        return apply_decisions(content, read_decisions(self.decisions))

    def write(self, merged: "Merged", *, parents: Iterable[str] = (), name: str | None = None) -> str:
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
        with alone(self._names):
            write_json(self._names, {**self.names(), name: digest})

    def drop_name(self, name: str) -> None:
        """Let a name stand for nothing; the version stays."""
        with alone(self._names):
            names = self.names()
            if names.pop(name, None):
                write_json(self._names, names)

    def rename(self, replaced: Mapping[str, str]) -> None:
        """Let each name that stands for one of these versions stand for the one that replaced it."""
        with alone(self._names):
            write_json(self._names, {name: replaced.get(digest, digest) for name, digest in self.names().items()})

    def assign_splits(self, dataset: Dataset, *, seed: int, settings: SplitSettings) -> Assigned:
        """Give every new family a side, and remember those of all images and their copies for ever."""
        with alone(self._splits):
            known = _read_map(self._splits, Split, "restore it from a backup, or images may change sides")
            assigned = assign_splits(dataset, known=known, seed=seed, settings=settings)
            sided = [image for image in assigned.dataset.images if image.split]
            sides = {sha256: image.split for image in sided for sha256 in hashes(image)}
            write_json(self._splits, {**sides, **known})
        return assigned


def _read_map(path: Path, kind: Any, remedy: str) -> dict[str, Any]:
    """What a JSON file of the shelf tells by name; nothing where there is no file. Raises BadDataset."""
    if not path.exists():
        return {}
    try:
        return msgspec.convert(read_json(path), dict[str, kind])
    except msgspec.ValidationError as error:
        raise BadDataset(f"{path} is broken: {error}; {remedy}") from None
