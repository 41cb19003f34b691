"""How fast photographs on disk become pre-labels in CVAT, beside the machine's limit and other ways.

    python -m benchmarks.prelabel [--images 300] [--repeat 3] [--json]

A YOLOv8n of random weights, whose threshold leaves about three boxes a picture, looks at 640 × 480 JPEGs. In turns:
OpenVINO's asynchronous requests alone, `carloop cvat prelabel`, Ultralytics' predict feeding cvat-sdk's annotate_task,
and CVAT's own runs of the Nuclio function. Each run is a process and a task of its own; servers and function host run
beside it on the same machine. Rates are of the clock on the wall, from files on disk to annotations in the server.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.cvat_data import Server, open_server
from benchmarks.function_data import CLASSES, MODEL, make_photo, open_host, write_detector
from benchmarks.prelabel_peer import PEERS
from benchmarks.turns import Figures, measure_in_turns, ratio, run_child, shown_ratio
from cvat.client import connect
from cvat.embedded.settings import PASSWORD_VARIABLE, USER_VARIABLE
from cvat.project import push_project
from cvat.push import push_task
from cvat.settings import CvatSettings
from datasets.coco import Image
from datasets.files import write_json
from datasets.store import ImageStore
from datasets.taxonomy import Category, Taxonomy
from training.bundle import publish, read_bundle
from training.predictors import Detector, decode_image

TARGETS = {"of_raw": 0.8, "times_stock": 3.0}
WIDTH, HEIGHT = 640, 480
_BOXES = 3
_TAXONOMY = Taxonomy(categories=tuple(Category(name=name) for name in CLASSES))


@click.command()
@click.option("--images", type=click.IntRange(min=1), default=300, show_default=True, help="Photographs a run.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the photographs.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(images: int, repeat: int, seed: int, as_json: bool) -> None:
    """Time pre-labelling beside the machine's limit and other ways."""
    with tempfile.TemporaryDirectory(prefix="carloop-prelabel-") as name, ExitStack() as stack:
        folder = Path(name)
        photographs = write_photographs(folder, images, seed=seed)
        write_bundle_of(folder, photographs)
        host = stack.enter_context(open_host(folder / "bundles"))
        server = stack.enter_context(open_server(None, CARLOOP_NUCLIO_URL=host.url))
        os.environ.update({USER_VARIABLE: server.credentials.user, PASSWORD_VARIABLE: server.credentials.password})
        peers = {peer: partial(measure, server, folder, photographs, peer) for peer in PEERS if peer != "parts"}
        runs = measure_in_turns(peers, repeat=repeat)
        where = run_child("benchmarks.prelabel_peer", ["parts", str(folder), "0"])
    result = {
        "images": images,
        "repeat": repeat,
        "peers": {peer: summary(found) for peer, found in runs.items()},
        "of_raw": ratio(runs["raw OpenVINO"], runs["carloop"]),
        "times_stock": ratio(runs["stock"], runs["carloop"]),
        "milliseconds": where["milliseconds"] | upload_milliseconds(runs["carloop"]),
        "targets": TARGETS,
    }
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        for each in tables(result):
            Console().print(each)


def write_photographs(folder: Path, number: int, *, seed: int) -> list[Image]:
    """That many JPEG files in the folder's store, no two alike."""
    store = ImageStore(folder / "datasets" / "store")
    photographs = []
    for place in range(number):
        stored = store.write_image(make_photo(seed=seed * number + place, width=WIDTH, height=HEIGHT))
        photographs.append(Image(stored.sha256, stored.file_name, WIDTH, HEIGHT, family=f"car {place:06d}"))
    return photographs


def write_bundle_of(folder: Path, photographs: list[Image]) -> None:
    """Publish a detector that finds about three boxes a picture."""
    bundles = folder / "bundles"
    digest = write_detector(bundles, version="1", seed=0)
    detector = Detector(read_bundle(bundles, digest))
    store = ImageStore(folder / "datasets" / "store")
    pictures = [decode_image(store.path(image.file_name).read_bytes()) for image in photographs[:20]]
    scores = sorted(
        (found.score for found_there in detector.predict_batch(pictures, threshold=0.01) for found in found_there),
        reverse=True,
    )
    threshold = min(float(np.round(scores[min(_BOXES * len(pictures), len(scores) - 1)], 4)), 0.9999)
    publish(bundles, MODEL, write_detector(bundles, version="1", seed=0, threshold=threshold))


def measure(server: Server, folder: Path, photographs: list[Image], peer: str) -> Figures:
    """One run of a peer on a new task of all photographs."""
    project = f"prelabel {uuid4().hex}"
    write_json(
        folder / "carloop.yaml",
        {
            "categories": [{"name": name} for name in CLASSES],
            "cvat": {"url": server.url, "project": project, "control_share": 0},
        },
    )
    with connect(server.url, server.credentials) as client:
        project_id = push_project(client, project, _TAXONOMY)
        settings = CvatSettings(project=project, task_size=len(photographs), control_share=0)
        store = ImageStore(folder / "datasets" / "store")
        task_id = push_task(client, project_id, photographs, store, title="cars", subset="train", settings=settings)
        before = server.cpu_seconds
        found = run_child("benchmarks.prelabel_peer", [peer, str(folder), str(task_id)])
        spent = server.cpu_seconds - before
        written = len(client.tasks.retrieve(task_id).get_annotations().shapes)
        client.projects.remove_by_ids([project_id])
    return {**found, "server_cpu_seconds": spent, "boxes": written}


def summary(runs: list[Figures]) -> Figures:
    """Median, least and greatest images per second, and what was written."""
    rates = [run["images_per_second"] for run in runs]
    return {
        "images_per_second": median(rates),
        "least": min(rates),
        "greatest": max(rates),
        "cpu_seconds": median(run["cpu_seconds"] for run in runs),
        "boxes": runs[0]["boxes"],
    }


def upload_milliseconds(runs: list[Figures]) -> dict[str, float]:
    """A frame's part in writing to CVAT, by process."""
    return {
        "upload, client": median(run["upload_milliseconds"] for run in runs),
        "upload, server": median(1000 * run["server_cpu_seconds"] / run["frames"] for run in runs),
    }


def tables(result: Mapping[str, Any]) -> list[Table]:
    """The rates, and where a photograph's time goes."""
    told = (
        f"{shown_ratio(result['of_raw'])} of the raw rate, target at least {TARGETS['of_raw']}; "
        f"{shown_ratio(result['times_stock'])} times stock, target at least {TARGETS['times_stock']:g}"
    )
    rates = Table(title=f"{result['images']} photographs, {result['repeat']} runs", caption=told)
    for heading in ("", "images/s (range)", "CPU s", "boxes written"):
        rates.add_column(heading, justify="left" if not heading else "right")
    for peer, found in result["peers"].items():
        spread = f"{found['images_per_second']:.1f} ({found['least']:.1f}–{found['greatest']:.1f})"
        rates.add_row(peer, spread, f"{found['cpu_seconds']:.1f}", f"{found['boxes']:,}")
    where = Table(title="one photograph at a time")
    where.add_column("part")
    where.add_column("ms of the processor", justify="right")
    for part, milliseconds in sorted(result["milliseconds"].items(), key=lambda each: -each[1]):
        where.add_row(part, f"{milliseconds:.2f}")
    return [rates, where]


if __name__ == "__main__":
    main()
