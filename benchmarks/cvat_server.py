"""How fast a CVAT server is by itself, asked by cvat-sdk alone.

    python -m benchmarks.cvat_server [--url URL] [--repeat 3] [--json]

500 images of 165 MB are created and uploaded; 10,000 boxes are put there and read back; sixteen clients each make a
task, put boxes into it and read them back, all at once. The targets are what a CVAT took on two cores with everything
on one machine. Reading is timed twice: to the last byte of the answer, which is what a server can do for it, and on to
cvat-sdk's models, which the client alone makes. Without --url an embedded server is measured, with the most memory
that it held.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, TypeVar
from uuid import uuid4

import click
from cvat_sdk import Client, models
from cvat_sdk.core.proxies.tasks import Task
from rich.console import Console
from rich.table import Table

from benchmarks.cvat_data import Server, open_server, write_images
from benchmarks.turns import Figures, summarise, timed
from cvat.client import connect
from cvat.project import push_project
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY

IMAGES, SHAPES, CLIENTS = 500, 10_000, 16
TARGETS = {"upload": 2.6, "put": 2.8, "answer": 1.7, "read": 1.7}
TARGET_MIB = 300
T = TypeVar("T")
_CLIENT_IMAGES, _CLIENT_SHAPES = 10, 200


@click.command()
@click.option("--url", help="Address of a CVAT that runs [default: an embedded one].")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each step.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the images.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(url: str | None, repeat: int, seed: int, as_json: bool) -> None:
    """Time what a CVAT server does for bare cvat-sdk calls."""
    with tempfile.TemporaryDirectory(prefix="carloop-server-") as folder, open_server(url) as server:
        store = ImageStore(Path(folder))
        files = [store.path(image.file_name) for image in write_images(store, IMAGES, seed=seed)]
        runs = [run(server, files) for _ in range(repeat)]
        result = {
            "images": IMAGES,
            "megabytes": sum(path.stat().st_size for path in files) / 1e6,
            "shapes": SHAPES,
            "clients": CLIENTS,
            "repeat": repeat,
            "steps": {step: _summary([found[step] for found in runs]) for step in runs[0]},
            "server_peak_mib": server.peak_mib,
            "targets": {**TARGETS, "server_peak_mib": TARGET_MIB},
        }
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


def run(server: Server, files: Sequence[Path]) -> dict[str, Figures]:
    """Every step once, in a project of its own."""
    with connect(server.url, server.credentials) as client:
        project_id = push_project(client, f"server {uuid4().hex}", DEFAULT_TAXONOMY)
        label_id = client.projects.retrieve(project_id).get_labels()[0].id
        task, upload = measured(server, lambda: make_task(client, project_id, files))
        body = boxes(label_id, SHAPES, frames=len(files))
        _, put = measured(server, lambda: task.set_annotations(body))
        _, answer = measured(server, lambda: task.api.retrieve_annotations(task.id, _parse_response=False))
        found, read = measured(server, task.get_annotations)
        if len(found.shapes) != SHAPES:
            raise RuntimeError(f"{len(found.shapes)} shapes came back of {SHAPES}")
        _, at_once = measured(server, lambda: serve_many(server, project_id, label_id, files))
        client.projects.remove_by_ids([project_id])
    return {"upload": upload, "put": put, "answer": answer, "read": read, "clients": at_once}


def measured(server: Server, work: Callable[[], T]) -> tuple[T, Figures]:
    """What work returns, how long it took, and the server's processor seconds meanwhile."""
    before = server.cpu_seconds
    result, figures = timed(work)
    return result, {**figures, "server_cpu_seconds": server.cpu_seconds - before}


def _summary(runs: Sequence[Figures]) -> Figures:
    return {**summarise(runs), "server_cpu_seconds": median(run["server_cpu_seconds"] for run in runs)}


def make_task(client: Client, project_id: int, files: Sequence[Path]) -> Task:
    """A task of these images, when the server has made its frames."""
    spec = models.TaskWriteRequest(name="benchmark", project_id=project_id, segment_size=100, overlap=0)
    return client.tasks.create_from_data(spec, files, data_params={"image_quality": 90, "sorting_method": "predefined"})


def boxes(label_id: int, number: int, *, frames: int) -> models.LabeledDataRequest:
    """That many boxes, shared evenly among the frames."""
    return models.LabeledDataRequest(
        shapes=[
            models.LabeledShapeRequest(
                type="rectangle",
                frame=place % frames,
                label_id=label_id,
                points=[float(place % 500), 10.25, place % 500 + 80.5, 90.75],
            )
            for place in range(number)
        ]
    )


def serve_many(server: Server, project_id: int, label_id: int, files: Sequence[Path]) -> None:
    """All clients at once. Raises what any of them meets."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        waiting = [
            pool.submit(serve_one, server, project_id, label_id, files[number * _CLIENT_IMAGES :][:_CLIENT_IMAGES])
            for number in range(CLIENTS)
        ]
        for one in waiting:
            one.result()


def serve_one(server: Server, project_id: int, label_id: int, files: Sequence[Path]) -> None:
    """What one of many clients does. Raises RuntimeError where it does not get back what it put."""
    with connect(server.url, server.credentials) as client:
        task = make_task(client, project_id, files)
        task.set_annotations(boxes(label_id, _CLIENT_SHAPES, frames=len(files)))
        found = len(task.get_annotations().shapes)
    if found != _CLIENT_SHAPES:
        raise RuntimeError(f"{found} shapes came back of {_CLIENT_SHAPES}")


def table(result: Mapping[str, Any]) -> Table:
    """What each step took, beside its target."""
    told = {
        "upload": f"{result['images']} images of {result['megabytes']:.0f} MB created and uploaded",
        "put": f"{result['shapes']:,} shapes put",
        "answer": f"{result['shapes']:,} shapes read, not parsed",
        "read": f"{result['shapes']:,} shapes read into cvat-sdk's models",
        "clients": f"{result['clients']} clients at once, {_CLIENT_IMAGES} images and {_CLIENT_SHAPES} shapes each",
    }
    caption = f"server: {result['server_peak_mib']:.0f} MiB, target at most {TARGET_MIB}"
    columns = ("seconds (range)", "client's CPU s", "server's CPU s", "at most, s")
    shown = Table("step", *columns, title=f"{result['repeat']} runs", caption=caption)
    for step, found in result["steps"].items():
        shown.add_row(
            told[step],
            f"{found['seconds']:.2f} ({found['fastest']:.2f}–{found['slowest']:.2f})",
            f"{found['cpu_seconds']:.2f}",
            f"{found['server_cpu_seconds']:.2f}",
            f"{TARGETS[step]:g}" if step in TARGETS else "",
        )
    return shown


if __name__ == "__main__":
    main()
