"""How long choosing takes and what memory it needs: 1,000 images from 100,000 embeddings of 768 numbers.

    python -m benchmarks.selection_speed [--images 100000] [--numbers 768] [--budget 1000] [--repeat 3] [--json]

Each run is a process of its own on two threads. Embeddings are `clustered`, as photographs' are, or `noise`, where all
distances are nearly the same, the hardest case for a search that puts off comparing. `mix` has made-up answers of two
models beside. Seconds are those of choosing, by the clock and of the processor; the most memory is the whole process's,
arrays included. The peer is greedy k-center the plain way, every image held to each new centre.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from datasets.selecting.choosing import choose
from datasets.selecting.pool import Answers, Found, Labelled, Pool
from datasets.selecting.settings import SelectionSettings

CASES = ("noise diversity", "clustered diversity", "clustered mix", "clustered plain")
_THREADS = "2"
_CLUSTERS = 500


@dataclass(frozen=True, slots=True)
class Run:
    """One process: seconds of choosing, by the clock and of the processor, and the most memory of all of it."""

    seconds: float
    processor: float
    gibibytes: float


@click.command()
@click.option("--images", type=click.IntRange(min=2), default=100_000, show_default=True)
@click.option("--numbers", type=click.IntRange(min=2), default=768, show_default=True, help="Of each embedding.")
@click.option("--budget", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each case.")
@click.option("--case", "cases", type=click.Choice(CASES), multiple=True, help="Only this; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(images: int, numbers: int, budget: int, repeat: int, cases: Sequence[str], as_json: bool) -> None:
    """Time and memory of choosing images, each run in a process of its own."""
    results: dict[str, list[Run]] = {case: [] for case in cases or CASES}
    for _ in range(repeat):
        for case, runs in results.items():
            runs.append(run_apart(case, images, numbers, budget))
            _say(case, runs[-1])
    if as_json:
        click.echo(json.dumps({case: [asdict(run) for run in runs] for case, runs in results.items()}, indent=2))
    else:
        Console().print(_table(results))


def _say(case: str, run: Run) -> None:
    told = f"{case}: {run.seconds:.1f} s, {run.processor:.1f} s of the processor, {run.gibibytes:.2f} GiB"
    Console(stderr=True).print(told, highlight=False)


def run_apart(case: str, images: int, numbers: int, budget: int) -> Run:
    """One run in a fresh process with two threads."""
    command = [sys.executable, "-m", "benchmarks.selection_speed", "--one", case, *map(str, (images, numbers, budget))]
    threads = {name: _THREADS for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(command, env={**os.environ, **threads}, check=True, capture_output=True, text=True)
    return Run(**json.loads(done.stdout))


def run_here(case: str, images: int, numbers: int, budget: int) -> Run:
    """One run in this process."""
    kind, way = case.split()
    pool = make_pool(kind, images, numbers, answered=way == "mix")
    started, processor = time.monotonic(), time.process_time()
    if way == "plain":
        plain_k_center(pool, budget)
    else:
        settings = SelectionSettings.model_validate({"strategy": way})
        choose(pool, Labelled(), budget=budget, settings=settings, seed=0)
    seconds, processor = time.monotonic() - started, time.process_time() - processor
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return Run(round(seconds, 2), round(processor, 2), round(most, 3))


def make_pool(kind: str, images: int, numbers: int, *, answered: bool) -> Pool:
    """Images in families of three, with embeddings of this kind and, if asked, answers of champion and challenger."""
    random = np.random.default_rng(0)
    embeddings = random.standard_normal((images, numbers), dtype=np.float32)
    if kind == "clustered":
        embeddings *= 0.5
        centres = random.standard_normal((_CLUSTERS, numbers), dtype=np.float32)
        for row, cluster in enumerate(random.integers(_CLUSTERS, size=images)):
            embeddings[row] += centres[cluster]
    return Pool(
        keys=[f"{number:064x}" for number in range(images)],
        families=[str(number // 3) for number in range(images)],
        class_names=[f"class {number}" for number in range(8)],
        champion=_answers(images, random) if answered else Answers(),
        challenger=_answers(images, random) if answered else Answers(),
        embeddings=embeddings,
    )


def _answers(images: int, random: np.random.Generator) -> Answers:
    """Up to four detections an image."""
    found = []
    for count in random.integers(5, size=images):
        corners = random.random((count, 2)) * 500
        boxes = np.hstack([corners, corners + 20 + 100 * random.random((count, 2))])
        found.append(Found(boxes, random.random(count), random.integers(8, size=count)))
    return Answers(found)


def plain_k_center(pool: Pool, budget: int) -> list[int]:
    """Greedy k-center without putting anything off, families at most once."""
    points = np.array(pool.embeddings, np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    families: NDArray[np.str_] = np.asarray(pool.families)
    nearest = np.full(len(points), 5, np.float32)
    chosen: list[int] = []
    while len(chosen) < budget:
        chosen.append(int(nearest.argmax()))
        np.minimum(nearest, 2 - 2 * (points @ points[chosen[-1]]), out=nearest)
        nearest[families == families[chosen[-1]]] = -1
    return chosen


def _table(results: dict[str, list[Run]]) -> Table:
    table = Table("case", "seconds (median)", "lowest", "highest", "processor", "GiB (most)", title="Choosing images")
    for case, runs in results.items():
        seconds = [run.seconds for run in runs]
        processor = median(run.processor for run in runs)
        spread = [f"{value:.1f}" for value in (median(seconds), min(seconds), max(seconds), processor)]
        table.add_row(case, *spread, f"{max(run.gibibytes for run in runs):.2f}")
    return table


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(asdict(run_here(sys.argv[2], *map(int, sys.argv[3:])))))
    else:
        main()
