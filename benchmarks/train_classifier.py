"""How many images a second a classifier trains on, beside a plain timm loop with the same settings and data.

    python -m benchmarks.train_classifier [--model resnet18] [--images 256] [--epochs 3] [--repeat 3] [--json]

The pictures are generated: two classes, JPEG files of 320 x 240 pixels. Both peers letterbox, mirror and
brighten alike, with AdamW, one cycle of the learning rate, and the same batch. The plain loop is what timm's own
`train.py` does on one device: files decoded by a DataLoader's workers each epoch, memory as PyTorch lays it out, the
device's mixed precision. Timed is from the files to the last step, imports apart, with Carloop's decoding inside. Each
run is a process of its own, in turns, with another seed each turn, so that the curves show the spread of seeds.
"""

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.turns import Figures, measure_in_turns, ratio, run_child, shown_ratio, summarise

PEERS = ("carloop", "plain timm")


@click.command()
@click.option("--model", default="resnet18", show_default=True, help="A timm architecture.")
@click.option("--images", type=click.IntRange(min=4), default=256, show_default=True)
@click.option("--size", type=click.IntRange(min=32), default=224, show_default=True, help="Side of the square, pixels.")
@click.option("--batch", type=click.IntRange(min=2), default=32, show_default=True)
@click.option("--epochs", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--workers", type=click.IntRange(min=0), default=2, show_default=True, help="That decode files.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; all when not given.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each peer.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder to keep the pictures in.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(images: int, repeat: int, data: Path | None, as_json: bool, **asked: Any) -> None:
    """Time the training of a classifier beside a plain timm loop."""
    folder = (data or Path(tempfile.gettempdir()) / "carloop-benchmarks") / f"classes-{images}"
    if not (folder / "manifest.csv").exists():
        write_pictures(folder, images=images)
    turns = {peer: iter(range(repeat)) for peer in PEERS}
    jobs = {peer: partial(_run, peer, folder, asked, turns[peer]) for peer in PEERS}
    runs = measure_in_turns(jobs, repeat=repeat)
    result = {
        "settings": {"images": images, **asked},
        "device": runs["carloop"][0]["device"],
        "peers": {peer: _figures(found, images * asked["epochs"]) for peer, found in runs.items()},
        "plain seconds by Carloop's": ratio(runs["plain timm"], runs["carloop"]),
    }
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


def _run(peer: str, folder: Path, asked: dict[str, Any], seeds: Any) -> Figures:
    return run_child("benchmarks.train_classifier_peer", [peer, str(folder), json.dumps(asked), str(next(seeds))])


def _figures(runs: list[Figures], images: int) -> Figures:
    """Times, images a second, and each epoch's mean loss with its least and greatest over the seeds."""
    losses = np.array([run["losses"] for run in runs])
    summed = summarise(runs)
    return {
        **summed,
        "images a second": images / summed["seconds"],
        "losses": losses.mean(0).tolist(),
        "least losses": losses.min(0).tolist(),
        "greatest losses": losses.max(0).tolist(),
    }


def write_pictures(folder: Path, *, images: int) -> None:
    """Grained pictures with a disc, dark or light by class, and their CSV manifest, which comes last."""
    chance = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["path,label"]
    for number in range(images):
        pixels = chance.integers(60, 190, (240, 320, 3), dtype=np.uint8)
        place = (int(chance.integers(40, 280)), int(chance.integers(40, 200)))
        cv2.circle(pixels, place, 30, (40, 40, 40) if number % 2 else (210, 210, 210), -1)
        cv2.imwrite(str(folder / f"{number:05}.jpg"), pixels)
        lines.append(f"{number:05}.jpg,{('light', 'dark')[number % 2]}")
    (folder / "manifest.csv").write_text("\n".join(lines))


def table(result: dict[str, Any]) -> Table:
    """The figures, with how many times as long the plain loop takes."""
    shown = Table("peer", "images/s", "seconds (fastest to slowest)", "CPU seconds", "loss of the last epoch")
    for peer, figures in result["peers"].items():
        last = f"{figures['losses'][-1]:.3f} ({figures['least losses'][-1]:.3f}–{figures['greatest losses'][-1]:.3f})"
        seconds = f"{figures['seconds']:.1f} ({figures['fastest']:.1f}–{figures['slowest']:.1f})"
        shown.add_row(peer, f"{figures['images a second']:.1f}", seconds, f"{figures['cpu_seconds']:.1f}", last)
    told = shown_ratio(result["plain seconds by Carloop's"])
    shown.title = f"{result['settings']['model']} on {result['device']}: plain timm takes {told} times as long"
    return shown


if __name__ == "__main__":
    main()
