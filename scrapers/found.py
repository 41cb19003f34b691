"""What sources find: pages of images, each with what is said about it. None is what nobody said."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImage:
    """A photograph that a source shows. `path` is where it lies, if that is on this machine already."""

    url: str
    family: str
    page_url: str | None = None
    license: str | None = None
    license_url: str | None = None
    author: str | None = None
    attribution: str | None = None
    title: str | None = None
    price: str | None = None
    listing_id: str | None = None
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a source, be it HTML, an API's reply or a part of a file, with its images in order."""

    url: str
    images: tuple[FoundImage, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An address that gave nothing, and why."""

    url: str
    reason: str
