"""`carloop scrape run --workers`: hosts shared out over processes here, or over Dask's workers on any machine.

All share one home folder, its catalogue and its store, and come to what one worker alone would: a host belongs to one
of them, with its pace. What a source's pages show of others' hosts is left to these; who had ended before takes it in a
second round.
"""

import multiprocessing
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from rich.console import Console

from datasets.errors import Unavailable
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.scraping.place import Scraped
from pipelines.scraping.running import tell, visit_or_tell
from pipelines.scraping.sharding import Shard
from scrapers.scrape import ScrapeReport
from scrapers.sources.settings import Source


@dataclass(frozen=True)
class Order:
    """What every worker is told; `limit` is each worker's own, of each source."""

    project: Project
    home: Path
    limit: int | None = None


def scrape_sharded(executor: Executor, order: Order, sources: Sequence[Source], *, workers: int) -> list[ScrapeReport]:
    """Each source by all workers: one report for each, in order."""
    shards = [Shard(number, workers) for number in range(1, workers + 1)]
    reports = _round(executor, order, {shard: list(sources) for shard in shards})
    if left := _left_over(order, sources, shards):
        reports += _round(executor, order, left)
    by_name: dict[str, list[ScrapeReport]] = defaultdict(list)
    for report in reports:
        by_name[report.source].append(report)
    return [joined(by_name[source.name]) for source in sources]


def run_sharded(order: Order, sources: Sequence[Source], *, workers: int, dask: str | None, as_json: bool) -> bool:
    """Scrape by several workers and tell; False where a source could not be read at all."""
    title = f"scrape {len(sources)} sources with {workers} workers"
    with Progress(Console(stderr=True)).step(title), open_executor(workers, dask) as executor:
        reports = scrape_sharded(executor, order, sources, workers=workers)
    return tell(reports, as_json=as_json)


def _round(executor: Executor, order: Order, parts: Mapping[Shard, Sequence[Source]]) -> list[ScrapeReport]:
    futures = [executor.submit(scrape_shard, order, shard, sources) for shard, sources in parts.items()]
    return [report for future in futures for report in future.result()]


def scrape_shard(order: Order, shard: Shard, sources: Sequence[Source]) -> list[ScrapeReport]:
    """One worker's part of these sources, one after another."""
    scraped = Scraped(order.home)
    with scraped.open() as places:
        return [
            visit_or_tell(source, scraped, places, order.project, limit=order.limit, shard=shard) for source in sources
        ]


def _left_over(order: Order, sources: Sequence[Source], shards: Sequence[Shard]) -> dict[Shard, list[Source]]:
    """The sources of which something is left to a worker that doesn't read their pages, by its shard."""
    left: dict[Shard, list[Source]] = {}
    with Scraped(order.home).open() as places:
        for source in sources:
            urls = [image.url for image in places.catalog.handed_over(source.name)]
            known = places.catalog.known(urls)
            for shard in shards:
                if any(url not in known and shard.owns(url) for url in urls):
                    left.setdefault(shard, []).append(source)
    return left


def joined(reports: Sequence[ScrapeReport]) -> ScrapeReport:
    """What several workers did for one source."""
    fates = sum((Counter(report.fates) for report in reports), Counter[str]())
    return replace(
        reports[0],
        pages=sum(report.pages for report in reports),
        found=sum(report.found for report in reports),
        known=sum(report.known for report in reports),
        fates=dict(sorted(fates.items())),
        troubles=tuple(trouble for report in reports for trouble in report.troubles),
        stale=tuple(dict.fromkeys(sentence for report in reports for sentence in report.stale)),
    )


@contextmanager
def open_executor(workers: int, dask: str | None) -> Iterator[Executor]:
    """Processes here, or the workers of Dask's scheduler at an address; with `local` one is started here.

    Raises:
        Unavailable: Dask is not installed, or no scheduler answers.
    """
    if dask is None:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as executor:
            yield executor
        return
    try:
        distributed = import_module("distributed")
    except ImportError:
        raise Unavailable("--dask needs the library distributed, which is not installed; install it") from None
    choices = {"n_workers": workers, "threads_per_worker": 1} if dask == "local" else {"address": dask}
    try:
        client = distributed.Client(**choices, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"no Dask scheduler answers at {dask} ({error}); start one, or mend --dask") from None
    with client, client.get_executor(pure=False) as executor:
        yield executor


def _end_with_parent() -> None:
    """End this worker when its parent is gone, however that ended; scraping goes on anywhere."""
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
