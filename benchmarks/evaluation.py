"""How fast detections are scored, beside pycocotools, and whether the twelve numbers are the same.

    python -m benchmarks.evaluation [--images 5000] [--truths 36000] [--detections 100000] [--repeat 3] [--json]

Truth and predictions are made from a seed (`benchmarks.evaluation_data`); what is timed of each peer is told in
`benchmarks.evaluation_peer`. Each run is a process of its own, the peers in turns; a ratio is of two runs in one turn.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.evaluation_peer import PEERS
from benchmarks.turns import measure_in_turns, ratio, run_child, shown_ratio, summarise

TARGETS = {"times_pycocotools": 0.25, "difference": 1e-9}
_AREAS = ("small", "medium", "large")
_PRECISIONS = ("AP", "AP50", "AP75", *(f"AP {area}" for area in _AREAS))
NAMES = (*_PRECISIONS, "AR 1", "AR 10", "AR 100", *(f"AR {area}" for area in _AREAS))
"""https://cocodataset.org/#detection-eval, in the order of pycocotools."""


@click.command()
@click.option("--images", type=click.IntRange(min=1), default=5000, show_default=True)
@click.option("--truths", type=click.IntRange(min=1), default=36_000, show_default=True, help="Annotated boxes.")
@click.option("--detections", type=click.IntRange(min=1), default=100_000, show_default=True)
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each peer.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the boxes.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(images: int, truths: int, detections: int, repeat: int, seed: int, as_json: bool) -> None:
    """Time COCO evaluation beside pycocotools, and compare the numbers."""
    sizes = {"images": images, "truths": truths, "detections": detections, "seed": seed}
    result = measure(sizes, repeat=repeat)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        console = Console()
        console.print(table(result))
        console.print(scores_table(result))


def measure(sizes: Mapping[str, int], *, repeat: int) -> dict[str, Any]:
    """The figures of each peer with its ratio to pycocotools, all scores, and their greatest difference."""
    module = "benchmarks.evaluation_peer"
    jobs = {peer: partial(run_child, module, [peer, json.dumps(dict(sizes))]) for peer in PEERS}
    runs = measure_in_turns(jobs, repeat=repeat)
    scores = {peer: runs[peer][0]["scores"] for peer in runs}
    return {
        **sizes,
        "repeat": repeat,
        "peers": {
            peer: {**summarise(runs[peer]), "times_pycocotools": ratio(runs[peer], runs["pycocotools"])}
            for peer in runs
        },
        "scores": scores,
        "difference": max(difference(scores[peer], scores["pycocotools"]) for peer in scores),
        "targets": TARGETS,
    }


def difference(some: Sequence[float], others: Sequence[float]) -> float:
    """The greatest between the scores that both have; they begin with the same."""
    return max(abs(one - other) for one, other in zip(some, others, strict=False))


def table(result: Mapping[str, Any]) -> Table:
    """What each peer took, and how that is to pycocotools."""
    title = f"{result['images']} images, {result['truths']} truths, {result['detections']} detections"
    caption = (
        f"target at most {TARGETS['times_pycocotools']} times pycocotools; "
        f"greatest difference {result['difference']:.1e}, target at most {TARGETS['difference']:.0e}"
    )
    shown = Table("peer", "seconds (range)", "CPU s", "× pycocotools", "GiB", title=title, caption=caption)
    for peer, figures in result["peers"].items():
        shown.add_row(
            peer,
            f"{figures['seconds']:.2f} ({figures['fastest']:.2f}–{figures['slowest']:.2f})",
            f"{figures['cpu_seconds']:.2f}",
            shown_ratio(figures["times_pycocotools"]),
            f"{figures['peak_gib']:.2f}",
        )
    return shown


def scores_table(result: Mapping[str, Any]) -> Table:
    """Each of COCO's twelve numbers by each peer."""
    shown = Table("number", *result["scores"])
    for place, name in enumerate(NAMES):
        shown.add_row(name, *(f"{s[place]:.12f}" if place < len(s) else "" for s in result["scores"].values()))
    return shown


if __name__ == "__main__":
    main()
