"""Requests that nobody should send, at a running function, which has to answer well afterwards.

    python -m benchmarks.hostile_requests [--count 1000] [--seed 0] [--clients 8]

A YOLOv8n with random weights is served by the functions' host. The promises: no answer is a fault of ours (5xx), no
worker ends, a good request is answered as before, and host and workers together grow by less than 200 MB (RSS). Exit
code 1 if one is broken. What the requests are like is in benchmarks/hostile_kinds.py.
"""

import random
import socket
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click
import requests

from benchmarks.function_data import MODEL, Host, make_photo, open_host, write_detector
from benchmarks.hostile_kinds import KINDS, Hostile
from benchmarks.swap import make_request
from training.bundle import publish

MOST_GROWTH = 200_000_000
THRESHOLD = 0.3
_TIMEOUT_SECONDS = 120
_WARM_UPS = 8

Outcome = str
"""An HTTP status, or what became of a connection that was not answered."""


@dataclass(frozen=True)
class Shown:
    """What came of it: outcomes by kind, the growth in bytes of the host and of each worker, and broken promises."""

    outcomes: Mapping[str, Counter[Outcome]]
    growth: list[int]
    broken: list[str]


def make_requests(count: int, *, seed: int, photo: bytes) -> Iterator[tuple[str, Hostile]]:
    """That many hostile requests with their kinds, all kinds in turn, in an order of their own."""
    chooser = random.Random(seed)
    names = [list(KINDS)[number % len(KINDS)] for number in range(count)]
    chooser.shuffle(names)
    for name in names:
        yield name, KINDS[name](random.Random(chooser.random()), photo)


def attack(host: Host, *, count: int, seed: int, clients: int, photo: bytes, threshold: float) -> Shown:
    """Send them, and look at the function before and after."""
    good = make_request(photo, threshold=threshold)
    before = [requests.post(host.function, json=good, timeout=_TIMEOUT_SECONDS) for _ in range(_WARM_UPS)][-1]
    workers, memory = host.workers(), host.resident_bytes()
    outcomes: dict[str, Counter[Outcome]] = defaultdict(Counter)
    with ThreadPoolExecutor(clients) as pool:
        wanted = make_requests(count, seed=seed, photo=photo)
        for name, outcome in pool.map(lambda each: (each[0], _send(host.function, each[1])), wanted):
            outcomes[name][outcome] += 1
    after = requests.post(host.function, json=good, timeout=_TIMEOUT_SECONDS)
    growth = [now - then for now, then in zip(host.resident_bytes(), memory, strict=False)]
    broken = [f"{name}: {outcome}" for name, seen in outcomes.items() for outcome in seen if outcome.startswith("5")]
    if host.workers() != workers:
        broken.append("a worker ended and was started again")
    if (after.status_code, after.text) != (before.status_code, before.text):
        broken.append(f"a good request is answered {after.status_code} {after.text[:200]}")
    if sum(growth) >= MOST_GROWTH:
        broken.append(f"memory grew by {sum(growth) / 1e6:.0f} MB, {MOST_GROWTH / 1e6:.0f} are allowed")
    return Shown(outcomes, growth, broken)


def _send(url: str, hostile: Hostile) -> Outcome:
    """Send a request as the bytes that it is, wait between its pieces, and maybe go away before the answer."""
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    try:
        with socket.create_connection((address.hostname, address.port), timeout=_TIMEOUT_SECONDS) as connection:
            return _converse(connection, hostile)
    except TimeoutError:
        return f"no answer within {_TIMEOUT_SECONDS} s"
    except ConnectionError as error:
        return f"cut off ({type(error).__name__})"


def _converse(connection: socket.socket, hostile: Hostile) -> Outcome:
    for piece in hostile.pieces:
        connection.sendall(piece)
        hostile.pause.wait()
    if hostile.leaves:
        return "left"
    status = connection.recv(12)
    return status[9:12].decode(errors="replace") if status else "cut off"


def table(shown: Shown) -> str:
    """Kinds, and how often each was answered how."""
    width = max(map(len, shown.outcomes))
    lines = [
        f"{name:<{width}}  {', '.join(f'{outcome}: {count}' for outcome, count in sorted(seen.items()))}"
        for name, seen in sorted(shown.outcomes.items())
    ]
    told = ", ".join(f"{growth / 1e6:+.0f}" for growth in shown.growth)
    return "\n".join([*lines, "", f"memory of host and workers, MB: {told}"])


@click.command()
@click.option("--count", type=click.IntRange(min=1), default=1000, show_default=True, help="How many requests.")
@click.option("--seed", default=0, show_default=True, help="Decides their kinds, order and content.")
@click.option("--clients", type=click.IntRange(min=1), default=8, show_default=True, help="How many are sent at once.")
@click.option("--image-size", default=640, show_default=True, help="The graph's side in pixels.")
def main(count: int, seed: int, clients: int, image_size: int) -> None:
    """Send hostile requests to a function, and look whether it is well afterwards."""
    photo = make_photo(seed=seed)
    with tempfile.TemporaryDirectory(prefix="carloop-hostile-") as folder:
        publish(Path(folder), MODEL, write_detector(Path(folder), version="1", seed=seed, image_size=image_size))
        with open_host(Path(folder)) as host:
            shown = attack(host, count=count, seed=seed, clients=clients, photo=photo, threshold=THRESHOLD)
    click.echo(table(shown))
    for broken in shown.broken:
        click.echo(f"broken: {broken}")
    sys.exit(1 if shown.broken else 0)


if __name__ == "__main__":
    main()
