"""Deleting the bytes of pictures that were taken down: nothing else in Carloop ever does."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from datasets.coco import Image
from datasets.rights.takedown import hashes
from datasets.store import ImageStore


@dataclass(frozen=True)
class Deletion:
    """Files by what became of them. `kept` are in place of the picture but other bytes, or lie outside of the store."""

    deleted: tuple[Path, ...]
    missing: tuple[Path, ...]
    kept: tuple[Path, ...]


def delete_images(removed: Iterable[Image], store: ImageStore) -> Deletion:
    """Delete the files of these images and of their copies from the store.

    A file goes only when its bytes have the picture's SHA-256, whatever a dataset says of its name. Run again, it
    finds them missing.
    """
    fates: dict[str, list[Path]] = {"deleted": [], "missing": [], "kept": []}
    for path, sha256s in sorted(_files(removed, store), key=lambda found: found[0]):
        fates[_delete(path, sha256s, store)].append(path)
    return Deletion(*(tuple(paths) for paths in fates.values()))


def _files(removed: Iterable[Image], store: ImageStore) -> Iterator[tuple[Path, set[str]]]:
    for image in removed:
        for file_name in {image.file_name, *(copy.file_name for copy in image.copies)}:
            yield store.path(file_name), hashes(image)


def _delete(path: Path, sha256s: set[str], store: ImageStore) -> str:
    if not path.resolve().is_relative_to(store.root.resolve()):
        return "kept"
    if not path.is_file():
        return "missing"
    with path.open("rb") as handle:
        if hashlib.file_digest(handle, "sha256").hexdigest() not in sha256s:
            return "kept"
    path.unlink()
    return "deleted"
