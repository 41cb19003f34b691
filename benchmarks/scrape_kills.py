"""Kill a scrape at seeded moments, run the same command again, and compare what is there with an undisturbed run's.

    python -m benchmarks.scrape_kills [--kills 20] [--images 600] [--seed 0] [--apart] [--json]

Each kill is a SIGKILL, some milliseconds after one of the requests that an undisturbed run makes. Compared are the
store, byte for byte, and what the catalogue says of images and addresses, without times. The server's log tells which
addresses were asked for twice; no more may be than were on their way at the kill: one on each connection.
"""

import asyncio
import csv
import hashlib
import io
import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.scrape_peer import AT_ONCE

_TIMED = ("retrieved_at", "id", "seen_at", "at")


@dataclass(frozen=True)
class Kill:
    """After which request, counted from 0, and how long after it."""

    request: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a killed scrape came to. `twice` is how many addresses were asked for twice, `differing` what is not as in
    an undisturbed run."""

    kill: Kill
    was_killed: bool
    twice: int
    more_often: int
    differing: tuple[str, ...]


class Site:
    """Generated photographs, a log of what was asked for, and a process to kill at one of the requests.

    `peer` is the way of scraping: `carloop` or `carloop-apart`.
    """

    def __init__(self, images: int, *, peer: str = "carloop") -> None:
        self.peer = peer
        self.contents = [_photograph(number) for number in range(images)]
        self.log: Counter[str] = Counter()
        self.address = ""
        self._kill: tuple[Kill, subprocess.Popen[bytes]] | None = None
        self._numbers = itertools.count()

    def expect(self, kill: Kill | None, process: subprocess.Popen[bytes] | None) -> None:
        """Forget the log, and kill this process when it is time."""
        self._numbers = itertools.count()
        self._kill = (kill, process) if kill and process else None

    async def answer(self, request: Any) -> Any:
        from aiohttp import web

        if request.path == "/robots.txt":
            return web.Response(text="user-agent: *\ndisallow:\n")
        self.log[request.path] += 1
        if self._kill and next(self._numbers) == self._kill[0].request:
            threading.Timer(self._kill[0].seconds, os.kill, [self._kill[1].pid, signal.SIGKILL]).start()
        return web.Response(body=self.contents[int(Path(request.path).stem)], content_type="image/jpeg")


@contextmanager
def serving(site: Site) -> Iterator[None]:
    """Serve in a thread of its own."""
    from aiohttp import web

    started, ended = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        application = web.Application()
        application.router.add_get("/{name}", site.answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site.address = "127.0.0.1:{1}".format(*runner.addresses[0])
        loops.append(asyncio.get_running_loop())
        started.set()
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    started.wait()
    try:
        yield
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join()


def draw_kills(count: int, *, requests: int, seed: int) -> list[Kill]:
    """Seeded moments, all over a run of so many requests."""
    draw = random.Random(seed)
    return [Kill(int((number + draw.random()) * requests / count), draw.uniform(0, 0.05)) for number in range(count)]


def scrape(site: Site, addresses: Path, folder: Path, kill: Kill | None = None) -> bool:
    """One run to its end; whether it was killed. Raises RuntimeError with its last words when it fails otherwise."""
    command = [sys.executable, "-m", "benchmarks.scrape_peer", site.peer, str(addresses), str(folder), site.address]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        site.expect(kill, process)
        code = process.wait()
        site.expect(None, None)
        if code not in (0, -signal.SIGKILL):
            said.seek(0)
            raise RuntimeError(said.read().decode()[-2000:])
    return code != 0


def kill_and_finish(site: Site, addresses: Path, folder: Path, kill: Kill, expected: dict[str, Any]) -> Outcome:
    """Kill a scrape, run the same command again where it did not end well, and compare."""
    site.log.clear()
    was_killed = scrape(site, addresses, folder, kill)
    if was_killed:
        scrape(site, addresses, folder)
    end = read_end(folder)
    differing = tuple(part for part in expected if end.get(part) != expected[part])
    times = Counter(site.log.values())
    return Outcome(kill, was_killed, times[2], sum(times.values()) - times[1] - times[2], differing)


def read_end(folder: Path) -> dict[str, Any]:
    """All that a scrape leaves: each file of the stores, and the catalogue's tables without times."""
    stores = {
        name: {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((folder / name).rglob("*"))
            if path.is_file() and ".incoming" not in path.parts
        }
        for name in ("store", "aside")
    }
    return stores | _read_tables(folder / "catalog.sqlite")


def _read_tables(path: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted(
                repr([value for key, value in zip(row.keys(), row, strict=True) if key not in _TIMED])
                for row in database.execute(f'SELECT * FROM "{name}"')
            )
            for name in names
            if name in ("images", "addresses")
        }


def _photograph(number: int) -> bytes:
    from PIL import Image as PillowImage

    content = io.BytesIO()
    PillowImage.new("RGB", (320, 240), (number % 256, number // 256, 128)).save(content, "JPEG")
    return content.getvalue() + number.to_bytes(4, "big")


@click.command()
@click.option("--kills", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs to kill.")
@click.option("--images", type=click.IntRange(min=1), default=600, show_default=True, help="To scrape in each run.")
@click.option("--seed", default=0, show_default=True, help="Decides the moments.")
@click.option("--apart", is_flag=True, help="The network in a process of its own, which is not killed but left alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON.")
def main(kills: int, images: int, seed: int, apart: bool, as_json: bool) -> None:
    """Kill a scrape at seeded moments, finish it, and compare the end with an undisturbed run's."""
    from pipelines.output import show

    site = Site(images, peer="carloop-apart" if apart else "carloop")
    with tempfile.TemporaryDirectory(prefix="carloop-kills-") as name, serving(site):
        folder = Path(name)
        addresses = folder / "list.csv"
        with addresses.open("w", newline="") as handle:
            rows = ((f"http://{site.address}/{number}.jpg", "CC BY 4.0") for number in range(images))
            csv.writer(handle).writerows([("url", "license"), *rows])
        scrape(site, addresses, folder / "undisturbed")
        expected = read_end(folder / "undisturbed")
        outcomes = []
        for number, kill in enumerate(draw_kills(kills, requests=images, seed=seed)):
            outcomes.append(kill_and_finish(site, addresses, folder / f"kill-{number}", kill, expected))
            click.echo(f"{number}: {outcomes[-1]}", err=True)
    told = {
        "kills": kills,
        "killed": sum(outcome.was_killed for outcome in outcomes),
        "images": len(expected["store"]),
        "same_end": sum(not outcome.differing for outcome in outcomes),
        "asked_twice_at_most": max(outcome.twice for outcome in outcomes),
        "asked_more_often": sum(outcome.more_often for outcome in outcomes),
    }
    show(told | ({"outcomes": list(map(asdict, outcomes))} if as_json else {}), as_json=as_json)
    is_good = told["same_end"] == kills and not told["asked_more_often"]
    sys.exit(0 if is_good and told["asked_twice_at_most"] <= AT_ONCE else 1)


if __name__ == "__main__":
    main()
