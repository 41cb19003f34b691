"""Taking pictures out of a dataset when the right to use them is withdrawn."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from datasets.coco import Image
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


def records_without(content: CocoFile, sha256s: Collection[str]) -> CocoFile:
    """The dataset without these images and what was said of them; others no longer name them as near.

    All that stays keeps its number, which conflicts name.
    """
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
) -> tuple[set[str], tuple[str, ...]]:
    """The images that the claim names, by SHA-256, and the parts of the claim that name none.

    `sources_of` gives sources of images without views. Kin of the images are not among them: see `with_kin`.
    """
    wanted = {
        **{("URL", spelt_url(url)): f"URL {url}" for url in claim.urls},
        **{("author", _spelt(author)): f"author {author}" for author in claim.authors},
        **{("source", source): f"source {source}" for source in claim.sources},
        **{("hash", sha256): f"hash {sha256}" for sha256 in claim.sha256s},
    }
    named, met = set(), set()
    for image in images:
        if found := _marks(image, sources_of).intersection(wanted):
            met |= found
            named.add(image.sha256)
    return named, tuple(told for mark, told in wanted.items() if mark not in met)


def _marks(image: Image, sources_of: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """All that a claim can name an image by."""
    said = list(provenances(image))
    urls = {spelt_url(url) for provenance in said for url in (provenance.page_url, provenance.url) if url}
    authors = {_spelt(provenance.author) for provenance in said if provenance.author}
    sources = {view.source for view in image.views} or sources_of.get(image.sha256, set())
    named = (("URL", urls), ("author", authors), ("source", sources), ("hash", hashes(image)))
    return {(kind, name) for kind, names in named for name in names}


def with_kin(images: Sequence[Image], named: Collection[str]) -> set[str]:
    """These of the images, and those that hold the same picture: copies of it, images derived from it, and so on."""
    by_sha256 = {image.sha256: image for image in images}
    holders = _holders(images)
    went, ahead = set(named), list(named)
    while ahead:
        for part in hashes(by_sha256[ahead.pop()]):
            ahead += holders[part] - went
            went |= holders[part]
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
