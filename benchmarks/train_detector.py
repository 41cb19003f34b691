"""How long a detector takes to train, beside stock Ultralytics with the same settings and data.

    python -m benchmarks.train_detector [CONFIG] [KEY=VALUE]... [--cars 60] [--size 320] [--repeat 3] [--json]

Each run is a process of its own, the peers in turns; a ratio is of two runs in one turn. What is timed is every epoch
but the first, which warms up. Neither validates, plots or saves, both keep their images in memory.
"""

import json
import statistics
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.train_detector_peer import PEERS, write_peers_data
from benchmarks.turns import measure_in_turns, ratio, run_child, shown_ratio, summarise
from pipelines.training.config import read_config
from pipelines.training.options import OVERRIDES
from training.settings import DetectorSettings

TARGETS = {"times_stock": 0.98, "times_stock_on_a_cpu": 1.3}
"""How many times stock's images a second."""
MODULE = "benchmarks.train_detector_peer"


@click.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("configs/detector.yaml"))
@OVERRIDES
@click.option("--cars", type=click.IntRange(min=2), default=60, show_default=True, help="Cars rendered.")
@click.option("--size", type=click.IntRange(min=64), default=320, show_default=True, help="Their pictures' side.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each peer.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(config: Path, overrides: tuple[str, ...], cars: int, size: int, repeat: int, as_json: bool) -> None:
    """Time the training of a detector beside stock Ultralytics, by CONFIG, without its validation."""
    settings = read_config(config, DetectorSettings, overrides=overrides)
    settings = settings.model_copy(update={"val_fraction": 0.0, "patience": 0, "max_steps": None})
    with tempfile.TemporaryDirectory(prefix="carloop-train-") as folder:
        result = measure(Path(folder), settings, cars=cars, size=size, repeat=repeat)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


def measure(folder: Path, settings: DetectorSettings, *, cars: int, size: int, repeat: int) -> dict[str, Any]:
    """Seconds of each peer, images a second, how much faster ours is, and the last epoch's losses."""
    images = write_peers_data(folder, settings, cars=cars, size=size)
    jobs = {peer: partial(run_child, MODULE, [peer, str(folder)]) for peer in PEERS}
    runs = measure_in_turns(jobs, repeat=repeat)
    timed = images * (settings.epochs - 1)
    return {
        "images": images,
        "settings": settings.model_dump(mode="json"),
        "repeat": repeat,
        "peers": {
            peer: {
                **summarise(runs[peer]),
                "images_per_second": statistics.median(timed / run["seconds"] for run in runs[peer]),
                "losses": runs[peer][0]["losses"],
            }
            for peer in runs
        },
        "times_stock": ratio(runs["stock"], runs["ours"]),  # seconds the other way round: images a second
        "targets": TARGETS,
    }


def table(result: Mapping[str, Any]) -> Table:
    caption = (
        f"target {TARGETS['times_stock']} times stock's images a second, {TARGETS['times_stock_on_a_cpu']} on a CPU"
    )
    shown = Table("peer", "images/s", "seconds (range)", "CPU s", "GiB", "last losses", caption=caption)
    for peer, figures in result["peers"].items():
        shown.add_row(
            peer,
            f"{figures['images_per_second']:.1f}",
            f"{figures['seconds']:.1f} ({figures['fastest']:.1f}–{figures['slowest']:.1f})",
            f"{figures['cpu_seconds']:.1f}",
            f"{figures['peak_gib']:.2f}",
            ", ".join(f"{value:.3f}" for value in figures["losses"].values()),
        )
    shown.title = f"ours × stock: {shown_ratio(result['times_stock'])}"
    return shown


if __name__ == "__main__":
    main()
