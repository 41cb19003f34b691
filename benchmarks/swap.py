"""Change the champion under load: no request may be lost, and no reply may mix two models.

    python -m benchmarks.swap [--promote] [--seconds 60] [--clients 8] [--swap-every 1] [--seed 0] [--json]

Two YOLOv8n with random weights are published in turn while clients send one photograph over and over; with --promote
the second is promoted in a registry and rolled back, as `carloop model promote` and `carloop model rollback` do once
they have decided. Every reply has to be, as a whole, what one of the two says of it. Exit code 1 if one is not, or if a
request had no reply.
"""

import base64
import json
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import requests

from benchmarks.function_data import MODEL, Host, make_photo, open_host, write_detector
from training.bundle import publish, read_bundle
from training.promotion import promote, roll_back
from training.registry import Registry, open_registry

THRESHOLD = 0.3
_TIMEOUT_SECONDS = 60
_SETTLE_SECONDS = 30
Change = Callable[[str], None]
"""Lets the bundle of a digest be served from now on."""


@dataclass
class Swaps:
    """What clients saw: replies by the model that made them, replies that are neither's, requests without one.

    `seconds` are from a request to its reply, `seen_after` from a change to the first reply by the model it put in use.
    """

    by_model: Counter[str] = field(default_factory=Counter)
    mixed: int = 0
    lost: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    seen_after: list[float] = field(default_factory=list)

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
    models: Mapping[str, str],
    change: Change,
    body: Mapping[str, Any],
    *,
    clients: int,
    seconds: float,
    every: float,
) -> Swaps:
    """Change between bundles, `every` so many seconds, while clients ask for `seconds`.

    `models` are the names of their models by digest; none has to be in use at first, or the first.
    """
    expected = {model: _change_to(host, digest, model, change, body)[0] for digest, model in models.items()}
    stop = threading.Event()
    total = Swaps()
    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(_ask_on, host.function, body, expected, stop) for _ in range(clients)]
        end = time.monotonic() + seconds
        for digest, model in cycle(models.items()):
            total.seen_after.append(_change_to(host, digest, model, change, body)[1])
            if stop.wait(min(every, max(end - time.monotonic(), 0))) or time.monotonic() >= end:
                break
        stop.set()
        for future in asking:
            total.add(future.result())
    return total


def _change_to(host: Host, digest: str, model: str, change: Change, body: Mapping[str, Any]) -> tuple[Any, float]:
    """The first reply by the model that a change puts in use, and the seconds that it took."""
    change(digest)
    began = time.monotonic()
    while True:
        reply = requests.post(host.function, json=body, timeout=_TIMEOUT_SECONDS)
        if _model_of(reply.json()) == model:
            return reply.json(), time.monotonic() - began
        if time.monotonic() - began > _SETTLE_SECONDS:
            raise RuntimeError(f"{model} did not answer within {_SETTLE_SECONDS} s but {reply.text[:300]}")


class Turns:
    """Changes the champion of a registry: the second of two bundles is promoted, and rolled back to the first."""

    def __init__(self, registry: Registry, bundles: Path, digests: Sequence[str], training: Path) -> None:
        self._registry, self._bundles = registry, bundles
        self._versions = {}
        for digest in digests:
            registered = registry.register(MODEL, key=digest, dataset="", parent=None, training=training)
            self._versions[digest] = registry.describe(registered, bundle=digest, metrics={})
        self._first = digests[0]

    def __call__(self, digest: str) -> None:
        champion, now = self._registry.champion(MODEL), datetime.now(UTC)
        if champion is not None and digest == self._first:
            if champion.bundle != digest:
                roll_back(self._registry, MODEL, self._bundles, now=now)
        else:
            promote(self._registry, self._versions[digest], self._bundles, now=now)


def models_of(bundles: Path, digests: Sequence[str]) -> dict[str, str]:
    """By digest, what a function calls the model: `damage_detector@1`."""
    return {digest: read_bundle(bundles, digest).name for digest in digests}


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


def figures(swaps: Swaps) -> dict[str, Any]:
    """All by name; milliseconds of requests, seconds until a change is seen."""
    return {
        "requests": len(swaps.seconds),
        "by_model": dict(sorted(swaps.by_model.items())),
        "changes": len(swaps.seen_after),
        "lost": len(swaps.lost),
        "mixed": swaps.mixed,
        "milliseconds": {
            "median": 1000 * statistics.median(swaps.seconds),
            "p99": 1000 * statistics.quantiles(swaps.seconds, n=100)[98],
        },
        "seen_after_seconds": {"median": statistics.median(swaps.seen_after), "greatest": max(swaps.seen_after)},
    }


def table(swaps: Swaps) -> str:
    """The figures, a line each."""
    found = figures(swaps)
    took, seen = found["milliseconds"], found["seen_after_seconds"]
    rows = {
        "requests": found["requests"],
        **{f"answered by {model}": count for model, count in found["by_model"].items()},
        "changes of the champion": found["changes"],
        "without an answer": found["lost"],
        "mixing two models": found["mixed"],
        "median": f"{took['median']:.0f} ms",
        "99th percentile": f"{took['p99']:.0f} ms",
        "a change is seen after": f"{seen['median']:.2f} s ({seen['greatest']:.2f} s at most)",
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def _promoting(bundles: Path, digests: Sequence[str]) -> Turns:
    training = bundles / "training"
    training.mkdir()
    return Turns(open_registry(bundles), bundles, digests, training)


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), default=60, show_default=True, help="How long to ask.")
@click.option("--clients", type=click.IntRange(min=1), default=8, show_default=True, help="How many ask at once.")
@click.option("--swap-every", type=float, default=1, show_default=True, help="Seconds between two champions.")
@click.option("--promote", "promoting", is_flag=True, help="Promote and roll back in a registry.")
@click.option("--seed", default=0, show_default=True, help="Decides weights and photograph.")
@click.option("--image-size", default=640, show_default=True, help="The graphs' side in pixels.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(
    seconds: float, clients: int, swap_every: float, promoting: bool, seed: int, image_size: int, as_json: bool
) -> None:
    """Publish two models in turn under load, and look at every reply."""
    with tempfile.TemporaryDirectory(prefix="carloop-swap-") as folder:
        bundles = Path(folder)
        digests = [
            write_detector(bundles, version=str(number), seed=seed + number, image_size=image_size) for number in (1, 2)
        ]
        change = _promoting(bundles, digests) if promoting else partial(publish, bundles, MODEL)
        change(digests[0])
        body, models = make_request(make_photo(seed=seed), threshold=THRESHOLD), models_of(bundles, digests)
        with open_host(bundles) as host:
            swaps = run_swaps(host, models, change, body, clients=clients, seconds=seconds, every=swap_every)
    click.echo(json.dumps(figures(swaps), indent=2) if as_json else table(swaps))
    for lost in swaps.lost[:5]:
        click.echo(f"lost: {lost}", err=True)
    sys.exit(0 if swaps.is_kept else 1)


if __name__ == "__main__":
    main()
