"""The catalogue: every image with its provenance, and the fate of every address that was asked for."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Literal

import msgspec
from sqlalchemy import BindParameter, Connection, bindparam, case, func, literal_column, select, update

from datasets.coco import Image, Provenance
from scrapers.catalog_tables import ADDRESSES, HANDED_OVER, IMAGES, OBSERVATIONS, as_text, insert_of, open_catalog
from scrapers.found import FoundImage, Refusal

State = Literal["kept", "quarantined", "dropped", "rejected"]
Fate = Literal["stored", "duplicate", "quarantined", "dropped", "refused", "unlicensed", "disallowed", "failed"]
_FINAL = ("stored", "duplicate", "quarantined", "dropped", "refused")
_AT_ONCE = 2_000
_JSON = msgspec.json.Encoder(enc_hook=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An image and where it came from; None is what nobody said.

    `source` and `recipe` are the name and version of the source that found it. Only images that are `kept` lie in the
    store; those that wait, or were dropped, lie aside, and of those that a person rejected only this record is left.
    """

    sha256: str
    file_name: str
    width: int
    height: int
    family: str
    page_url: str | None = None
    url: str | None = None
    author: str | None = None
    license: str | None = None
    license_url: str | None = None
    attribution: str | None = None
    title: str | None = None
    price: str | None = None
    listing_id: str | None = None
    retrieved_at: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    robots: str | None = None
    source: str | None = None
    recipe: str | None = None
    state: State = "kept"
    reason: str | None = None
    score: float | None = None
    fingerprint: str | None = None
    derived_from: str | None = None

    @property
    def image(self) -> Image:
        """As it stands in a dataset."""
        source = Provenance(self.page_url, self.url, self.author, self.license, self.retrieved_at, self.robots)
        return Image(
            sha256=self.sha256,
            file_name=self.file_name,
            width=self.width,
            height=self.height,
            family=self.family,
            source=source,
            derived_from=self.derived_from,
        )


_NAMES = tuple(field.name for field in fields(Record))
_VALUES = attrgetter(*_NAMES)  # asdict copies each value, at twenty times the cost
_ADDRESS = ("url", "sha256", "refused", "fate", "source")

# Made once: a statement is a circle of references, which would hold its list until the garbage collector comes by.
_SOME: BindParameter[str] = bindparam("some", expanding=True)
_FATE = case((ADDRESSES.c.fate.is_not(None), ADDRESSES.c.fate), (ADDRESSES.c.sha256.is_not(None), "stored"))
_KNOWN = select(ADDRESSES.c.url, func.coalesce(_FATE, "refused"), ADDRESSES.c.tries).where(ADDRESSES.c.url.in_(_SOME))
_FIRST_URLS = select(IMAGES.c.sha256, IMAGES.c.url).where(IMAGES.c.sha256.in_(_SOME))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What became of one address: a record where it gave an image, else why it did not."""

    url: str
    fate: Fate
    source: str | None = None
    reason: str | None = None
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an address: its fate, and how many runs have asked for it."""

    fate: Fate
    tries: int

    def is_settled(self, max_tries: int) -> bool:
        """Whether it is not to be asked for again."""
        return self.fate in _FINAL or (self.fate == "failed" and self.tries >= max_tries)


class Catalog:
    """The catalogue behind one SQLAlchemy URL. An image keeps the provenance it was first found with."""

    def __init__(self, url: str) -> None:
        self._engine = open_catalog(url)
        self._insert = insert_of(self._engine)
        self._note_images = as_text(self._engine, self._insert(IMAGES).on_conflict_do_nothing(), _NAMES)
        insert = self._insert(ADDRESSES)
        changed = {name: insert.excluded[name] for name in _ADDRESS[1:]}
        again = changed | {"tries": ADDRESSES.c.tries + literal_column("1")}
        noted = insert.on_conflict_do_update(index_elements=["url"], set_=again)
        self._note_addresses = as_text(self._engine, noted, _ADDRESS)

    def known(self, urls: Collection[str]) -> dict[str, Known]:
        """Those of the addresses that were asked for before."""
        with self._engine.connect() as connection:
            return {
                url: Known(fate, tries)
                for some in _parts(list(urls))
                for url, fate, tries in connection.execute(_KNOWN, {"some": some})
            }

    def note(self, entries: Sequence[Entry]) -> list[Entry]:
        """Keep what became of addresses, all of it or nothing; returns it as it was kept.

        An image that is known already, from another address, keeps its record, and its new address becomes a duplicate.
        """
        records = [entry.record for entry in entries if entry.record]
        with self._engine.begin() as connection:
            first: dict[str, str | None] = {}
            if records:
                first = {record.sha256: record.url for record in records}
                noted = connection.exec_driver_sql(self._note_images, list(map(_VALUES, records)))
                if noted.rowcount != len(records):  # some were there, or came twice
                    first = self._first_urls(connection, list(first))
            kept = [_as_kept(entry, first) for entry in entries]
            if kept:
                connection.exec_driver_sql(self._note_addresses, list(map(_address, kept)))
        return kept

    def _first_urls(self, connection: Connection, sha256s: Sequence[str]) -> dict[str, str | None]:
        return {
            sha256: url for some in _parts(sha256s) for sha256, url in connection.execute(_FIRST_URLS, {"some": some})
        }

    def images(self) -> list[Image]:
        """All images that are kept, by SHA-256."""
        return [record.image for record in self.records("kept")]

    def records(self, state: State | None = None, *, source: str | None = None) -> list[Record]:
        """The records, by SHA-256, of one state and source or of all."""
        query = select(*(IMAGES.c[name] for name in _NAMES)).order_by(IMAGES.c.sha256)
        query = query.where(IMAGES.c.state == state) if state else query
        query = query.where(IMAGES.c.source == source) if source else query
        with self._engine.connect() as connection:
            return [Record(**row._asdict()) for row in connection.execute(query)]

    def move(self, sha256s: Collection[str], *, state: State, reason: str | None) -> None:
        """Put images into another state, as a person decided."""
        with self._engine.begin() as connection:
            for some in _parts(list(sha256s)):
                change = update(IMAGES).where(IMAGES.c.sha256.in_(some))
                connection.execute(change.values(state=state, reason=reason))

    def refusals(self) -> list[Refusal]:
        """All addresses that gave no image, and why."""
        query = select(ADDRESSES.c.url, ADDRESSES.c.refused).where(ADDRESSES.c.refused.is_not(None))
        with self._engine.connect() as connection:
            return [Refusal(url, reason) for url, reason in connection.execute(query.order_by(ADDRESSES.c.url))]

    def fates(self) -> dict[str, dict[str, int]]:
        """How many addresses have which fate, by source."""
        names = (ADDRESSES.c.source, ADDRESSES.c.fate)
        query = select(*names, func.count()).group_by(*names).order_by(*names)
        counts: dict[str, dict[str, int]] = {}
        with self._engine.connect() as connection:
            for source, fate, number in connection.execute(query):
                counts.setdefault(source or "unnamed", {})[fate or "stored"] = number
        return counts

    def unsaid(self) -> tuple[int, Counter[str]]:
        """How many images are kept, and of how many of them each part of the provenance is unknown, in one query."""
        absent = [func.count().filter(IMAGES.c[name].is_(None)).label(name) for name in _NAMES]
        with self._engine.connect() as connection:
            row = connection.execute(
                select(func.count().label("number"), *absent).where(IMAGES.c.state == "kept")
            ).one()
        return row.number, Counter({name: getattr(row, name) for name in _NAMES})

    def hand_over(self, source: str, images: Iterable[FoundImage]) -> None:
        """Leave images to another worker, whose hosts they are on."""
        rows = [{"url": image.url, "source": source, "told": _JSON.encode(image).decode()} for image in images]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(self._insert(HANDED_OVER).on_conflict_do_nothing(), rows)

    def handed_over(self, source: str) -> list[FoundImage]:
        """The images of a source that were left to other workers, until nothing more is to be asked for them."""
        settled = select(ADDRESSES.c.url).where(ADDRESSES.c.fate.in_(_FINAL))
        query = select(HANDED_OVER.c.told).where(HANDED_OVER.c.source == source, HANDED_OVER.c.url.not_in(settled))
        with self._engine.connect() as connection:
            return [msgspec.json.decode(told, type=FoundImage) for told in connection.scalars(query)]

    def unusable(self) -> set[str]:
        """Those images that are not kept: they wait, were dropped, or were rejected."""
        with self._engine.connect() as connection:
            return set(connection.scalars(select(IMAGES.c.sha256).where(IMAGES.c.state != "kept")))

    def fingerprints(self) -> dict[str, str]:
        """The fingerprints of the images that are kept, by SHA-256."""
        query = select(IMAGES.c.sha256, IMAGES.c.fingerprint)
        query = query.where(IMAGES.c.fingerprint.is_not(None), IMAGES.c.state == "kept")
        with self._engine.connect() as connection:
            return dict(connection.execute(query).tuples().all())

    def observe(self, source: str, recipe: str, told: str) -> None:
        """Note what a visit to a source showed, as JSON."""
        with self._engine.begin() as connection:
            connection.execute(OBSERVATIONS.insert().values(source=source, recipe=recipe, told=told))

    def last_observation(self, source: str) -> str | None:
        """What the last visit to a source showed."""
        query = select(OBSERVATIONS.c.told).where(OBSERVATIONS.c.source == source).order_by(OBSERVATIONS.c.id.desc())
        with self._engine.connect() as connection:
            return connection.scalar(query.limit(1))

    def close(self) -> None:
        self._engine.dispose()


def _as_kept(entry: Entry, first: Mapping[str, str | None]) -> Entry:
    if entry.record is None or first[entry.record.sha256] == entry.url:
        return entry
    return replace(entry, fate="duplicate")


def _address(entry: Entry) -> tuple[str | None, ...]:
    """As the columns of `_ADDRESS`."""
    if entry.record:
        return entry.url, entry.record.sha256, None, entry.fate, entry.source
    return entry.url, None, entry.reason, entry.fate, entry.source


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))
