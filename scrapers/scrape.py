"""Scraping a source into the store: each address and each content at most once, each image with where it came from."""

import gc
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from datasets.errors import CarloopError
from scrapers.catalog import Catalog, Fate
from scrapers.fetching.answers import Arrived, Outcome, Wanted
from scrapers.fetching.answers import Fate as Transferred
from scrapers.fetching.bulk import transfer
from scrapers.fetching.decoding import Decoder, DecodingLimits
from scrapers.fetching.fetcher import Fetcher
from scrapers.fetching.images import describe
from scrapers.fetching.network import OBJECTS
from scrapers.fetching.robots import product_token
from scrapers.fetching.settings import FetchSettings
from scrapers.found import FoundImage, Refusal
from scrapers.keeping import Keeper
from scrapers.licences import judge
from scrapers.observing import FIELDS, Observation, Observer, staleness
from scrapers.settings import LicencePolicy
from scrapers.sources.finding import find_pages
from scrapers.sources.settings import Source

_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class ScrapeReport:
    """What one visit to a source did.

    Of the images `found` on its pages, `known` were settled before; `fates` counts what became of the others. In a dry
    run these are what would be `asked` for, and what its licence forbids. `troubles` are pages and addresses that gave
    nothing, with why; `stale` tells what speaks for a recipe that no longer fits.
    """

    source: str
    recipe: str
    pages: int
    found: int
    known: int
    fates: Mapping[str, int]
    troubles: tuple[Refusal, ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def stored(self) -> int:
        return self.fates.get("stored", 0)


@dataclass
class Visit:
    """One visit to one source under way.

    What it downloads whole lies in `folder`, and what has just arrived in `spool` (by default in `folder` too), so that
    a killed visit goes on without asking for it again. `owns` says which addresses are this worker's, of several that
    share a catalogue: one of them reads a source's pages, and leaves to the others what is on their hosts. `apart` is
    for `transfer`.
    """

    source: Source
    folder: Path
    fetch: FetchSettings
    fetcher: Fetcher
    keeper: Keeper
    catalog: Catalog
    policy: LicencePolicy
    max_tries: int
    spool: Path | None = None
    on_page: Callable[[], None] = lambda: None
    owns: Callable[[str], bool] = lambda url: True
    apart: bool | None = None
    known: int = 0
    observer: Observer = field(default_factory=Observer)
    asked: dict[str, None] = field(default_factory=dict)
    _check: Callable[[bytes], None] | None = None

    def run(self, *, limit: int | None) -> ScrapeReport:
        """Keep what is new, until the source has no more or `limit` images were stored.

        A page or image that cannot be had is told and the visit goes on; the next one asks for it again.

        Raises:
            FetchFailed: the source cannot be read at all.
            RecipeFailed: it is not what its settings say.
        """
        wanted = self.wanted()
        if limit is None:
            self._take(wanted)
        else:
            while (missing := limit - self._stored()) > 0 and (some := list(islice(wanted, missing))):
                self._take(some)
                self.keeper.flush()
        self.keeper.flush()
        shutil.rmtree(self._spool, ignore_errors=True)  # all that had arrived is kept
        return self._report(self.keeper.fates, whole=limit is None)

    def look(self, *, limit: int | None) -> ScrapeReport:
        """Tell what a run would ask for, asking for pages only and keeping nothing."""
        fates = Counter("unlicensed" if self._is_refused(image) else "asked" for image in islice(self._new(), limit))
        return self._report(fates, whole=False)

    def wanted(self) -> Iterator[FoundImage]:
        """The images to be asked for; of those whose licence is refused only that is noted."""
        for image in self._new():
            if self._is_refused(image):
                reason = f"its licence is {image.license or image.license_url}, which licences: refused: names"
                self.keeper.note(image.url, "unlicensed", self.source, reason)
            else:
                yield image

    def _new(self) -> Iterator[FoundImage]:
        """The images that are not settled, page by page, each address once; then those that others have found."""
        address = self.source.address
        if address is None or self.owns(address):
            yield from self._found()
        if others := self.catalog.handed_over(self.source.name):
            yield from self._unsettled(others)

    def _found(self) -> Iterator[FoundImage]:
        for page in find_pages(self.source, self.fetcher, self.folder, agent=product_token(self.fetch.user_agent)):
            if isinstance(page, Refusal):
                self.keeper.complain(page)
                continue
            self.observer.see(page)
            if self.source.address is not None:
                self.catalog.hand_over(self.source.name, (one for one in page.images if not self._is_ours(one)))
            yield from self._unsettled(page.images)
            self.on_page()

    def _is_ours(self, image: FoundImage) -> bool:
        return image.path is not None or self.owns(image.url)

    def _unsettled(self, found: Iterable[FoundImage]) -> Iterator[FoundImage]:
        images = {image.url: image for image in found if image.url not in self.asked and self._is_ours(image)}
        known = self.catalog.known(images)
        self._remember(images)
        for url, image in images.items():
            if url in known and known[url].is_settled(self.max_tries):
                self.known += 1
            else:
                yield image

    def _remember(self, urls: Iterable[str]) -> None:
        """Of the last addresses that they were asked for: the catalogue knows it of earlier ones."""
        self.asked.update(dict.fromkeys(urls))
        for url in list(islice(self.asked, max(0, len(self.asked) - _REMEMBERED))):
            del self.asked[url]

    def _is_refused(self, image: FoundImage) -> bool:
        return judge((image.license, image.license_url), self.policy) == "refused"

    def _take(self, wanted: Iterable[FoundImage]) -> None:
        """Keep what lies here, and transfer the rest."""
        with Decoder(DecodingLimits(pixels=self.fetch.max_image_pixels)) as decoder, _looking_at_new_objects_only():
            self._check = decoder.check if self.keeper.decodes else None  # else its header was read, nobody decodes it
            fates = transfer(
                self._remote(wanted),
                self._arrived,
                settings=self.fetch,
                check=self._check,
                spool=self._spool,
                find=self.keeper.find,
                world=self.fetcher.world,
                apart=self.apart,
            )
            for fate in fates:
                if fate.outcome in (Outcome.REFUSED, Outcome.FAILED):
                    self.keeper.note(fate.wanted.url, _fate(fate), self.source, fate.reason or "nobody said why")

    @property
    def _spool(self) -> Path:
        return self.spool or self.folder / f"arrived-{self.source.name}"

    def _remote(self, wanted: Iterable[FoundImage]) -> Iterator[Wanted]:
        for image in wanted:
            if image.path is None:
                yield Wanted(image.url, tag=image)
            else:
                self._keep_local(image, image.path)

    def _keep_local(self, found: FoundImage, path: Path) -> None:
        content = path.read_bytes()
        try:
            image = describe(content, url=found.url, max_pixels=self.fetch.max_image_pixels)
            if self._check:
                self._check(content)
            self.keeper.keep(found, content, image, source=self.source)
        except CarloopError as error:
            self.keeper.note(found.url, "refused", self.source, str(error))

    def _arrived(self, arrived: Arrived) -> None:
        self.keeper.keep(arrived.wanted.tag, arrived.path, arrived.image, source=self.source, answer=arrived.answer)

    def _stored(self) -> int:
        return self.keeper.fates["stored"]

    def _report(self, fates: Mapping[Fate, int] | Mapping[str, int], *, whole: bool) -> ScrapeReport:
        last = self.catalog.last_observation(self.source.name)
        seen = self.observer.seen
        before = msgspec.json.decode(last, type=Observation) if last else None
        stale = staleness(seen, before, selectors=selectors(self.source))
        if whole and not stale and seen.images:
            self.catalog.observe(self.source.name, self.source.version, msgspec.json.encode(seen).decode())
        return ScrapeReport(
            source=self.source.name,
            recipe=self.source.version,
            pages=seen.pages,
            found=seen.images,
            known=self.known,
            fates={fate: number for fate, number in sorted(fates.items()) if number},
            troubles=tuple(self.keeper.troubles),
            stale=tuple(stale),
        )


def selectors(source: Source) -> dict[str, str]:
    """The selectors for facts that a recipe has."""
    said = {name: getattr(source, name) for name in FIELDS if hasattr(source, name)}
    return {name: selector for name, selector in said.items() if selector} if source.kind == "listing" else {}


@contextmanager
def _looking_at_new_objects_only() -> Iterator[None]:
    """Spare the garbage collector what was there before: thousands of images make it go through all that again."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _fate(fate: Transferred) -> Fate:
    """In the catalogue's words: what robots.txt forbids today it may allow tomorrow."""
    if fate.outcome is Outcome.FAILED:
        return "failed"
    return "disallowed" if "/robots.txt" in (fate.reason or "") else "refused"
