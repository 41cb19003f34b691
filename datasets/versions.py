"""Dataset versions: folders named by the digest of their canonical content.

`annotations.json` is COCO; `conflicts.json`, where there are any, is what its sources disagree about; `manifest.json`,
written last, has the digest and its version, parents, sources and counts. What counts for the digest is told in
`datasets.digests`. Files may lie beside with what COCO cannot hold: they count too, byte for byte, and the manifest has
the SHA-256 of each.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from datasets.coco import Dataset, from_own_records, to_records
from datasets.collecting import no_cycle_collection
from datasets.digests import content_digest
from datasets.errors import BadDataset
from datasets.files import MANIFEST, digest, is_complete, new_folder, read_json, write_bytes, write_json
from datasets.merging.conflicts import Conflict
from datasets.records import CocoFile, read_records, write_records
from datasets.taxonomy import Category, Taxonomy

ANNOTATIONS, CONFLICTS = "annotations.json", "conflicts.json"
DIGEST_VERSION = 1  # to be raised with any change to what `datasets.digests` makes of the same content


class _Manifest(msgspec.Struct):
    """What every manifest has to have."""

    digest: str
    parents: list[str]
    images: int
    annotations: int


def version_digest(dataset: Dataset) -> str:
    """SHA-256 of the canonical content, coordinates to 0.01 px, as 64 hex digits."""
    return content_digest(to_records(dataset))


def write_version(dataset: Dataset, versions: Path, *, parents: Sequence[str] = ()) -> str:
    """Write the dataset as `versions/<digest>` unless it is there, and return the digest."""
    return write_content(to_records(dataset), versions, parents=parents)


def write_content(
    content: CocoFile,
    versions: Path,
    *,
    parents: Sequence[str] = (),
    conflicts: Sequence[Conflict] = (),
    columns: NDArray[np.int64] | None = None,
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> str:
    """The same for a dataset as it lies in a file, with what its sources disagree about and with files beside it.

    `columns` are the content's (`datasets.digests.columns_of`), where they are known already.
    """
    digests = {name: hashlib.sha256(held).hexdigest() for name, held in beside.items()}
    with no_cycle_collection():
        name = _whole_digest(content_digest(content, columns), digests)
    if not is_complete(versions / name):
        with new_folder(versions / name) as folder:
            with no_cycle_collection():
                write_records(content, folder / ANNOTATIONS)
            if conflicts:
                write_bytes(folder / CONFLICTS, msgspec.json.format(msgspec.json.encode(conflicts), indent=1) + b"\n")
            for beside_name, held in beside.items():
                write_bytes(folder / beside_name, held)
            manifest = {"digest": name, "digest_version": DIGEST_VERSION, "parents": sorted(parents), **counts(content)}
            told = {"conflicts": len(conflicts), "beside": digests}
            write_json(folder / MANIFEST, {**manifest, **{key: value for key, value in told.items() if value}})
    return name


def read_version(versions: Path, name: str, taxonomy: Taxonomy | None = None) -> Dataset:
    """The dataset of that digest, under its own classes unless a taxonomy is given, which they must then be.

    Raises:
        BadDataset: it is absent or incomplete, was changed, or has other classes.
    """
    content = read_content(versions / name)
    with no_cycle_collection():
        return from_own_records(content, taxonomy or taxonomy_of(content), told_in=versions / name / ANNOTATIONS)


def read_content(folder: Path) -> CocoFile:
    """A version as it lies in its file. Raises BadDataset when it is incomplete, changed or of another release."""
    manifest = read_manifest(folder.parent, folder.name)
    with no_cycle_collection():
        content = read_records(folder / ANNOTATIONS)
        try:
            found = content_digest(content)
        except (KeyError, TypeError, ValueError) as error:
            raise BadDataset(f"{folder}/{ANNOTATIONS} is broken: {error}; make the version again") from None
    if _whole_digest(found, manifest.get("beside", {})) != manifest["digest"]:
        raise _changed(folder)
    return content


def read_beside(folder: Path, name: str) -> bytes | None:
    """A file beside a version's annotations; None where it has none of that name.

    Raises:
        BadDataset: it is missing or was changed.
    """
    expected = read_manifest(folder.parent, folder.name).get("beside", {}).get(name)
    if expected is None:
        return None
    held = (folder / name).read_bytes() if (folder / name).exists() else b""
    if hashlib.sha256(held).hexdigest() != expected:
        raise _changed(folder, name)
    return held


def _whole_digest(content: str, beside: Mapping[str, str]) -> str:
    """The digest of content and of the files beside it, by the digest of each; where there are none, the content's."""
    return digest([content, sorted(beside.items())]) if beside else content


def _changed(folder: Path, name: str = ANNOTATIONS) -> BadDataset:
    return BadDataset(f"{folder}/{name} was changed after it was written; make the version again")


def taxonomy_of(content: CocoFile) -> Taxonomy:
    """The classes of a file, without the aliases that only a project has."""
    return Taxonomy(
        categories=tuple(Category.model_validate({"name": c.name, "kind": c.kind}) for c in content.categories)
    )


def read_conflicts(folder: Path) -> tuple[Conflict, ...]:
    """What the sources of a version disagree about; nothing where no file tells."""
    path = folder / CONFLICTS
    if not path.exists():
        return ()
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Conflict, ...])
    except msgspec.DecodeError as error:
        raise BadDataset(f"{path} is broken: {error}; make the version again") from None


def read_manifest(versions: Path, name: str) -> dict[str, Any]:
    """The digest, parents, sources and counts of a version.

    Raises:
        BadDataset: there is none, it is broken, or another release of Carloop digested its content in another way.
    """
    folder = versions / name
    if not is_complete(folder):
        raise BadDataset(f"{folder} is not a complete dataset version; make it again")
    manifest: dict[str, Any] = read_json(folder / MANIFEST)
    if isinstance(manifest, dict) and manifest.get("digest_version", DIGEST_VERSION) != DIGEST_VERSION:
        raise BadDataset(
            f"{folder} was written by another release of Carloop; import or merge it again, then delete this folder"
        )
    try:
        msgspec.convert(manifest, _Manifest)
    except msgspec.ValidationError as error:
        raise BadDataset(f"{folder}/{MANIFEST} is broken: {error}; make the version again") from None
    return manifest


def counts(content: CocoFile) -> dict[str, Any]:
    """Images, annotations, objects by class, images by tag, by licence and by source."""
    name_of = {category.id: category.name for category in content.categories}
    objects = Counter(map(attrgetter("category_id"), content.annotations))
    tags = Counter(name_of[tag.category_id] for image in content.images for tag in image.tags)
    sources = Counter(source for image in content.images for source in {view.source for view in image.views})
    return {
        "images": len(content.images),
        "annotations": len(content.annotations),
        "categories": {name_of[category_id]: count for category_id, count in objects.items()},
        "tags": dict(tags),
        "licenses": dict(Counter(image.source.license or "unknown" for image in content.images)),
        "sources": dict(sources),
    }
