"""What has to be read of dataset versions to know which images they hold; the rest of each file is skipped."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from datasets.errors import BadDataset
from datasets.files import is_complete, read_json
from datasets.records import CategoryRecord, ImageRecord
from datasets.taxonomy import Category, Taxonomy


@dataclass(frozen=True)
class Head:
    """A version's images, under what classes, and the sources of the originals on each image without views."""

    version: str
    taxonomy: Taxonomy
    images: tuple[ImageRecord, ...]
    sources_of: Mapping[str, set[str]]


class _Origin(Struct, frozen=True):
    source: str


class _Annotation(Struct, gc=False):
    image_id: int
    origins: tuple[_Origin, ...] = ()


class _File(Struct):
    categories: list[CategoryRecord]
    images: tuple[ImageRecord, ...]


class _FileWithOrigins(_File):
    annotations: list[_Annotation]


def read_heads(versions: Path, *, with_sources: bool = False) -> Iterator[Head]:
    """Every complete version under a folder, one after another, by digest; `sources_of` is left empty unless asked for.

    Raises:
        BadDataset: there is no such folder, or a version is broken, so that nobody knows what it holds.
    """
    if not versions.is_dir():
        raise BadDataset(f"{versions} is not a folder of dataset versions; check the path")
    for folder in sorted(versions.glob("[!.]*")):  # what is being written has a dot
        if is_complete(folder):
            yield _read_head(folder, with_sources=with_sources)


def _read_head(folder: Path, *, with_sources: bool) -> Head:
    path = folder / "annotations.json"
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_FileWithOrigins if with_sources else _File)
    except msgspec.ValidationError as error:
        raise BadDataset(f"{path} is not a Carloop dataset: {error}; make the version again or remove it") from None
    except (OSError, msgspec.DecodeError) as error:
        read_json(path)  # tells what is wrong, and where
        raise BadDataset(f"{path} cannot be read: {error}; make the version again or remove it") from None
    categories = tuple(Category.model_validate({"name": c.name, "kind": c.kind}) for c in content.categories)
    sources_of = _sources_of(content) if isinstance(content, _FileWithOrigins) else {}
    return Head(folder.name, Taxonomy(categories=categories), content.images, sources_of)


def _sources_of(content: _FileWithOrigins) -> Mapping[str, set[str]]:
    sha256_of = {image.id: image.sha256 for image in content.images if not image.views}
    sources: dict[str, set[str]] = defaultdict(set)
    for annotation in content.annotations:
        if sha256 := sha256_of.get(annotation.image_id):
            sources[sha256].update(origin.source for origin in annotation.origins)
    return sources
