"""Taking pictures out of every dataset version that holds them. Old versions stay; new ones replace them."""

from collections.abc import Collection, Container
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from datasets.coco import Image
from datasets.errors import BadDataset
from datasets.rights.heads import Head, read_heads
from datasets.rights.ledger import entry, read_takedowns, write_takedown
from datasets.rights.takedown import Claim, hashes, named_images, records_without, with_kin, with_whole_hashes
from datasets.snapshot import SNAPSHOT, decode_snapshot, encode_snapshot, without_images
from datasets.versions import read_beside, read_conflicts, read_content, write_content


@dataclass(frozen=True)
class Holding:
    """A dataset version and the images, by SHA-256, that hold a picture which was asked for."""

    version: str
    sha256s: tuple[str, ...]


@dataclass(frozen=True)
class Replacement:
    """A version that held so many withdrawn pictures, and the one to use instead."""

    old: str
    new: str
    images: int


@dataclass(frozen=True)
class Withdrawal:
    """What was withdrawn. `unmatched` are the parts of the claim that name no image of any version.

    `near` stay, though they show the same photograph as one that went (cropped, mirrored, altered): that is a program's
    judgement, so a person has to look.
    """

    claim: Claim
    removed: tuple[Image, ...]
    replacements: tuple[Replacement, ...]
    unmatched: tuple[str, ...]
    near: tuple[Image, ...]


def versions_holding(versions: Path, sha256s: Collection[str]) -> list[Holding]:
    """The versions that hold these pictures: as an image, as a copy of one, or as what one is derived from.

    Raises:
        BadDataset: a version cannot be read, so nobody knows what it holds.
    """
    held = ((head, _held(head, set(sha256s))) for head in read_heads(versions))
    return [Holding(head.version, tuple(image.sha256 for image in images)) for head, images in held if images]


def write_replacements(
    versions: Path,
    claim: Claim,
    *,
    ledger: Path,
    now: datetime,
    reason: str | None = None,
) -> Withdrawal:
    """Write, for every version that holds a claimed picture, one without it, and put the takedown into the ledger.

    What is withdrawn is the right to use the picture. So an image goes as a whole, with its annotations and with the
    statements of all its sources, even where only one source is named: they speak of the same bytes. What holds the
    same picture goes too: its copies in other sizes, and images derived from it, and from those.

    What was taken down before doesn't come back: a new version is without all that the ledger names. A new version's
    parent is the one it replaces. Running it again, even after it was killed, comes to the same end.

    Raises:
        BadDataset: no version holds a claimed picture, a hash is ambiguous, or a version or the ledger is broken.
    """
    claim, removed, unmatched = find_in_versions(versions, claim)
    gone = {sha256 for image in removed for sha256 in hashes(image)}
    forbidden = gone | read_takedowns(ledger).by_sha256.keys()
    near: dict[str, Image] = {}
    replacements = []
    for head in read_heads(versions):
        near |= {image.sha256: image for image in head.images if not gone.isdisjoint(image.near)}
        if held := _held(head, gone):
            went = {image.sha256 for image in _held(head, forbidden)} | forbidden
            rest = records_without(read_content(versions / head.version), went)
            told = [conflict for conflict in read_conflicts(versions / head.version) if conflict.sha256 not in went]
            beside = _snapshot_without(versions / head.version, went)
            new = write_content(rest, versions, parents=[head.version], conflicts=told, beside=beside)
            replacements.append(Replacement(head.version, new, len(held)))
    kept = (image for head in read_heads(versions) for image in head.images if image.sha256 not in gone)
    new_of = {replacement.old: replacement.new for replacement in replacements}
    write_takedown(ledger, entry(claim, removed, kept, now=now, reason=reason, versions=new_of))
    stay = tuple(image for sha256, image in sorted(near.items()) if sha256 not in forbidden)
    return Withdrawal(claim, removed, tuple(replacements), unmatched, stay)


def find_in_versions(versions: Path, claim: Claim) -> tuple[Claim, tuple[Image, ...], tuple[str, ...]]:
    """The claim with whole hashes, every image of any version that it takes down, and what of it names none.

    What one version alone knows (an author, a copy) counts in all of them.

    Raises:
        BadDataset: no version holds one, a hash is ambiguous, or a version is broken.
    """
    if claim.sha256s:
        claim = with_whole_hashes(claim, (image for head in read_heads(versions) for image in head.images))
    found: dict[str, Image] = {}
    missed: set[str] | None = None
    for head in read_heads(versions, with_sources=bool(claim.sources)):
        named, unmatched = named_images(head.images, claim, head.sources_of)
        missed = set(unmatched) if missed is None else missed.intersection(unmatched)
        found |= {image.sha256: image for image in head.images if image.sha256 in named}
    if not found:
        raise BadDataset(f"no version in {versions} holds an image of {' or '.join(sorted(missed or {'any kind'}))}")
    return claim, tuple(_with_kin_anywhere(versions, found).values()), tuple(sorted(missed or ()))


def _with_kin_anywhere(versions: Path, found: dict[str, Image]) -> dict[str, Image]:
    """Those images and the ones that hold the same pictures, looked for in all versions until no more are found."""
    while True:
        gone = {sha256 for image in found.values() for sha256 in hashes(image)}
        more = {image.sha256: image for head in read_heads(versions) for image in _held(head, gone)}
        if more.keys() <= found.keys():
            return found | more
        found = more | found


def _snapshot_without(folder: Path, sha256s: Container[str]) -> dict[str, bytes]:
    """What lies beside a version, without these pictures; nothing where nothing does."""
    content = read_beside(folder, SNAPSHOT)
    if content is None:
        return {}
    snapshot = decode_snapshot(content, told_in=folder / SNAPSHOT)
    tasks = tuple(without_images(task, sha256s) for task in snapshot.tasks)
    return {SNAPSHOT: encode_snapshot(replace(snapshot, tasks=tasks))}


def _held(head: Head, sha256s: set[str]) -> list[Image]:
    """The version's images that hold one of these pictures, or one derived from it."""
    named = {image.sha256 for image in head.images if _names_any(image, sha256s)}
    went = with_kin(head.images, named) if named else set()
    return [image for image in head.images if image.sha256 in went]


def _names_any(image: Image, sha256s: set[str]) -> bool:
    return image.derived_from in sha256s or not sha256s.isdisjoint(hashes(image))
