"""How fast 100,000 pre-labels are compared with 100,000 accepted objects, and the result stored.

    python -m benchmarks.ledger [--images 10000] [--objects 10] [--jobs 100] [--repeat 3] [--json]

Boxes of eight classes are made from a seed: most are left as they were, others moved, re-classed, deleted, added, or
drawn anew, so that they lost their id. Timed is what a pull does for each job once it has the objects: read the
stored pre-labels, compare, and store pull and fates in one durable transaction. Each run is a process of its own with a
new SQLite file; importing is not timed.
"""

import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from benchmarks.turns import Figures, measure_in_turns, run_child, summarise, timed
from datasets.comparison import VERDICTS
from datasets.labelled import LabelledObject
from datasets.ledger import Ledger, Prelabel, Pull
from datasets.review import fates_of_job

TARGET_SECONDS = 3.0
_CLASSES = [f"class {number}" for number in range(8)]
_WHAT_PEOPLE_DO = {"leave": 0.7, "move": 0.12, "reclass": 0.05, "delete": 0.08, "redraw": 0.05}
_ADDED_PER_PRELABEL = 0.08
_SIDE = 1000.0


class Job(NamedTuple):
    """A job's images, its pre-labels, and what people left there."""

    sha256s: list[str]
    prelabels: list[Prelabel]
    objects: list[tuple[str, LabelledObject]]


@click.command()
@click.option("--images", type=click.IntRange(min=1), default=10_000, show_default=True)
@click.option("--objects", type=click.IntRange(min=1), default=10, show_default=True, help="Pre-labels per image.")
@click.option("--jobs", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the boxes.")
@click.option("--once", is_flag=True, hidden=True, help="One run, in this process.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(images: int, objects: int, jobs: int, repeat: int, seed: int, once: bool, as_json: bool) -> None:
    """Time the comparison of pre-labels with what people left, and its storing."""
    sizes = {"images": images, "objects": objects, "jobs": jobs, "seed": seed}
    if once:
        click.echo(json.dumps(run(sizes)))
        return
    result = measure(sizes, repeat=repeat)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


def measure(sizes: Mapping[str, int], *, repeat: int) -> dict[str, Any]:
    """Median and spread of several runs."""
    options = [text for name, value in sizes.items() for text in (f"--{name}", str(value))]
    runs = measure_in_turns({"ledger": lambda: run_child("benchmarks.ledger", [*options, "--once"])}, repeat=repeat)
    told = {name: runs["ledger"][0][name] for name in ("prelabels", "accepted_objects", "verdicts", "mib")}
    return {**sizes, **told, "repeat": repeat, **summarise(runs["ledger"]), "target_seconds": TARGET_SECONDS}


def run(sizes: Mapping[str, int]) -> Figures:
    """The figures of one run."""
    made = list(make_jobs(**sizes))
    fates_of_job(made[0].sha256s, made[0].objects, made[0].prelabels)  # imports what it needs
    with tempfile.TemporaryDirectory(prefix="carloop-ledger-") as folder:
        path = Path(folder) / "ledger.sqlite"
        ledger = Ledger(f"sqlite:///{path}")
        for job_id, job in enumerate(made):
            ledger.write_prelabels(job_id, job.prelabels)
        verdicts, figures = timed(lambda: take_in(ledger, made))
        ledger.close()
        return {
            **figures,
            "prelabels": sum(len(job.prelabels) for job in made),
            "accepted_objects": sum(len(job.objects) for job in made),
            "verdicts": {verdict: verdicts[verdict] for verdict in VERDICTS},
            "mib": round(path.stat().st_size / 2**20, 1),
        }


def take_in(ledger: Ledger, jobs: list[Job]) -> Counter[str]:
    """Compare and store every job; returns how many objects had which fate."""
    verdicts: Counter[str] = Counter()
    for job_id, job in enumerate(jobs):
        rows = fates_of_job(job.sha256s, job.objects, ledger.read_prelabels(job_id))
        pull = Pull(job_id, 1, "revision", "train", "ann", 1800.0, "2026-01-01T12:00:00Z", len(job.sha256s))
        ledger.write_pull(pull, rows)
        verdicts.update(row.fate.verdict for row in rows)
    return verdicts


def make_jobs(*, images: int, objects: int, jobs: int, seed: int) -> Iterator[Job]:
    """Jobs of as many images each; the same for the same seed."""
    chance = random.Random(seed)
    for job in range(jobs):
        numbers = range(images * job // jobs, images * (job + 1) // jobs)
        sha256s = [f"{number:064x}" for number in numbers]
        prelabels = [
            Prelabel(sha256, "damage_detector@1", _box(objects * number + place, chance))
            for number, sha256 in zip(numbers, sha256s, strict=True)
            for place in range(objects)
        ]
        yield Job(sha256s, prelabels, [left for prelabel in prelabels for left in _left(prelabel, chance)])


def _box(shape_id: int, chance: random.Random) -> LabelledObject:
    x, y = round(chance.uniform(0, 800), 2), round(chance.uniform(0, 800), 2)
    width, height = round(chance.uniform(20, 199), 2), round(chance.uniform(20, 199), 2)
    score = round(chance.random(), 2)
    return LabelledObject(
        chance.choice(_CLASSES),
        (x, y, x + width, y + height),
        shape_id,
        score,
        model="damage_detector@1",
        source="auto",
    )


def _left(prelabel: Prelabel, chance: random.Random) -> Iterator[tuple[str, LabelledObject]]:
    """What a person leaves in the place of a pre-label, and now and then something new beside it."""
    shown = prelabel.stored
    done = chance.choices(list(_WHAT_PEOPLE_DO), list(_WHAT_PEOPLE_DO.values()))[0]
    shifted = tuple(value + chance.uniform(1, 8) for value in shown.points)
    kept = {
        "leave": replace(shown, points=tuple(list(shown.points))),
        "move": replace(shown, points=shifted),
        "reclass": replace(shown, category=chance.choice(_CLASSES)),
        "redraw": replace(shown, points=shifted, shape_id=None, source="manual", score=None, model=None),
    }
    if done in kept:
        yield prelabel.sha256, kept[done]
    if chance.random() < _ADDED_PER_PRELABEL:
        yield prelabel.sha256, replace(_box(-1, chance), shape_id=None, source="manual", score=None, model=None)


def table(result: Mapping[str, Any]) -> Table:
    """The figures beside their target."""
    title = (
        f"{result['prelabels']:,} pre-labels, {result['accepted_objects']:,} accepted objects, {result['jobs']} jobs"
    )
    caption = ", ".join(f"{count:,} {verdict}" for verdict, count in result["verdicts"].items())
    shown = Table("seconds (range)", "CPU s", "target s", "MiB stored", "GiB memory", title=title, caption=caption)
    shown.add_row(
        f"{result['seconds']:.2f} ({result['fastest']:.2f}–{result['slowest']:.2f})",
        f"{result['cpu_seconds']:.2f}",
        f"{result['target_seconds']:g}",
        f"{result['mib']:g}",
        f"{result['peak_gib']:.2f}",
    )
    return shown


if __name__ == "__main__":
    main()
