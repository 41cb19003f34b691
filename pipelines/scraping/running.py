"""`carloop scrape run`: sources into the store, one after another, each on its own feet."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from datasets.rights.tables import console, plain, table
from pipelines.output import write_json
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.scraping.place import Scraped
from pipelines.scraping.scoring import load_score
from pipelines.scraping.sharding import ALL, Shard
from scrapers.errors import ScrapeError
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import Refusal
from scrapers.keeping import Places, Rules, open_keeper
from scrapers.relevance import Relevance
from scrapers.scrape import ScrapeReport, Visit
from scrapers.sources.settings import Source

_SHOWN = 10


def visit(
    source: Source,
    scraped: Scraped,
    places: Places,
    project: Project,
    *,
    limit: int | None = None,
    dry_run: bool = False,
    shard: Shard = ALL,
    on_page: Callable[[], None] = lambda: None,
) -> ScrapeReport:
    """Keep what is new of one source, or tell what that would be.

    Raises:
        ScrapeError: the source cannot be read at all, or does not fit its recipe.
        BadProject: the project asks for a score that nothing gives.
    """
    settings = project.scrape
    relevance = Relevance(
        settings.relevance, score=load_score(settings.relevance), known=places.catalog.fingerprints().values()
    )
    rules = Rules(settings.licences, relevance, scraped.withdrawn())
    with (
        closing(Fetcher(project.fetch)) as fetcher,
        open_keeper(places, rules, now=lambda: datetime.now(UTC)) as keeper,
    ):
        one = Visit(
            source=source,
            folder=scraped.archives(source),
            fetch=project.fetch,
            fetcher=fetcher,
            keeper=keeper,
            catalog=places.catalog,
            policy=settings.licences,
            max_tries=settings.max_tries,
            spool=scraped.spool(source, shard),
            on_page=on_page,
            owns=shard.owns,
        )
        report = one.look(limit=limit) if dry_run else one.run(limit=limit)
    reads_pages = source.address is None or shard.owns(source.address)
    return report if reads_pages else replace(report, stale=())  # who reads none sees no recipe fail


def visit_or_tell(source: Source, *given: Any, **choices: Any) -> ScrapeReport:
    """A visit, or why the source could not be read at all."""
    try:
        return visit(source, *given, **choices)
    except ScrapeError as error:
        return _unread(source, str(error))


def visit_all(
    sources: Iterable[Source], scraped: Scraped, project: Project, progress: Progress, **choices: Any
) -> list[ScrapeReport]:
    """Each source in turn; one that cannot be read at all is told, and the others are read."""
    reports = []
    with scraped.open() as places:
        for source in sources:
            with progress.step(f"scrape {source.name}") as step:
                reports.append(visit_or_tell(source, scraped, places, project, on_page=step.advance, **choices))
    return reports


def _unread(source: Source, reason: str) -> ScrapeReport:
    return ScrapeReport(source.name, source.version, 0, 0, 0, {}, (Refusal(source.name, reason),), (reason,))


def run(sources: Sequence[Source], scraped: Scraped, project: Project, *, as_json: bool, **choices: Any) -> bool:
    """Scrape and tell; False where a source could not be read at all."""
    return tell(visit_all(sources, scraped, project, Progress(Console(stderr=True)), **choices), as_json=as_json)


def tell(reports: Sequence[ScrapeReport], *, as_json: bool) -> bool:
    """Tell of visits; False where a source could not be read at all."""
    if as_json:
        write_json([asdict(report) for report in reports])
    else:
        print_reports(reports)
    return all(report.pages or not report.troubles for report in reports)


def print_reports(reports: Sequence[ScrapeReport]) -> None:
    """What became of the images of each source, and the first things that gave nothing."""
    out = console()
    fates = sorted({fate for report in reports for fate in report.fates})
    rows = [
        (
            report.source,
            report.recipe,
            report.pages,
            report.found,
            report.known,
            *(report.fates.get(f, 0) for f in fates),
        )
        for report in reports
    ]
    out.print(table("Scraped", ("source", "recipe", "pages", "found", "known", *fates), rows, texts=2))
    for report in reports:
        for sentence in report.stale:
            out.print(f"{report.source} may have changed: {plain(sentence)}", soft_wrap=True)
        for trouble in report.troubles[:_SHOWN]:
            out.print(f"{plain(trouble.url)}: {plain(trouble.reason)}", soft_wrap=True)
        if len(report.troubles) > _SHOWN:
            out.print(f"… and {len(report.troubles) - _SHOWN:,} more; --json lists up to a thousand.")
