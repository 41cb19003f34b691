"""Change the champion under load: no request may be lost, and no reply may mix two models.

    python -m benchmarks.swap [--seconds 60] [--clients 8] [--swap-every 1] [--seed 0]

Two YOLOv8n with random weights are published in turn while clients send one photograph over and over. Every reply has
to be, as a whole, what one of the two says of it. Exit code 1 if one is not, or if a request had no reply.
"""

import base64
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import requests

from benchmarks.function_data import MODEL, Host, make_photo, open_host, write_detector
from training.bundle import publish

THRESHOLD = 0.3
_TIMEOUT_SECONDS = 60
_SETTLE_SECONDS = 30


@dataclass
class Swaps:
    """What clients saw: replies by the model that made them, replies that are neither's, requests without one."""

    by_model: Counter[str] = field(default_factory=Counter)
    mixed: int = 0
    lost: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    changes: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether every promise was kept, and both models were seen at work."""
        return not self.mixed and not self.lost and len(self.by_model) > 1

    def add(self, other: "Swaps") -> None:
        self.by_model += other.by_model
        self.mixed += other.mixed
        self.lost += other.lost
        self.seconds += other.seconds


def make_request(photo: bytes, *, threshold: float) -> dict[str, Any]:
    """The body that CVAT sends for an image file."""
    return {"image": base64.b64encode(photo).decode(), "threshold": threshold}


def run_swaps(
    host: Host,
    bundles: Path,
    digests: Sequence[str],
    body: Mapping[str, Any],
    *,
    clients: int,
    seconds: float,
    every: float,
) -> Swaps:
    """Publish bundles in turn, `every` so many seconds, while clients ask for `seconds`."""
    answers = {digest: _answer_of(host, bundles, digest, body) for digest in digests}
    expected = {model: reply for model, reply in answers.values()}
    stop = threading.Event()
    total = Swaps()
    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(_ask_on, host.function, body, expected, stop) for _ in range(clients)]
        end = time.monotonic() + seconds
        for digest in cycle(digests):
            publish(bundles, MODEL, digest)
            total.changes += 1
            if stop.wait(min(every, max(end - time.monotonic(), 0))) or time.monotonic() >= end:
                break
        stop.set()
        for future in asking:
            total.add(future.result())
    return total


def _answer_of(host: Host, bundles: Path, digest: str, body: Mapping[str, Any]) -> tuple[str, Any]:
    """A bundle's model and its reply: the first that differs from what was said before it was published."""
    before = requests.post(host.function, json=body, timeout=_TIMEOUT_SECONDS)
    publish(bundles, MODEL, digest)
    end = time.monotonic() + _SETTLE_SECONDS
    wanted = _model_at(bundles, digest)
    while _model_of(before.json()) != wanted:
        if time.monotonic() > end:
            raise RuntimeError(f"{wanted} did not answer within {_SETTLE_SECONDS} s but {before.text[:300]}")
        before = requests.post(host.function, json=body, timeout=_TIMEOUT_SECONDS)
    return wanted, before.json()


def _model_at(bundles: Path, digest: str) -> str:
    from training.bundle import read_bundle

    return read_bundle(bundles, digest).name


def _model_of(replies: Sequence[Mapping[str, Any]]) -> str:
    """The one model that replies name; nothing where there are several or none."""
    named = {
        attribute["value"] for reply in replies for attribute in reply["attributes"] if attribute["name"] == "model"
    }
    return named.pop() if len(named) == 1 else ""


def _ask_on(url: str, body: Mapping[str, Any], expected: Mapping[str, Any], stop: threading.Event) -> Swaps:
    seen = Swaps()
    with requests.Session() as session:
        while not stop.is_set():
            began = time.perf_counter()
            try:
                answer = session.post(url, json=body, timeout=_TIMEOUT_SECONDS)
                replies = answer.json() if answer.status_code == 200 else None
            except (requests.RequestException, ValueError) as error:
                seen.lost.append(str(error))
                continue
            seen.seconds.append(time.perf_counter() - began)
            if replies is None:
                seen.lost.append(f"{answer.status_code}: {answer.text[:200]}")
            elif replies == expected.get(model := _model_of(replies)):
                seen.by_model[model] += 1
            else:
                seen.mixed += 1
    return seen


def table(swaps: Swaps) -> str:
    """The figures, a line each."""
    p50, p99 = statistics.median(swaps.seconds), statistics.quantiles(swaps.seconds, n=100)[98]
    rows = {
        "requests": len(swaps.seconds),
        **{f"answered by {model}": count for model, count in sorted(swaps.by_model.items())},
        "changes of the champion": swaps.changes,
        "without an answer": len(swaps.lost),
        "mixing two models": swaps.mixed,
        "median": f"{1000 * p50:.0f} ms",
        "99th percentile": f"{1000 * p99:.0f} ms",
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), default=60, show_default=True, help="How long to ask.")
@click.option("--clients", type=click.IntRange(min=1), default=8, show_default=True, help="How many ask at once.")
@click.option("--swap-every", type=float, default=1, show_default=True, help="Seconds between two champions.")
@click.option("--seed", default=0, show_default=True, help="Decides weights and photograph.")
@click.option("--image-size", default=640, show_default=True, help="The graphs' side in pixels.")
def main(seconds: float, clients: int, swap_every: float, seed: int, image_size: int) -> None:
    """Publish two models in turn under load, and look at every reply."""
    with tempfile.TemporaryDirectory(prefix="carloop-swap-") as folder:
        bundles = Path(folder)
        digests = [
            write_detector(bundles, version=str(number), seed=seed + number, image_size=image_size) for number in (1, 2)
        ]
        publish(bundles, MODEL, digests[0])
        body = make_request(make_photo(seed=seed), threshold=THRESHOLD)
        with open_host(bundles) as host:
            swaps = run_swaps(host, bundles, digests, body, clients=clients, seconds=seconds, every=swap_every)
    click.echo(table(swaps))
    for lost in swaps.lost[:5]:
        click.echo(f"lost: {lost}", err=True)
    sys.exit(0 if swaps.is_kept else 1)


if __name__ == "__main__":
    main()
