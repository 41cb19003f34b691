"""What becomes of an image that has arrived: into the store, aside for a person to look at, or nowhere.

    store    what may be used
    aside    what waits in quarantine for its licence, and what was dropped as irrelevant

Images and what is noted of them become durable together, the images first, in a thread of its own: while the disk
is waited for, more images arrive, and at most as many again.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from datasets.store import ImageStore
from datasets.stored_image import StoredImage
from datasets.write_behind import WriteBehind, write_behind
from scrapers.catalog import Catalog, Entry, Fate, Record, State
from scrapers.fetching.answers import Answer
from scrapers.fetching.spool import UNTAKEN
from scrapers.found import FoundImage, Refusal
from scrapers.licences import judge
from scrapers.relevance import Judgement, Relevance
from scrapers.settings import LicencePolicy
from scrapers.sources.settings import SourceSettings

_AT_ONCE = UNTAKEN // 2  # two batches wait for the disk while what they move lies in the spool
_AT_LEAST_EVERY_S = 0.5
_TOLD = 1_000
_FATES: dict[State, Fate] = {"kept": "stored", "quarantined": "quarantined", "dropped": "dropped"}


@dataclass(frozen=True)
class Rules:
    """What decides about an image: without `relevance` nothing is dropped; what is `withdrawn` never comes back."""

    policy: LicencePolicy
    relevance: Relevance | None = None
    withdrawn: Collection[str] = ()


@dataclass(frozen=True)
class Places:
    """Where things are kept; `aside` is a store like the other one, but nothing is used from it."""

    catalog: Catalog
    store: ImageStore
    aside: ImageStore


@dataclass
class Batch:
    """Images on their way to their places, and what is to be noted when they are there."""

    store: WriteBehind
    aside: WriteBehind
    written: set[WriteBehind] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)

    def put(self, files: WriteBehind, path: str, held: bytes | str) -> None:
        if isinstance(held, str):
            files.move(path, held)
        else:
            files.write(path, held)
        self.written.add(files)

    def flush(self, catalog: Catalog) -> list[Entry]:
        """Make them durable; returns what was noted, as it was kept."""
        for files in self.written:
            files.flush()
        self.written.clear()
        entries, self.entries = self.entries, []
        return catalog.note(entries)


class Keeper:
    """Keeps images with their provenance, and notes the fates of addresses. `fates` counts those of this run."""

    def __init__(self, places: Places, batches: tuple[Batch, Batch], rules: Rules, now: Callable[[], datetime]) -> None:
        self._places, self._rules, self._now = places, rules, now
        self._batch, self._other = batches
        self._unusable = places.catalog.unusable()
        self._flushed_at = time.monotonic()
        self._thread = ThreadPoolExecutor(1)
        self._flushing: Future[list[Entry]] | None = None
        self._recipe: tuple[SourceSettings | None, str] = (None, "")
        self.fates: Counter[Fate] = Counter()
        self.troubles: list[Refusal] = []

    def keep(
        self,
        found: FoundImage,
        held: bytes | str,
        image: StoredImage,
        *,
        source: SourceSettings,
        answer: Answer | None = None,
    ) -> None:
        """Keep an image, which these bytes are or a file that may be moved. Raises BadDataset when it is unreadable."""
        if image.sha256 in self._rules.withdrawn:
            self.note(found.url, "refused", source, "its right to be used was withdrawn")
            return
        record = self._record(found, held, image, source, answer)
        if image.sha256 not in self._unusable:
            self._put(record, held)
        self._note(
            Entry(url=found.url, fate=_FATES[record.state], source=source.name, reason=record.reason, record=record)
        )

    @property
    def decodes(self) -> bool:
        """Whether an image's pixels are looked at, so that they have to be checked before."""
        return self._rules.relevance is not None

    def note(self, url: str, fate: Fate, source: SourceSettings, reason: str) -> None:
        """Note why an address gave no image."""
        self._note(Entry(url=url, fate=fate, source=source.name, reason=reason))
        self.complain(Refusal(url, reason))

    def complain(self, trouble: Refusal) -> None:
        """Tell of something that gave nothing; the first thousand are told."""
        if len(self.troubles) < _TOLD:
            self.troubles.append(trouble)

    def find(self, file_name: str) -> Path | None:
        """Where an image lies, in its place or aside."""
        paths = (self._places.store.path(file_name), self._places.aside.path(file_name))
        return next((path for path in paths if path.exists()), None)

    def flush(self) -> None:
        """Make all that was kept and noted durable."""
        self._flush_soon()
        self._end_flush()

    def close(self) -> None:
        """Flush, and end the thread."""
        try:
            self.flush()
        finally:
            self._thread.shutdown()

    def _flush_soon(self) -> None:
        """Begin a flush when the one before has ended."""
        self._end_flush()
        self._flushing = self._thread.submit(self._batch.flush, self._places.catalog)
        self._batch, self._other = self._other, self._batch
        self._flushed_at = time.monotonic()

    def _end_flush(self) -> None:
        flushing, self._flushing = self._flushing, None
        if flushing:
            self.fates.update(entry.fate for entry in flushing.result())

    def _note(self, entry: Entry) -> None:
        self._batch.entries.append(entry)
        number = len(self._batch.entries)
        if number >= _AT_ONCE or time.monotonic() - self._flushed_at > _AT_LEAST_EVERY_S:
            self._flush_soon()

    def _put(self, record: Record, held: bytes | str) -> None:
        if record.state == "kept":
            self._batch.put(self._batch.store, f"{self._places.store.root}/{record.file_name}", held)
        else:
            self._unusable.add(record.sha256)
            self._batch.put(self._batch.aside, f"{self._places.aside.root}/{record.file_name}", held)

    def _record(
        self, found: FoundImage, held: bytes | str, image: StoredImage, source: SourceSettings, answer: Answer | None
    ) -> Record:
        judgement = self._rules.relevance.judge(_bytes(held), image) if self._rules.relevance else Judgement()
        state, reason = self._state(found, judgement)
        return Record(
            sha256=image.sha256,
            file_name=image.file_name,
            width=image.width,
            height=image.height,
            family=found.family[:255],
            page_url=found.page_url,
            url=found.url,
            author=found.author,
            license=found.license,
            license_url=found.license_url,
            attribution=found.attribution or attribution(found),
            title=found.title,
            price=found.price,
            listing_id=found.listing_id,
            retrieved_at=self._now().isoformat(),
            etag=answer.etag if answer else None,
            last_modified=answer.last_modified if answer else None,
            robots=answer.robots if answer else "not asked",
            source=source.name,
            recipe=self._version(source),
            state=state,
            reason=reason,
            score=judgement.score,
            fingerprint=judgement.fingerprint,
        )

    def _version(self, source: SourceSettings) -> str:
        """A source's version is the digest of all its settings; most images are of the same one as the last."""
        if self._recipe[0] is not source:
            self._recipe = (source, source.version)
        return self._recipe[1]

    def _state(self, found: FoundImage, judgement: Judgement) -> tuple[State, str | None]:
        if judgement.reason:
            return "dropped", judgement.reason
        if judge((found.license, found.license_url), self._rules.policy) == "allowed":
            return "kept", None
        return "quarantined", f"its licence is {found.license or found.license_url or 'not stated'}"


def _bytes(held: bytes | str) -> bytes:
    return held if isinstance(held, bytes) else Path(held).read_bytes()


def attribution(found: FoundImage) -> str | None:
    """The line that goes with an image, of what its page says (title, author, source, licence); None without author."""
    if not found.author:
        return None
    parts = [f'"{found.title}"' if found.title else None, f"by {found.author}", found.page_url, found.license]
    return ", ".join(filter(None, [" ".join(filter(None, parts[:2])), *parts[2:]]))


@contextmanager
def open_keeper(places: Places, rules: Rules, *, now: Callable[[], datetime]) -> Iterator[Keeper]:
    """A keeper for this block; what it has when the block ends is kept, however it ends."""
    with _batch(places) as one, _batch(places) as other:
        keeper = Keeper(places, (one, other), rules, now)
        try:
            yield keeper
        finally:
            keeper.close()


@contextmanager
def _batch(places: Places) -> Iterator[Batch]:
    with write_behind(places.store.root) as store, write_behind(places.aside.root) as aside:
        yield Batch(store, aside)
