"""One run of one peer, in a process of its own: many addresses of images, read to their end.

    python -m benchmarks.scrape_peer {aiohttp|carloop|carloop-apart|img2dataset} LIST.csv FOLDER HOST:PORT

`aiohttp` reads 64 at once and drops what it read. `carloop` visits the list as `carloop scrape run` does, with
robots.txt, pinned addresses, hashes, headers read, provenance and store; `carloop-apart` gives its network a process of
its own, as a long `scrape run` does. Prints its figures as JSON; what Python takes to import things is not in the
seconds, nor in those of the processor, but for the process of its own.
"""

import asyncio
import csv
import gc
import json
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.turns import peak_gib

AT_ONCE = 64


def read_bare(addresses: Path, folder: Path, server: str) -> dict[str, Any]:
    """What the client alone can do."""
    import aiohttp

    with addresses.open(newline="") as handle:
        urls = deque(row["url"] for row in csv.DictReader(handle))

    async def work(session: aiohttp.ClientSession) -> tuple[int, int]:
        images = size = 0
        while urls:
            async with session.get(urls.popleft()) as response:
                size += len(await response.read())
                images += 1
        return images, size

    async def main() -> list[tuple[int, int]]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
            return await asyncio.gather(*(work(session) for _ in range(AT_ONCE)))

    done = asyncio.run(main())
    return {"images": sum(images for images, _ in done), "bytes": sum(size for _, size in done)}


def visit_list(addresses: Path, folder: Path, server: str, *, apart: bool = False) -> dict[str, Any]:
    """All that a scrape does."""
    from datasets.store import ImageStore
    from scrapers.catalog import Catalog
    from scrapers.fetching.fetcher import Fetcher
    from scrapers.fetching.settings import FetchSettings, HostSettings
    from scrapers.keeping import Places, Rules, open_keeper
    from scrapers.scrape import Visit
    from scrapers.settings import LicencePolicy
    from scrapers.sources.settings import UrlListSource

    source = UrlListSource(name="list", path=addresses, columns={"url": "url", "license": "license"})
    settings = FetchSettings(allow_private=(server,), private=HostSettings(at_once=AT_ONCE))
    folder.mkdir(parents=True, exist_ok=True)
    catalog = Catalog(f"sqlite:///{folder}/catalog.sqlite")
    places = Places(catalog, ImageStore(folder / "store"), ImageStore(folder / "aside"))
    policy = LicencePolicy()
    with open_keeper(places, Rules(policy), now=lambda: datetime.now(UTC)) as keeper:
        report = Visit(
            source=source,
            folder=folder,
            fetch=settings,
            fetcher=Fetcher(settings),
            keeper=keeper,
            catalog=catalog,
            policy=policy,
            max_tries=5,
            apart=apart,
        ).run(limit=None)
    catalog.close()
    return {
        "images": sum(report.fates.values()),
        "known": report.known,
        "fates": dict(report.fates),
        "troubles": [str(trouble) for trouble in report.troubles[:3]],
    }


def read_with_img2dataset(addresses: Path, folder: Path, server: str) -> dict[str, Any]:
    """The peer, told not to re-encode; it asks no robots.txt and keeps its figures in its own files."""
    import_module("img2dataset").download(
        url_list=str(addresses),
        input_format="csv",
        url_col="url",
        output_folder=str(folder),
        output_format="files",
        processes_count=1,
        thread_count=AT_ONCE,
        resize_mode="no",
        disable_all_reencoding=True,
        disallowed_header_directives=[],
        enable_wandb=False,
    )
    return {"images": sum(1 for _ in folder.rglob("*.jpg"))}


PEERS: dict[str, Callable[[Path, Path, str], dict[str, Any]]] = {
    "aiohttp": read_bare,
    "carloop": visit_list,
    "carloop-apart": lambda addresses, folder, server: visit_list(addresses, folder, server, apart=True),
    "img2dataset": read_with_img2dataset,
}


def main(arguments: Iterable[str]) -> None:
    name, addresses, folder, server = arguments
    import_module({"aiohttp": "aiohttp", "img2dataset": "img2dataset"}.get(name, "scrapers.scrape"))
    gc.collect()
    started, cpu_started = time.perf_counter(), _cpu_seconds()
    figures = PEERS[name](Path(addresses), Path(folder), server)
    seconds, cpu_seconds = time.perf_counter() - started, _cpu_seconds() - cpu_started
    print(
        json.dumps(
            figures | {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_gib": max(peak_gib(), _children_gib())}
        )
    )


def _children_gib() -> float:
    """The most that a child held that has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def _cpu_seconds() -> float:
    """What this process and its children that ended have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main(sys.argv[1:])
