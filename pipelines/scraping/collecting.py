"""`carloop scrape collect`: a dataset version of what was scraped and may be used."""

import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace
from rich.console import Console

from datasets.coco import Dataset, Image, Provenance, View, make_dataset, to_records
from datasets.errors import BadDataset
from datasets.importing import ImportSettings, import_dataset
from datasets.merge import merge_records
from datasets.rights import Takedowns, is_taken_down, read_takedowns
from datasets.taxonomy import Taxonomy
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.scraping.place import Scraped
from scrapers.catalog import Record
from scrapers.kept import read_kept
from scrapers.licences import judge
from scrapers.settings import LicencePolicy
from scrapers.sources.annotated import stage_annotated
from scrapers.sources.settings import Source

_ANNOTATED = ("coco", "roboflow")


@dataclass
class Collected:
    """What goes into the version, and why other images don't."""

    taxonomy: Taxonomy
    records: dict[str, Record]
    left_out: Counter[str]
    datasets: list[Dataset] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def collect(
    scraped: Scraped,
    project: Project,
    sources: Sequence[Source],
    name: str,
    *,
    only: bool,
    also: Collection[str] = (),
    as_json: bool,
    **choices: Any,
) -> None:
    """Make a version of the images that are kept, with the annotations that came with them, and name it.

    With `only`, images of other sources stay out, but for those of the names `also`, whose annotations nobody knows
    where to find. `choices` are those of ImportSettings for classes.

    Raises:
        BadDataset: nothing is kept.
        UnknownCategory: annotations use classes that the project lacks.
    """
    progress = Progress(Console(stderr=True))
    wanted = {source.name for source in sources}.union(also) if only else None
    collected = choose(scraped, project.scrape.licences, wanted, project.taxonomy)
    for source in sources:
        with progress.step(f"annotations of {source.name}"):
            _take_annotations(scraped, source, collected, ImportSettings(format="coco", name=source.name, **choices))
    annotated = {image.sha256 for dataset in collected.datasets for image in dataset.images}
    plain = [as_image(record) for sha256, record in collected.records.items() if sha256 not in annotated]
    datasets = [*collected.datasets, make_dataset(collected.taxonomy, plain, ())]
    with progress.step("write the version"):
        merged = merge_records([("", to_records(dataset)) for dataset in datasets], taxonomy=collected.taxonomy)
        digest = scraped.shelf.write(merged, name=name)
    images = merged.content.images
    told = {
        "name": name,
        "version": digest,
        "images": len(images),
        "annotated": len(annotated),
        "annotations": len(merged.content.annotations),
        "families": len({image.family for image in images}),
        "sources": dict(sorted(Counter(record.source or "" for record in collected.records.values()).items())),
        "licenses": dict(sorted(Counter(image.source.license or "not stated" for image in images).items())),
        "left_out": dict(sorted(collected.left_out.items())),
        "unknown": dict(collected.unknown),
        "notes": collected.notes,
    }
    show(told, as_json=as_json, notes=collected.notes)


def find_met(scraped: Scraped, project: Project, names: Sequence[str]) -> set[str]:
    """Those of the names that are of sources met before, and no longer in the project."""
    with scraped.open_held() as places:
        met = places.catalog.fates().keys()
    return met & set(names) - {source.name for source in project.scrape.sources}


def choose(scraped: Scraped, policy: LicencePolicy, sources: set[str] | None, taxonomy: Taxonomy) -> Collected:
    """The kept images that may be used today, of these sources or of all. Raises BadDataset where there are none."""
    takedowns = read_takedowns(scraped.shelf.takedowns)
    with scraped.open_held() as places:
        records = [r for r in places.catalog.records("kept") if sources is None or r.source in sources]
        waiting = len(places.catalog.records("quarantined"))
    why = {record.sha256: _why_not(record, scraped, policy, takedowns) for record in records}
    usable = {record.sha256: record for record in records if why[record.sha256] is None}
    left_out = Counter(reason for reason in why.values() if reason)
    if not usable:
        told = ", ".join(f"{count} are left out, for {reason}" for reason, count in left_out.items()) or "none is kept"
        raise BadDataset(
            f"{scraped.root} has no images to collect: {told}, {waiting} wait in quarantine; run carloop scrape run "
            "first, or judge with carloop scrape quarantine"
        )
    return Collected(taxonomy, usable, left_out)


def _why_not(record: Record, scraped: Scraped, policy: LicencePolicy, takedowns: Takedowns) -> str | None:
    """Why a kept image may not be used today; a person's word, the reason it is kept for, outranks the policy."""
    if is_taken_down(takedowns, sha256=record.sha256, urls=(record.url, record.page_url)):
        return "their right to be used was withdrawn"
    if record.reason is None and judge((record.license, record.license_url), policy) != "allowed":
        return "the licence policy no longer allows their licence"
    if not scraped.shelf.store.path(record.file_name).exists():
        return "their files are absent"
    return None


def as_image(record: Record) -> Image:
    """A kept image as one source's statement on it, which has looked for no class."""
    source, family = provenance(record), family_of(record)
    path = PurePosixPath(unquote(urlsplit(record.url or "").path))
    view = View(
        source=record.source or "scraped",
        file_name=path.name or PurePosixPath(record.file_name).name,
        family=family,
        provenance=source,
    )
    return replace(record.image, family=family, source=source, views=(view,))


def family_of(record: Record) -> str:
    """The record's family: a listing's number says nothing on another site."""
    return f"{record.source}/{record.family}"


def provenance(record: Record) -> Provenance:
    """Where an image came from; a licence that was stated by its address alone is that."""
    said = record.image.source
    return replace(said, license=record.license or record.license_url)


def _take_annotations(scraped: Scraped, source: Source, collected: Collected, settings: ImportSettings) -> None:
    """Import the COCO files that a source brought, for the images that are kept of them."""
    with tempfile.TemporaryDirectory(dir=scraped.root, prefix=".stage-") as folder:
        stage = Path(folder)
        find = _Kept(scraped, collected.records)
        is_annotated = stage_annotated(source, scraped.archives(source), stage, find=find)
        if not is_annotated and source.kind in _ANNOTATED:
            collected.notes.append(
                f"{source.name}: no annotations of it are here; if its settings have changed, run carloop scrape run"
            )
        if not is_annotated or not find.found:
            return
        imported = import_dataset(
            stage,
            taxonomy=collected.taxonomy,
            store=scraped.shelf.store,
            settings=settings.model_copy(update={"skip_bad_images": True}),
        )
    collected.taxonomy = imported.taxonomy
    collected.datasets += [_with_provenance(dataset, collected.records) for dataset in imported.datasets]
    collected.unknown.update(imported.unknown)
    notes = imported.notes[:-1] if imported.bad_images else imported.notes
    collected.notes += [f"{source.name}: {note}" for note in notes]
    if imported.bad_images:
        collected.left_out["they are named by annotations and not kept"] += len(imported.bad_images)


class _Kept:
    """Where the images of addresses lie, if they are among the records; `found` tells whether any was."""

    def __init__(self, scraped: Scraped, records: Mapping[str, Record]) -> None:
        self._scraped, self._records, self.found = scraped, records, False

    def __call__(self, urls: Iterable[str]) -> Mapping[str, Path]:
        kept = read_kept(self._scraped.catalog_url, urls)
        store, records = self._scraped.shelf.store, self._records
        paths = {url: store.path(records[sha].file_name) for url, sha in kept.items() if sha in records}
        self.found = bool(paths)
        return paths


def _with_provenance(dataset: Dataset, records: Mapping[str, Record]) -> Dataset:
    """Imported images with what the catalogue knows of them."""

    def known(image: Image) -> Image:
        record = records[image.sha256]
        source, family = provenance(record), family_of(record)
        views = tuple(replace(view, family=family, provenance=source) for view in image.views)
        return replace(image, family=family, source=source, views=views)

    return make_dataset(dataset.taxonomy, map(known, dataset.images), dataset.annotations)
