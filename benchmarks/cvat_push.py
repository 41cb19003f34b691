"""How fast images and shapes get into CVAT: Carloop's push beside the bare cvat-sdk calls that move the same bytes.

    python -m benchmarks.cvat_push [--url URL] [--images 1000] [--shapes 20000] [--repeat 3] [--json]

Both make the same tasks of the same files, in turns, each time in a new project, and ask as often whether CVAT has
made the frames; a ratio is of two runs in one turn. A server at `--url` is logged in to as CARLOOP_CVAT_USER with
CARLOOP_CVAT_PASSWORD, and what was made there is removed; without it an embedded one is started. Its processor seconds
are told too, as a busy machine troubles them less than the clock.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import numpy as np
from cvat_sdk import Client, models
from rich.console import Console
from rich.table import Table

from benchmarks.cvat_data import HEIGHT, WIDTH, Server, open_server, write_images
from benchmarks.turns import Figures, measure_in_turns, ratio, shown_ratio, summarise, timed
from cvat.client import connect
from cvat.filling import Content
from cvat.frames import frame_name
from cvat.project import push_project
from cvat.push import Order, Pusher
from cvat.settings import CvatSettings
from datasets.coco import Image
from datasets.labelled import LabelledObject
from datasets.ledger import Ledger
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY

TARGET = 1.25
Shapes = Mapping[str, Sequence[LabelledObject]]


@click.command()
@click.option("--url", help="Address of a CVAT that runs [default: an embedded one].")
@click.option("--images", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--shapes", type=click.IntRange(min=0), default=20_000, show_default=True, help="Boxes on them in all.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides images and boxes.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(url: str | None, images: int, shapes: int, repeat: int, seed: int, as_json: bool) -> None:
    """Time a push beside the bare cvat-sdk calls."""
    with tempfile.TemporaryDirectory(prefix="carloop-push-") as folder, open_server(url) as server:
        store = ImageStore(Path(folder))
        photographs = write_images(store, images, seed=seed)
        drawn = draw_boxes(photographs, shapes, seed=seed)
        jobs = {"cvat-sdk": push_bare, "carloop": push_carloop}
        runs = measure_in_turns(
            {name: partial(measure, server, job, store, photographs, drawn) for name, job in jobs.items()},
            repeat=repeat,
        )
        size = sum(store.path(image.file_name).stat().st_size for image in photographs)
    result = {
        "images": images,
        "megabytes": size / 1e6,
        "shapes": shapes,
        "repeat": repeat,
        **{name: figures(found) for name, found in runs.items()},
        "ratio": ratio(runs["carloop"], runs["cvat-sdk"]),
        "cpu_ratio": cpu_ratio(runs),
        "target": TARGET,
    }
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


def draw_boxes(images: Sequence[Image], number: int, *, seed: int) -> Shapes:
    """That many boxes, shared evenly among the images."""
    chooser = np.random.default_rng(seed)
    sides = chooser.uniform((0, 0, 20, 20), (WIDTH - 320, HEIGHT - 320, 320, 320), (number, 4)).round(2)
    boxes = np.hstack([sides[:, :2], sides[:, :2] + sides[:, 2:]]).tolist()
    classes = DEFAULT_TAXONOMY.names("rectangle")
    drawn: dict[str, list[LabelledObject]] = {image.sha256: [] for image in images}
    for place, box in enumerate(boxes):
        labelled = LabelledObject(classes[place % len(classes)], tuple(box), source="file")
        drawn[images[place % len(images)].sha256].append(labelled)
    return drawn


Push = Callable[[Client, str, ImageStore, Sequence[Image], Shapes], int]


def measure(server: Server, push: Push, store: ImageStore, images: Sequence[Image], shapes: Shapes) -> Figures:
    """One push into a new project, which is removed afterwards."""
    with connect(server.url, server.credentials) as client:
        before = server.cpu_seconds
        project_id, found = timed(lambda: push(client, f"push {uuid4().hex}", store, images, shapes))
        spent = server.cpu_seconds - before
        client.projects.remove_by_ids([project_id])
    return {**found, "server_cpu_seconds": spent}


def push_carloop(client: Client, project: str, store: ImageStore, images: Sequence[Image], shapes: Shapes) -> int:
    """What `carloop cvat push` does."""
    with tempfile.TemporaryDirectory(prefix="carloop-ledger-") as folder:
        ledger = Ledger(f"sqlite:///{folder}/ledger.sqlite", scope=project)
        settings = CvatSettings(project=project, control_share=0)
        with ledger.lock("push"):
            pusher = Pusher(client, ledger, store, DEFAULT_TAXONOMY, settings)
            pushed = pusher.push(Order("cars", images, content=Content(shapes)))
        ledger.close()
    if pushed.told["objects"] != sum(map(len, shapes.values())):
        raise RuntimeError(f"{pushed.told['objects']} shapes were pushed instead of {sum(map(len, shapes.values()))}")
    return pushed.project_id


def push_bare(client: Client, project: str, store: ImageStore, images: Sequence[Image], shapes: Shapes) -> int:
    """The same by cvat-sdk's own calls: a project, its tasks from files, and the shapes of each task."""
    project_id = push_project(client, project, DEFAULT_TAXONOMY)
    label_ids = {label.name: label.id for label in client.projects.retrieve(project_id).get_labels()}
    settings = CvatSettings()
    for start in range(0, len(images), settings.task_size):
        part = images[start : start + settings.task_size]
        task = client.tasks.create_from_data(
            models.TaskWriteRequest(
                name=frame_name(part[0]), project_id=project_id, segment_size=settings.segment_size, overlap=0
            ),
            resources=[store.path(image.file_name) for image in part],
            data_params={"image_quality": settings.image_quality, "sorting_method": "predefined"},
        )
        drawn = [
            models.LabeledShapeRequest(
                type="rectangle",
                frame=frame,
                label_id=label_ids[labelled.category],
                points=list(labelled.points),
                source=labelled.source,
            )
            for frame, image in enumerate(part)
            for labelled in shapes[image.sha256]
        ]
        task.set_annotations(models.LabeledDataRequest(shapes=drawn))
    return project_id


def figures(runs: Sequence[Figures]) -> Figures:
    """Median and spread, with the server's processor seconds."""
    return {**summarise(runs), "server_cpu_seconds": float(np.median([run["server_cpu_seconds"] for run in runs]))}


def cpu_ratio(runs: Mapping[str, Sequence[Figures]]) -> dict[str, float]:
    """The ratio by processor seconds of client and server together."""
    spent = {
        name: [{"seconds": run["cpu_seconds"] + run["server_cpu_seconds"]} for run in found]
        for name, found in runs.items()
    }
    return ratio(spent["carloop"], spent["cvat-sdk"])


def table(result: Mapping[str, Any]) -> Table:
    moved = f"{result['images']} images of {result['megabytes']:.0f} MB with {result['shapes']} shapes"
    by_clock, by_cpu = shown_ratio(result["ratio"]), shown_ratio(result["cpu_ratio"])
    caption = f"ratio {by_clock} by the clock, {by_cpu} by processor time; target at most {result['target']}"
    shown = Table(
        "push by",
        "seconds (range)",
        "CPU s",
        "server's CPU s",
        title=f"{moved}; {result['repeat']} runs",
        caption=caption,
    )
    for name in ("cvat-sdk", "carloop"):
        found = result[name]
        shown.add_row(
            name,
            f"{found['seconds']:.2f} ({found['fastest']:.2f}–{found['slowest']:.2f})",
            f"{found['cpu_seconds']:.2f}",
            f"{found['server_cpu_seconds']:.2f}",
        )
    return shown


if __name__ == "__main__":
    main()
