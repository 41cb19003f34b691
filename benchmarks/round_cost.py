"""What a round costs that is not a model's forward or backward pass: seconds by step, of a round with 1,000 images.

    python -m benchmarks.round_cost [--images 1000] [--small] [--home .carloop/round-cost] [--fresh] [--json]

One `carloop loop run` is played with the default project's settings, on rendered photographs of which each is taken to
be a family of its own, so that a round may have them all. Round 1 is the one told: so many images are selected,
pushed, pre-annotated, corrected, pulled, curated, learnt from; champion and challenger are compared. All photographs
come in before round 0, whose `scrape` is therefore counted with it. Processes compute with one thread each.

Models are clocked in the processes where they run: each answer of a graph, each forward and backward pass of a
training. A training is one epoch long, of which its passes are the models'; what it does beside them once is told
as "train", and what it does with every epoch (making batches, taking steps) as "train, between passes".

What was measured stays in the home, and is told again by the same command; --fresh measures anew. With --small
networks see small squares, to try it out quickly: then preparing these is cheaper as well.
"""

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count as count_up
from itertools import islice
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.clocked_loop import Block
from benchmarks.round_cost_table import TARGET_SECONDS, Cost, costs_of, print_costs, total
from datasets.errors import CarloopError
from datasets.files import MANIFEST, is_complete, new_folder, read_json, write_bytes, write_json
from datasets.rendering import RenderedFrame, render_car
from datasets.rendering.write import to_coco, to_jpeg
from pipelines.errors import ServiceFailed
from pipelines.output import write_json as print_json
from pipelines.progress import Progress
from pipelines.project import LoopSettings

RENDERED_SIZE, FRAME_SIZE, CARS_SEED = 224, 640, 5
TEST_SHARE = 0.25
"""More than the project keeps for testing, so that enough are left for a round."""
ONE_EPOCH = {"max_steps": 1}
SMALL = {
    "detector": {"image_size": 64, **ONE_EPOCH},
    "classifier": {"model": "test_resnet", "image_size": 32, **ONE_EPOCH},
}
DEFAULT = {"detector": ONE_EPOCH, "classifier": ONE_EPOCH}


@click.command()
@click.option("--images", type=click.IntRange(min=1), default=1000, show_default=True, help="That the round labels.")
@click.option("--small", is_flag=True, help="Small networks instead of the default ones.")
@click.option("--home", type=click.Path(path_type=Path), default=Path(".carloop/round-cost"), show_default=True)
@click.option("--fresh", is_flag=True, help="Measure anew.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON on stdout.")
def main(images: int, small: bool, home: Path, fresh: bool, as_json: bool) -> None:
    """Tell by step what a round costs beside its models; exit code 1 when that is more than it may be."""
    progress, folder = Progress(Console(stderr=True)), home / f"{images}-{'small' if small else 'default'}"
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        costs = costs_of(measure(folder, home / f"photographs-{images}", images, progress, is_small=small))
    except CarloopError as error:
        raise click.ClickException(str(error)) from None
    holds = total(costs).wall <= TARGET_SECONDS
    if as_json:
        print_json(told(costs, images=images, is_small=small))
    else:
        print_costs(costs, images=images)
    sys.exit(0 if holds else 1)


def told(costs: Sequence[Cost], *, images: int, is_small: bool) -> dict[str, Any]:
    """The figures for a script."""
    whole = total(costs)
    return {
        "images": images,
        "networks": "small" if is_small else "default",
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "steps": [cost.told() for cost in costs],
        "total": whole.told(),
        "target_seconds": TARGET_SECONDS,
        "holds": whole.wall <= TARGET_SECONDS,
    }


def measure(folder: Path, photographs: Path, images: int, progress: Progress, *, is_small: bool) -> list[Block]:
    """Every step of both rounds, played unless it was before. Raises ServiceFailed when the loop fails."""
    measured = folder / "measured.json"
    if not measured.exists():
        folder.mkdir(parents=True, exist_ok=True)
        count = photographs_needed(images)
        with progress.step(f"render {count} photographs of {FRAME_SIZE} pixels", total=count) as step:
            write_photographs(photographs, count, on_frame=step.advance)
        settings = {"name": "round-cost", "training": SMALL if is_small else DEFAULT}
        write_bytes(folder / "carloop.yaml", yaml.safe_dump(settings).encode())
        with progress.step(f"play two rounds, the second with {images} images"):
            write_json(measured, _play(folder, photographs, images))
    return [Block.model_validate(block) for block in read_json(measured)]


def photographs_needed(images: int) -> int:
    """So many that a round has its images left when round 0 has had its own and the test set is set aside."""
    return math.ceil((images + LoopSettings().seed_images) / (1 - TEST_SHARE))


def write_photographs(folder: Path, count: int, *, on_frame: Callable[[], object] = lambda: None) -> None:
    """So many rendered photographs with ground truth, each a family of its own, unless they are there."""
    if is_complete(folder):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(folder) as part:
        (part / "images").mkdir()
        frames = []
        for frame in islice(_frames(), count):
            (part / "images" / frame.file_name).write_bytes(to_jpeg(frame))
            frames.append(replace(frame, pixels=_unheld(frame.pixels)))
            on_frame()
        write_json(part / "annotations.json", to_coco(frames))
        write_json(part / MANIFEST, {"images": count, "size": FRAME_SIZE, "seed": CARS_SEED})


def _frames() -> Iterator[RenderedFrame]:
    """Car after car, each frame enlarged, which is quicker than rendering it so large."""
    scale = FRAME_SIZE / RENDERED_SIZE
    for number in count_up():
        for frame in render_car(number, seed=CARS_SEED, size=RENDERED_SIZE):
            pixels = cv2.resize(frame.pixels, (FRAME_SIZE, FRAME_SIZE), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
            boxes = tuple((name, (scale * x, scale * y, scale * w, scale * h)) for name, (x, y, w, h) in frame.boxes)
            yield replace(frame, pixels=pixels, boxes=boxes, family=Path(frame.file_name).stem)


def _unheld(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An array of the same shape that takes no memory."""
    return np.broadcast_to(np.uint8(0), pixels.shape)


def _play(folder: Path, photographs: Path, images: int) -> list[dict[str, Any]]:
    """The blocks of rounds 0 and 1, of a run that begins anew."""
    blocks, log = folder / "blocks.json", folder / "log"
    options = ["--project", folder / "carloop.yaml", "--truth", photographs, "--home", folder / "home", "--fresh"]
    options += ["--rounds", 1, "--budget", images, "--json"]
    command = [sys.executable, "-m", "benchmarks.clocked_loop", blocks, "loop", "run", *options]
    with log.open("ab") as output:
        code = subprocess.run(
            list(map(str, command)),
            stdout=subprocess.DEVNULL,
            stderr=output,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=False,
        ).returncode
    if code:
        raise ServiceFailed(f"the loop ended with exit code {code}; its log is {log}")
    found: list[dict[str, Any]] = read_json(blocks)
    return found


if __name__ == "__main__":
    main()
