"""Under which licences a dataset's images stand, by whom and from where, as their sources state it. None is unknown."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from datasets.coco import Dataset, Image, Provenance

_Statement = tuple[str | None, str | None, str | None]


@dataclass(frozen=True)
class LicenseRow:
    """How many images a source gives by this author under this licence; None is what nobody said."""

    license: str | None
    author: str | None
    source: str | None
    images: int


@dataclass(frozen=True)
class Disagreement:
    """One image whose sources state different licences: the licence by source."""

    sha256: str
    file_name: str
    licenses: Mapping[str, str]


@dataclass(frozen=True)
class Licenses:
    """The rows, most images first; an image with several views is in the row of each.

    `images` counts all that are not deleted, `unknown` those for which no view states a licence.
    """

    rows: tuple[LicenseRow, ...]
    images: int
    unknown: int
    disagreements: tuple[Disagreement, ...]


def licenses(dataset: Dataset) -> Licenses:
    """The licences of all images that are not deleted."""
    images = [image for image in dataset.images if not image.deleted]
    found = Counter(row for image in images for row in set(_statements(image)))
    rows = [LicenseRow(*statement, count) for statement, count in found.items()]
    return Licenses(
        rows=tuple(sorted(rows, key=_most_first)),
        images=len(images),
        unknown=sum(not stated_licenses(image) for image in images),
        disagreements=tuple(differing for image in images if (differing := disagreement(image))),
    )


def stated_licenses(image: Image) -> tuple[str, ...]:
    """The licences that the image or its views state, each once, sorted; empty when nobody stated one."""
    return tuple(sorted({license for license, _, _ in _statements(image) if license}))


def disagreement(image: Image) -> Disagreement | None:
    """The licences by source where they differ in more than spelling (`CC-BY-4.0` is `CC BY 4.0`), else None."""
    if len(image.views) < 2:
        return None
    stated: dict[str, set[str]] = defaultdict(set)
    for license, _, source in _statements(image):
        if license:
            stated[source or "no source named"].add(license)
    if len({_spelt_alike(license) for names in stated.values() for license in names}) < 2:
        return None
    joined = {source: " and ".join(sorted(names)) for source, names in sorted(stated.items())}
    return Disagreement(image.sha256, image.file_name, joined)


def provenances(image: Image) -> Iterator[Provenance]:
    """What the image says of its origin and what each of its views does."""
    yield image.source
    yield from (view.provenance for view in image.views)


def _statements(image: Image) -> Sequence[_Statement]:
    """(licence, author, source) as each view states it; as the image does where no view says anything."""
    by_view: list[_Statement] = [(view.provenance.license, view.provenance.author, view.source) for view in image.views]
    if any(license or author for license, author, _ in by_view):
        return by_view
    sources: list[str | None] = [view.source for view in image.views]
    return [(image.source.license, image.source.author, source) for source in sources or [None]]


@lru_cache(maxsize=4096)
def _spelt_alike(license: str) -> str:
    return re.sub(r"[\s_()-]+", "", license).casefold()


def _most_first(row: LicenseRow) -> tuple[object, ...]:
    return (-row.images, *((name is None, name or "") for name in (row.license, row.author, row.source)))


def licenses_to_json(found: Licenses) -> dict[str, Any]:
    """All of it, for a script."""
    return asdict(found)
