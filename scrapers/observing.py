"""What a visit to a source showed, in numbers that tell whether its recipe still fits."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from scrapers.found import Page

FIELDS = ("license", "author", "title", "price", "listing_id", "page_url")
_FELL = 0.5


class Observation(msgspec.Struct, frozen=True):
    """Pages read, those of them without images, images on them, and images of which each fact was said."""

    pages: int = 0
    empty: int = 0
    images: int = 0
    said: dict[str, int] = {}

    @property
    def per_page(self) -> float:
        """Images on a page, on average."""
        return self.images / self.pages if self.pages else 0.0

    def share(self, name: str) -> float:
        """The share of images, in [0, 1], of which a fact was said."""
        return self.said.get(name, 0) / self.images if self.images else 0.0


@dataclass
class Observer:
    """Counts pages as they come by."""

    pages: int = 0
    empty: int = 0
    images: int = 0

    def __post_init__(self) -> None:
        self._said: Counter[str] = Counter()

    def see(self, page: Page) -> None:
        self.pages += 1
        self.empty += not page.images
        self.images += len(page.images)
        self._said.update(name for image in page.images for name in FIELDS if getattr(image, name))

    @property
    def seen(self) -> Observation:
        return Observation(self.pages, self.empty, self.images, dict(self._said))


def staleness(now: Observation, before: Observation | None, *, selectors: Mapping[str, str]) -> list[str]:
    """What speaks for a recipe that no longer fits, each in a sentence; nothing where all is well.

    `selectors` are those that a recipe has for facts. Rates are compared with those `before`, so a sample may be
    compared with a whole run; one has fallen when it is half of what it was.
    """
    if not now.images:
        return [f"{now.pages:,} pages were read and no image was found"]
    told = [f"{name}: {selector!r} finds nothing" for name, selector in selectors.items() if not now.share(name)]
    if before is None or not before.images:
        return told
    if now.per_page <= _FELL * before.per_page:
        told.append(f"{now.per_page:.1f} images a page, where there were {before.per_page:.1f}")
    if now.empty / now.pages > _FELL + before.empty / max(1, before.pages):
        told.append(
            f"{now.empty:,} of {now.pages:,} pages have no image; there were {before.empty:,} of {before.pages:,}"
        )
    for name in FIELDS:
        if before.share(name) and now.share(name) and now.share(name) <= _FELL * before.share(name):
            told.append(f"{name} is said of {now.share(name):.0%} of the images, where it was {before.share(name):.0%}")
    return told
