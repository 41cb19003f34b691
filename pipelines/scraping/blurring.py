"""`carloop scrape blur`: a version whose plates and faces cannot be read; `carloop cvat push` makes it where it must.

datasets/blurred/   by the way of searching: which images were searched, and what takes their place
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from datasets.blurring.deriving import derive
from datasets.blurring.finding import Find, load_finder
from datasets.blurring.ledger import BoxXyxy, Derived, read_derived, read_searched, write_searched
from datasets.blurring.replacing import (
    BLURRED,
    conflicts_with_derived,
    snapshot_with_derived,
    told_beside,
    with_derived,
)
from datasets.blurring.settings import BlurSettings
from datasets.errors import BadDataset
from datasets.records import CocoFile, Image
from datasets.rights.takedown import records_without
from datasets.snapshot import SNAPSHOT, decode_snapshot, encode_snapshot
from datasets.store import ImageBatch
from datasets.versions import read_beside, read_conflicts, write_content
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.scraping.blurred_page import write_blurred_page
from pipelines.shelf import Shelf

_AT_ONCE = 64
_FOLDER = "blurred"


@dataclass(frozen=True)
class Blurring:
    """Searching the images of one shelf as the settings say."""

    shelf: Shelf
    settings: BlurSettings
    progress: Progress

    @property
    def folder(self) -> Path:
        return self.shelf.root / _FOLDER

    @cached_property
    def find(self) -> Find:
        return load_finder(self.settings)

    def search(self, images: Iterable[Image]) -> Mapping[str, Derived]:
        """What takes the place of each image in which something was found; each is searched once for ever.

        Raises:
            BadDataset: an image is absent or broken.
            Unavailable, BadInput: there is nothing to search with.
        """
        wanted, known = list(images), read_searched(self.folder, self.settings).images
        done = read_derived(self.folder)
        missing = [image for image in wanted if image.sha256 not in known and image.sha256 not in done]
        if missing:
            self._search(missing)
            known = read_searched(self.folder, self.settings).images
        return {image.sha256: derived for image in wanted if (derived := known.get(image.sha256))}

    def _search(self, missing: Sequence[Image]) -> None:
        with self.progress.step(f"search {len(missing):,} images for plates and faces", total=len(missing)) as step:
            for start in range(0, len(missing), _AT_ONCE):
                found = dict[str, Derived | None]()
                with self.shelf.store.batch() as batch:
                    for image in missing[start : start + _AT_ONCE]:
                        found[image.sha256] = self._derive(image, batch)
                        step.advance()
                write_searched(self.folder, self.settings, found)

    def _derive(self, image: Image, batch: ImageBatch) -> Derived | None:
        made = self._made(image)
        if made is None:
            return None
        stored = batch.write_image(made[0])
        return Derived(stored.sha256, stored.file_name, stored.width, stored.height, made[1])

    def look(self, images: Sequence[Image]) -> Mapping[str, tuple[BoxXyxy, ...]]:
        """Where something would be made unreadable; nothing is kept."""
        with self.progress.step(f"search {len(images):,} images for plates and faces", total=len(images)) as step:
            found = {}
            for image in images:
                if made := self._made(image):
                    found[image.sha256] = made[1]
                step.advance()
        return found

    def _made(self, image: Image) -> tuple[bytes, tuple[BoxXyxy, ...]] | None:
        try:
            made = derive(self.shelf.store.path(image.file_name).read_bytes(), self.find)
        except (OSError, BadDataset) as error:
            raise BadDataset(
                f"{image.file_name} cannot be searched for plates and faces: {error}; import it again"
            ) from None
        return (made[0], tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in made[1].tolist())) if made else None

    def version(self, reference: str) -> tuple[str, Mapping[str, Derived]]:
        """The version in which nothing can be read: itself, by its digest, where nothing was found.

        An original beside the image that took its place, as after a merge with what people corrected, is left out.
        """
        folder, content = self.shelf.find(reference), self.shelf.read_content(reference)
        derived = self.search(_live(content))
        if not derived:
            return folder.name, MappingProxyType({})
        there = {image.sha256 for image in content.images}
        twice = {sha256 for sha256, new in derived.items() if new.sha256 in there}
        content = records_without(content, twice)
        derived = {sha256: new for sha256, new in derived.items() if sha256 not in twice}
        conflicts = [conflict for conflict in read_conflicts(folder) if conflict.sha256 not in twice]
        beside = {BLURRED: told_beside(derived, self.settings.how)}
        if snapshot := read_beside(folder, SNAPSHOT):
            told = snapshot_with_derived(decode_snapshot(snapshot, told_in=folder / SNAPSHOT), derived)
            beside[SNAPSHOT] = encode_snapshot(told)
        digest = write_content(
            with_derived(content, derived),
            self.shelf.versions,
            parents=[folder.name],
            conflicts=conflicts_with_derived(conflicts, derived),
            beside=beside,
        )
        return digest, derived


def with_originals(shelf: Shelf, sha256s: Collection[str]) -> set[str]:
    """These images, and those whose place they took: what people saw of a blurred image they saw of its original."""
    originals = read_derived(shelf.root / _FOLDER)
    return {*sha256s, *(originals[sha256] for sha256 in sha256s if sha256 in originals)}


def blur(
    shelf: Shelf,
    reference: str,
    settings: BlurSettings,
    *,
    name: str | None,
    dry_run: bool,
    html: Path | None,
    number: int,
    as_json: bool,
) -> None:
    """Make the version and name it, or with `dry_run` look at `number` of its images and keep nothing."""
    blurring = Blurring(shelf, settings, Progress(Console(stderr=True)))
    images = _live(shelf.read_content(reference))
    told: dict[str, object] = {}
    if dry_run:
        images = images[:number]
        found, told = blurring.look(images), {"looked_at": len(images)}
    else:
        digest, derived = blurring.version(reference)
        found = {sha256: one.boxes_xyxy for sha256, one in derived.items()}
        named = name or (f"{reference}-blurred" if reference in shelf.names() else None)
        if named:
            shelf.write_name(named, digest)
        told = {"name": named, "version": digest, "images": len(images)}
    if html:
        write_blurred_page(html, images[:number], found, shelf.store, title=reference)
    counts = {"changed": len(found), "regions": sum(map(len, found.values()))}
    show({**told, **counts, "page": str(html) if html else None}, as_json=as_json)


def _live(content: CocoFile) -> list[Image]:
    return [image for image in content.images if not image.deleted]
