"""The ledger of takedowns: one JSON file, to which entries are only ever added. A later import asks it first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datasets.coco import Image
from datasets.errors import BadDataset
from datasets.files import alone, read_json, write_bytes
from datasets.rights.licenses import provenances
from datasets.rights.takedown import Claim, hashes, spelt_url


class TakenDown(Struct, frozen=True):
    """One picture: all hashes under which it was known, and the addresses that its file had and no other's."""

    sha256: str
    file_name: str
    sha256s: tuple[str, ...]
    urls: tuple[str, ...] = ()


class Entry(Struct, frozen=True):
    """One takedown, made at the time `at` (ISO 8601).

    `versions` gives the new dataset version by the one that it replaces.
    """

    at: str
    claim: Claim
    images: tuple[TakenDown, ...]
    reason: str | None = None
    versions: Mapping[str, str] = {}


class _File(Struct, frozen=True):
    takedowns: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Takedowns:
    """All that was ever taken down, oldest first."""

    entries: tuple[Entry, ...] = ()

    @cached_property
    def by_sha256(self) -> Mapping[str, Entry]:
        """The first takedown of a picture, by each of its hashes."""
        return {sha256: e for e in reversed(self.entries) for image in e.images for sha256 in image.sha256s}

    @cached_property
    def by_url(self) -> Mapping[str, Entry]:
        """The first takedown of a page or file, by its address as `spelt_url` gives it."""
        return {spelt_url(url): entry for entry in reversed(self.entries) for url in _claimed_urls(entry)}


def is_taken_down(takedowns: Takedowns, *, sha256: str | None = None, urls: Iterable[str | None] = ()) -> Entry | None:
    """The takedown that forbids an image of these bytes, or from one of these pages or files; None where none does."""
    if sha256 and (found := takedowns.by_sha256.get(sha256)):
        return found
    return next((found for url in urls if url and (found := takedowns.by_url.get(spelt_url(url)))), None)


def entry(
    claim: Claim,
    removed: Sequence[Image],
    kept: Iterable[Image],
    *,
    now: datetime,
    reason: str | None = None,
    versions: Mapping[str, str] = MappingProxyType({}),
) -> Entry:
    """What the ledger keeps of a takedown.

    Of the images' addresses only those of a file: a page may show other pictures. One that a kept image has too, as
    when both came in one archive, is no mark of the picture.
    """
    shared = {spelt_url(url) for image in kept for url in _file_urls(image)}
    images = tuple(
        TakenDown(
            image.sha256,
            image.file_name,
            tuple(sorted(hashes(image))),
            tuple(sorted(url for url in _file_urls(image) if spelt_url(url) not in shared)),
        )
        for image in sorted(removed, key=lambda image: image.sha256)
    )
    return Entry(now.isoformat(timespec="seconds"), claim, images, reason, dict(versions))


def _file_urls(image: Image) -> set[str]:
    return {provenance.url for provenance in provenances(image) if provenance.url}


def _claimed_urls(entry: Entry) -> Iterator[str]:
    yield from entry.claim.urls
    yield from (url for image in entry.images for url in image.urls)


def read_takedowns(ledger: Path) -> Takedowns:
    """The ledger; an empty one where there is no file yet. Raises BadDataset when it is broken."""
    if not ledger.exists():
        return Takedowns()
    try:
        return Takedowns(msgspec.convert(read_json(ledger), _File).takedowns)
    except msgspec.ValidationError as error:
        raise BadDataset(f"{ledger} is no ledger of takedowns: {error}; restore it from a backup") from None


def write_takedown(ledger: Path, entry: Entry) -> bool:
    """Add an entry; False where the same was added before, at whatever time.

    The file is replaced in one step, and processes that add at the same time wait for each other.
    """
    with alone(ledger):
        entries = read_takedowns(ledger).entries
        if any(replace(entry, at=earlier.at) == earlier for earlier in entries):
            return False
        content = msgspec.json.encode(_File((*entries, entry)))
        write_bytes(ledger, msgspec.json.format(content, indent=2) + b"\n")
        return True
