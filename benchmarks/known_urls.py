"""How fast addresses that are known already are decided, without touching the network.

A catalogue of so many addresses is written; then a list of them all is visited anew, the way `carloop scrape run` does
it: read from the file, looked up, judged by its licence. There is no server: an address that was asked for would fail.

    python -m benchmarks.known_urls --number 100000 --json
"""

import csv
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scrapers.catalog import Entry
    from scrapers.keeping import Places

ASKED = 20_000


@click.command(help=__doc__)
@click.option("--number", type=click.IntRange(min=1), default=100_000, show_default=True, help="Known addresses.")
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True, help="Times that all are decided.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
def main(number: int, runs: int, as_json: bool) -> None:
    from pipelines.output import show

    with tempfile.TemporaryDirectory() as folder:
        wrote, rates, cpu_rates = measure(Path(folder), number=number, runs=runs)
    told = {
        "addresses": number,
        "noted_per_second": round(number / wrote),
        "decided_per_second": round(median(rates)),
        "slowest": round(min(rates)),
        "fastest": round(max(rates)),
        "decided_per_cpu_second": round(median(cpu_rates)),
        "asked": ASKED,
    }
    show(told, as_json=as_json)
    sys.exit(median(rates) < ASKED)


def measure(folder: Path, *, number: int, runs: int) -> tuple[float, list[float], list[float]]:
    """Seconds to note all addresses; how many each run decided in a second, and in a second of processor time."""
    from datasets.store import ImageStore
    from scrapers.catalog import Catalog
    from scrapers.keeping import Places

    with closing(Catalog(f"sqlite:///{folder}/catalog.sqlite")) as catalog:
        places = Places(catalog, ImageStore(folder / "store"), ImageStore(folder / "aside"))
        addresses = _write_list(folder / "list.csv", number)
        started = time.perf_counter()
        for entries in _entries(addresses):
            catalog.note(entries)
        wrote = time.perf_counter() - started
        seconds, cpu_seconds = zip(*(_visit(places, folder, number) for _ in range(runs)), strict=True)
        return wrote, [number / taken for taken in seconds], [number / taken for taken in cpu_seconds]


def _write_list(path: Path, number: int) -> list[str]:
    urls = [
        f"https://cars-{place % 97}.example/listing/{place // 12}/photo-{place}.jpg?w=1600" for place in range(number)
    ]
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([("url", "license"), *((url, "CC BY 4.0") for url in urls)])
    return urls


def _entries(urls: list[str]) -> Iterator[list["Entry"]]:
    from scrapers.catalog import Entry, Record

    for start in range(0, len(urls), 256):
        yield [
            Entry(
                url=url,
                fate="stored",
                source="list",
                record=Record(
                    sha256=f"{start + place:064x}",
                    file_name=f"images/{start + place}.jpg",
                    width=1600,
                    height=1200,
                    family="car",
                    url=url,
                    license="CC BY 4.0",
                ),
            )
            for place, url in enumerate(urls[start : start + 256])
        ]


def _visit(places: "Places", folder: Path, number: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time, that a visit takes that finds nothing new."""
    from scrapers.fetching.fetcher import Fetcher
    from scrapers.fetching.settings import FetchSettings
    from scrapers.keeping import Rules, open_keeper
    from scrapers.scrape import Visit
    from scrapers.settings import LicencePolicy
    from scrapers.sources.settings import UrlListSource

    source = UrlListSource(name="list", path=folder / "list.csv", columns={"url": "url", "license": "license"})
    settings, policy = FetchSettings(), LicencePolicy()
    started, cpu_started = time.perf_counter(), time.process_time()
    with open_keeper(places, Rules(policy), now=lambda: datetime.now(UTC)) as keeper:
        report = Visit(
            source=source,
            folder=folder,
            fetch=settings,
            fetcher=Fetcher(settings),
            keeper=keeper,
            catalog=places.catalog,
            policy=policy,
            max_tries=5,
        ).run(limit=None)
    if report.known != number or report.fates:
        raise AssertionError(f"{report.known} of {number} addresses were known, and {report.fates} became of others")
    return time.perf_counter() - started, time.process_time() - cpu_started


if __name__ == "__main__":
    main()
