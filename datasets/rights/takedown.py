"""Taking pictures out of a dataset when the right to use them is withdrawn."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from datasets.coco import Dataset, Image
from datasets.errors import BadDataset
from datasets.records import CocoFile
from datasets.rights.licenses import provenances

_PREFIX = re.compile(r"[0-9a-f]{8,64}")


class Claim(Struct, frozen=True):
    """Which pictures are to go: any that one of these names.

    `urls` name a page or a file, whatever their scheme and fragment; `authors` are compared without regard to case;
    `sources` are the names of views (of originals, where an image has no views); `sha256s` are at least the first
    eight hex digits of an image's hash or of a copy's.
    """

    urls: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    sha256s: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.urls, self.authors, self.sources, self.sha256s))


@dataclass(frozen=True)
class Takedown:
    """What a takedown did. `dataset` is the rest; `reasons` say by image why it went.

    `unmatched` are the parts of the claim that name no image. `near` stay, though they show the same photograph as one
    that went (cropped, mirrored, altered): that is a program's judgement, so a person has to look.
    """

    dataset: Dataset
    claim: Claim
    removed: tuple[Image, ...]
    reasons: Mapping[str, str]
    unmatched: tuple[str, ...]
    near: tuple[Image, ...]


def takedown(
    dataset: Dataset,
    *,
    urls: Sequence[str] = (),
    authors: Sequence[str] = (),
    sources: Sequence[str] = (),
    sha256s: Sequence[str] = (),
) -> Takedown:
    """The dataset without the images that are named, with all that was said of them.

    What is withdrawn is the right to use the picture. So an image goes as a whole, with its annotations and with the
    statements of all its sources, even where only one source is named: they speak of the same bytes. What holds the
    same picture goes too: its copies in other sizes, and images derived from it, and from those.

    Raises:
        BadDataset: no image is named, or a hash is too short, no hash, or begins more than one.
    """
    claim = Claim(tuple(urls), tuple(authors), tuple(sources), tuple(sha256s))
    if not claim:
        raise BadDataset(
            "a takedown needs to be told what to take down: give a URL, an author, a source or an image hash"
        )
    claim = with_whole_hashes(claim, dataset.images)
    reasons, unmatched = named_images(dataset.images, claim, origin_sources(dataset))
    if not reasons:
        raise BadDataset(
            f"no image of {len(dataset.images)} has {' or '.join(unmatched)}; "
            "check the spelling, `carloop dataset licenses` lists authors and sources"
        )
    went = with_kin(dataset.images, reasons)
    removed = tuple(image for image in dataset.images if image.sha256 in went)
    gone = {sha256 for image in removed for sha256 in hashes(image)}
    rest = without(dataset, gone)
    near = tuple(image for image in rest.images if gone & set(dataset.by_sha256[image.sha256].near))
    return Takedown(rest, claim, removed, went, unmatched, near)


def without(dataset: Dataset, sha256s: Iterable[str]) -> Dataset:
    """The dataset without these images and what was said of them; others no longer name them as near."""
    gone = set(sha256s)
    rest = (image for image in dataset.images if image.sha256 not in gone)
    return Dataset(
        dataset.taxonomy,
        tuple(replace(i, near=tuple(n for n in i.near if n not in gone)) if gone & set(i.near) else i for i in rest),
        tuple(annotation for annotation in dataset.annotations if annotation.sha256 not in gone),
    )


def records_without(content: CocoFile, sha256s: Collection[str]) -> CocoFile:
    """The same of a dataset as it lies in its file; all that stays keeps its number, which conflicts name."""
    kept = [image for image in content.images if image.sha256 not in sha256s]
    image_ids = {image.id for image in kept}
    return CocoFile(
        content.categories,
        [replace(i, near=tuple(n for n in i.near if n not in sha256s)) if i.near else i for i in kept],
        [annotation for annotation in content.annotations if annotation.image_id in image_ids],
    )


def hashes(image: Image) -> set[str]:
    """The SHA-256 of the image and of its copies."""
    views = {view.sha256 for view in image.views if view.sha256}
    return {image.sha256, *(copy.sha256 for copy in image.copies), *views}


def origin_sources(dataset: Dataset) -> Mapping[str, set[str]]:
    """By the SHA-256 of an image without views: the sources of its annotations' originals."""
    sources: dict[str, set[str]] = defaultdict(set)
    for annotation in dataset.annotations:
        for origin in annotation.origins:
            sources[annotation.sha256].add(origin.source)
    return {sha256: found for sha256, found in sources.items() if not dataset.by_sha256[sha256].views}


def with_whole_hashes(claim: Claim, images: Iterable[Image]) -> Claim:
    """The claim with each beginning of a hash completed; one that no image has stays.

    Raises:
        BadDataset: it is no beginning of a hash, or begins more than one.
    """
    prefixes = [prefix.strip().casefold() for prefix in claim.sha256s]
    for prefix in prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise BadDataset(f"{prefix!r} is no image hash; give at least its first 8 hex digits")
    known = {sha256 for image in images for sha256 in hashes(image)} if prefixes else set()
    return replace(claim, sha256s=tuple(dict.fromkeys(_whole(prefix, known) for prefix in prefixes)))


def _whole(prefix: str, known: set[str]) -> str:
    found = sorted(sha256 for sha256 in known if sha256.startswith(prefix))
    if len(found) > 1:
        raise BadDataset(
            f"{prefix!r} begins {len(found)} image hashes, {found[0]} and {found[1]} among them; give more digits"
        )
    return found[0] if found else prefix


def named_images(
    images: Iterable[Image], claim: Claim, sources_of: Mapping[str, set[str]]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Why each image that the claim names is named, by SHA-256, and the parts of the claim that name none.

    `sources_of` gives sources of images without views. Kin of the images are not among them: see `with_kin`.
    """
    wanted = {
        **{("URL", spelt_url(url)): f"URL {url}" for url in claim.urls},
        **{("author", _spelt(author)): f"author {author}" for author in claim.authors},
        **{("source", source): f"source {source}" for source in claim.sources},
        **{("hash", sha256): f"hash {sha256}" for sha256 in claim.sha256s},
    }
    reasons, met = {}, set()
    for image in images:
        if found := _marks(image, sources_of).intersection(wanted):
            met |= found
            reasons[image.sha256] = ", ".join(sorted(wanted[mark] for mark in found))
    return reasons, tuple(told for mark, told in wanted.items() if mark not in met)


def _marks(image: Image, sources_of: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """All that a claim can name an image by."""
    said = list(provenances(image))
    urls = {spelt_url(url) for provenance in said for url in (provenance.page_url, provenance.url) if url}
    authors = {_spelt(provenance.author) for provenance in said if provenance.author}
    sources = {view.source for view in image.views} or sources_of.get(image.sha256, set())
    named = (("URL", urls), ("author", authors), ("source", sources), ("hash", hashes(image)))
    return {(kind, name) for kind, names in named for name in names}


def with_kin(images: Sequence[Image], reasons: Mapping[str, str]) -> dict[str, str]:
    """Those images and the ones that hold the same picture: copies of it, and images derived from it, and so on."""
    by_sha256 = {image.sha256: image for image in images}
    holders = _holders(images)
    went, ahead = dict(reasons), [sha256 for sha256 in reasons if sha256 in by_sha256]
    while ahead:
        sha256 = ahead.pop()
        for part in hashes(by_sha256[sha256]):
            for holder in holders[part]:
                if holder not in went:
                    went[holder] = f"holds the picture of {sha256[:16]}"
                    ahead.append(holder)
    return went


def _holders(images: Iterable[Image]) -> Mapping[str, set[str]]:
    """By a picture's hash: the images that are it, have it as a copy, or are derived from it."""
    holders: dict[str, set[str]] = defaultdict(set)
    for image in images:
        for sha256 in hashes(image) | ({image.derived_from} if image.derived_from else set()):
            holders[sha256].add(image.sha256)
    return holders


def spelt_url(url: str) -> str:
    """A URL without what does not tell pages apart: scheme, user, default port, fragment, last slash, host's case."""
    try:
        parts = urlsplit(url.strip() if "://" in url else f"//{url.strip()}")
        port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    except ValueError:
        return url.strip()
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.hostname or ''}{port}{parts.path.rstrip('/')}{query}"


def _spelt(name: str) -> str:
    return " ".join(name.split()).casefold()
