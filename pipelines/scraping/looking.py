"""`carloop scrape preview` and `check`: sources looked at without keeping any of it."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import msgspec
from rich.console import Console

from datasets.rights.tables import console, plain, table
from pipelines.output import write_json
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.scraping.place import Scraped
from scrapers.errors import ScrapeError
from scrapers.fetching.fetcher import Fetcher
from scrapers.keeping import Places
from scrapers.licences import judge, licence_name
from scrapers.observing import Observation, staleness
from scrapers.preview import Sample, fetch_cards, fetch_sample, write_contact_sheet
from scrapers.scrape import selectors
from scrapers.sources.settings import Source

_SHOWN = 40


def preview(
    source: Source, scraped: Scraped, project: Project, *, pages: int, images: int, html: Path | None, as_json: bool
) -> None:
    """A sample of a source as a table, and with its pictures as a page."""
    progress = Progress(Console(stderr=True))
    with scraped.open_held() as places:
        with progress.step(f"read {pages} pages of {source.name}"):
            sample = _sample(source, scraped, places, project, pages=pages)
        stale = _stale(source, places, sample.seen)
    if html:
        with progress.step(f"look at {min(images, len(sample.images))} images"):
            cards = fetch_cards(sample, policy=project.scrape.licences, fetch=project.fetch, number=images)
        write_contact_sheet(source, sample, cards, stale, html)
    if as_json:
        write_json(_told(source, project, sample, stale))
    else:
        _print(source, project, sample, stale)
        if html:
            console().print(f"Page: {html}", soft_wrap=True)


def check(sources: Sequence[Source], scraped: Scraped, project: Project, *, pages: int, as_json: bool) -> bool:
    """Whether each source still fits its recipe, by its first pages; says what speaks against it."""
    told: dict[str, list[str]] = {}
    progress = Progress(Console(stderr=True))
    with scraped.open_held() as places:
        for source in sources:
            with progress.step(f"check {source.name}"):
                try:
                    sample = _sample(source, scraped, places, project, pages=pages)
                    told[source.name] = _stale(source, places, sample.seen) + [t.reason for t in sample.troubles]
                except ScrapeError as error:
                    told[source.name] = [str(error)]
    if as_json:
        write_json(told)
    else:
        rows = [(name, "stale" if sentences else "fits", "; ".join(sentences)) for name, sentences in told.items()]
        console().print(table("Sources", ("source", "recipe", "why"), rows, texts=3))
    return not any(told.values())


def _sample(source: Source, scraped: Scraped, places: Places, project: Project, *, pages: int) -> Sample:
    with closing(Fetcher(project.fetch)) as fetcher:
        folder = scraped.archives(source)
        return fetch_sample(source, fetcher, places.catalog, folder, fetch=project.fetch, pages=pages)


def _stale(source: Source, places: Places, seen: Observation) -> list[str]:
    last = places.catalog.last_observation(source.name)
    before = msgspec.json.decode(last, type=Observation) if last else None
    return staleness(seen, before, selectors=selectors(source))


def _told(source: Source, project: Project, sample: Sample, stale: list[str]) -> dict[str, object]:
    images = [
        {**asdict(image), "path": None, "verdict": judge((image.license, image.license_url), project.scrape.licences)}
        for image in sample.images
    ]
    troubles = [asdict(trouble) for trouble in sample.troubles]
    pages = {"pages": sample.seen.pages, "known": len(sample.known), "troubles": troubles, "stale": stale}
    return {"source": source.name, "recipe": source.version, **pages, "images": images}


def _print(source: Source, project: Project, sample: Sample, stale: list[str]) -> None:
    out = console()
    rows = [
        (
            image.family,
            image.title or "",
            image.author or "",
            licence_name(image.license) or "not stated",
            judge((image.license, image.license_url), project.scrape.licences),
            image.url,
        )
        for image in sample.images[:_SHOWN]
    ]
    names = ("family", "title", "author", "licence", "verdict", "address")
    title = f"{source.name}: {len(sample.images):,} images on {sample.seen.pages:,} pages, {len(sample.known):,} known"
    out.print(table(title, names, rows, texts=6))
    for sentence in stale:
        out.print(f"The recipe may no longer fit: {plain(sentence)}", soft_wrap=True)
    for trouble in sample.troubles[:_SHOWN]:
        out.print(f"{plain(trouble.url)}: {plain(trouble.reason)}", soft_wrap=True)
