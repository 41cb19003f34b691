"""How fast annotations come out of CVAT: Carloop's pull beside the bare cvat-sdk calls that move the same bytes.

    python -m benchmarks.cvat_pull [--url URL] [--images 1000] [--shapes 20000] [--repeat 3] [--json]

Carloop's is the whole of `carloop cvat pull`: read, compared, noted in a ledger, and written as a dataset version. Both
read the same jobs, in turns; a ratio is of two runs in one turn. Then a larger project is pulled once, and the command
is run on it again, with nothing new, as a process of its own and, to count its requests, in this one. Images are tiny,
as none is moved. A server at `--url` is logged in to as CARLOOP_CVAT_USER with CARLOOP_CVAT_PASSWORD, and what was made
there is removed; without it an embedded one is started.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import msgspec
import numpy as np
import urllib3
from cvat_sdk import Client
from PIL import Image as PillowImage
from rich.console import Console
from rich.table import Table

from benchmarks.cvat_data import Server, open_server
from benchmarks.turns import Figures, measure_in_turns, ratio, shown_ratio, summarise, timed
from cvat.client import call, connect
from cvat.embedded.settings import PASSWORD_VARIABLE, USER_VARIABLE
from cvat.filling import Content
from cvat.jobs import list_jobs
from cvat.push import Order, Pusher
from datasets.coco import Image, make_dataset
from datasets.files import write_json
from datasets.labelled import LabelledObject
from datasets.taxonomy import DEFAULT_TAXONOMY
from datasets.versions import write_version
from pipelines.annotation.desk import Desk, open_ledger
from pipelines.annotation.history import note_pushed
from pipelines.annotation.pulling import pull_version
from pipelines.progress import Progress
from pipelines.project import Project, read_project
from pipelines.shelf import Shelf

TARGET, TARGET_SECONDS, TARGET_REQUESTS = 1.25, 2.0, 20
_SIDE = 16
_DONE = msgspec.json.encode({"stage": "acceptance", "state": "completed"})


@click.command()
@click.option("--url", help="Address of a CVAT that runs [default: an embedded one].")
@click.option("--images", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--shapes", type=click.IntRange(min=0), default=20_000, show_default=True, help="Boxes on them in all.")
@click.option("--all-images", type=click.IntRange(min=1), default=10_000, show_default=True, help="Of the large one.")
@click.option("--all-shapes", type=click.IntRange(min=0), default=100_000, show_default=True, help="Of the large one.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the boxes.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(
    url: str | None,
    images: int,
    shapes: int,
    all_images: int,
    all_shapes: int,
    repeat: int,
    seed: int,
    as_json: bool,
) -> None:
    """Time a pull beside the bare cvat-sdk calls, and a pull with nothing new."""
    with open_server(url) as server:
        with project_of(server, images, shapes, seed=seed) as place:
            runs = measure_in_turns(
                {"cvat-sdk": partial(pull_bare, place), "carloop": partial(pull_carloop, place, shapes)},
                repeat=repeat,
            )
        with project_of(server, all_images, all_shapes, seed=seed) as place:
            again = measure_nothing_new(place, all_shapes, repeat=repeat)
    result = {
        "images": images,
        "shapes": shapes,
        "repeat": repeat,
        **{name: summarise(found) for name, found in runs.items()},
        "ratio": ratio(runs["carloop"], runs["cvat-sdk"]),
        "cpu_ratio": ratio(*([{"seconds": run["cpu_seconds"]} for run in runs[n]] for n in ("carloop", "cvat-sdk"))),
        "target": TARGET,
        "nothing_new": {"images": all_images, "shapes": all_shapes, **again},
    }
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


class Place:
    """A project whose every job is accepted, and a home with its images and project file."""

    def __init__(self, server: Server, home: Path, name: str) -> None:
        self.server, self.home, self.name = server, home, name
        self.project_path = home / "carloop.yaml"
        write_json(
            self.project_path, {"name": "benchmark", "cvat": {"url": server.url, "project": name, "control_share": 0}}
        )

    @property
    def project(self) -> Project:
        return read_project(self.project_path)

    @contextmanager
    def desk(self, *, ledger: Path) -> Iterator[Desk]:
        """What the command works with; its ledger in that folder."""
        with (
            connect(self.server.url, self.server.credentials) as client,
            open_ledger(self.project, ledger, self.server.url) as opened,
        ):
            yield Desk(self.project, Shelf(self.home), opened, client, Progress(Console(quiet=True)))


@contextmanager
def project_of(server: Server, images: int, shapes: int, *, seed: int) -> Iterator[Place]:
    """A project with so many images and boxes while the block runs."""
    with (
        tempfile.TemporaryDirectory(prefix="carloop-pull-") as folder,
        connect(server.url, server.credentials) as client,
    ):
        place = Place(server, Path(folder), f"pull {uuid4().hex}")
        with (
            Console(stderr=True).status(f"push {images:,} images with {shapes:,} boxes"),
            place.desk(ledger=place.home) as desk,
        ):
            project_id = push(desk, images, shapes, seed=seed)
        yield place
        call(client, "DELETE", f"/api/projects/{project_id}")


def push(desk: Desk, images: int, shapes: int, *, seed: int) -> int:
    """The id of a new project whose every job is accepted."""
    photographs = [write_image(desk.shelf, number) for number in range(images)]
    dataset = make_dataset(DEFAULT_TAXONOMY, photographs, ())
    note_pushed(desk, write_version(dataset, desk.shelf.versions))
    content = Content(draw(photographs, shapes, seed=seed))
    pusher = Pusher(desk.client, desk.ledger, desk.shelf.store, DEFAULT_TAXONOMY, desk.project.cvat)
    project_id = pusher.push(Order("cars", photographs, content=content)).project_id
    for job in list_jobs(desk.client, project_id=project_id):
        call(desk.client, "PATCH", f"/api/jobs/{job.id}", body=_DONE)
    return project_id


def write_image(shelf: Shelf, number: int) -> Image:
    """A tiny image of its own."""
    content = io.BytesIO()
    colour = (number % 256, number // 256 % 256, number // 65_536)
    PillowImage.new("RGB", (_SIDE, _SIDE), colour).save(content, "PNG")
    stored = shelf.store.write_image(content.getvalue())
    return Image(stored.sha256, stored.file_name, stored.width, stored.height, family=f"car-{number:06}")


def draw(images: Sequence[Image], number: int, *, seed: int) -> dict[str, list[LabelledObject]]:
    """That many boxes, shared evenly among the images, by SHA-256."""
    chooser = np.random.default_rng(seed)
    boxes = np.hstack([chooser.uniform(0, _SIDE / 2, (number, 2)), chooser.uniform(_SIDE / 2, _SIDE, (number, 2))])
    classes = DEFAULT_TAXONOMY.names("rectangle")
    drawn: dict[str, list[LabelledObject]] = {image.sha256: [] for image in images}
    for place, box in enumerate(boxes.round(2).tolist()):
        labelled = LabelledObject(classes[place % len(classes)], tuple(box), source="file")
        drawn[images[place % len(images)].sha256].append(labelled)
    return drawn


def pull_bare(place: Place) -> Figures:
    """What a script with cvat-sdk does: labels, frames and annotations of every job."""

    def pull(client: Client) -> int:
        (listed,) = client.api_client.projects_api.list(name=place.name)[0].results
        project = client.projects.retrieve(listed.id)
        project.get_labels()
        shapes = 0
        for task in project.get_tasks():
            task.get_meta()
            shapes += sum(len(job.get_annotations().shapes) for job in task.get_jobs())
        return shapes

    with connect(place.server.url, place.server.credentials) as client:
        return timed(lambda: pull(client))[1]


def pull_carloop(place: Place, shapes: int) -> Figures:
    """What the command does, from nothing."""
    with tempfile.TemporaryDirectory(prefix="carloop-ledger-") as ledger:
        shutil.copy(place.home / "ledger.sqlite", ledger)  # as it was after the push
        with place.desk(ledger=Path(ledger)) as desk:
            (told, _), figures = timed(lambda: pull_version(desk, name="pulled"))
    require(told["annotations"], shapes)
    (Shelf(place.home).versions / told["version"] / "manifest.json").unlink()
    return figures


def measure_nothing_new(place: Place, shapes: int, *, repeat: int) -> dict[str, Any]:
    """Seconds of the command, requests of one run, and whether anything was read."""
    with place.desk(ledger=place.home) as desk:
        (first, _), first_figures = timed(lambda: pull_version(desk, name="pulled"))
    require(first["annotations"], shapes)
    runs = measure_in_turns({"again": partial(run_command, place)}, repeat=repeat)["again"]
    with counted_requests() as asked, place.desk(ledger=place.home) as desk:
        (told, _), here = timed(lambda: pull_version(desk, name="pulled"))
    require(told["read"], 0)
    return {**summarise(runs), "requests": len(asked), "first_pull": first_figures, "without_start": here}


def run_command(place: Place) -> Figures:
    """`carloop cvat pull` as a process."""
    command = [sys.executable, "-m", "pipelines.cli", "cvat", "pull", "--name", "pulled", "--json"]
    options = ["--project", str(place.project_path), "--home", str(place.home)]
    user = {USER_VARIABLE: place.server.credentials.user, PASSWORD_VARIABLE: place.server.credentials.password}
    before = os.times()
    done, figures = timed(lambda: subprocess.run([*command, *options], env={**os.environ, **user}, capture_output=True))
    after = os.times()
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    require(json.loads(done.stdout)["read"], 0)
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return {**figures, "cpu_seconds": spent}


@contextmanager
def counted_requests() -> Iterator[list[str]]:
    """The addresses that are asked for during the block."""
    asked: list[str] = []
    ask = urllib3.PoolManager.urlopen

    def counting(self: urllib3.PoolManager, method: str, url: str, *rest: Any, **more: Any) -> Any:
        asked.append(f"{method} {url}")
        return ask(self, method, url, *rest, **more)

    urllib3.PoolManager.urlopen = counting  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        urllib3.PoolManager.urlopen = ask  # type: ignore[method-assign]


def require(found: int, wanted: int) -> None:
    """Raises RuntimeError when what was pulled is not what was pushed."""
    if found != wanted:
        raise RuntimeError(f"{found:,} were pulled instead of {wanted:,}")


def table(result: Mapping[str, Any]) -> Table:
    """The figures for a person."""
    again = result["nothing_new"]
    shown = Table("pull by", "seconds (range)", "CPU s", title=f"{result['repeat']} runs of each")
    rows: Sequence[tuple[str, Figures]] = (
        (f"cvat-sdk, {result['images']:,} images, {result['shapes']:,} boxes", result["cvat-sdk"]),
        ("carloop, the same", result["carloop"]),
        (f"carloop, nothing new of {again['images']:,} images, {again['shapes']:,} boxes", again),
    )
    for name, found in rows:
        seconds = f"{found['seconds']:.2f} ({found['fastest']:.2f}–{found['slowest']:.2f})"
        shown.add_row(name, seconds, f"{found['cpu_seconds']:.2f}")
    shown.caption = (
        f"ratio {shown_ratio(result['ratio'])}, by processor time {shown_ratio(result['cpu_ratio'])}, target at most "
        f"{TARGET}; nothing new: {again['requests']} requests, target at most {TARGET_REQUESTS} in {TARGET_SECONDS:g} "
        f"s; without starting and logging in {again['without_start']['seconds']:.2f} s"
    )
    return shown


if __name__ == "__main__":
    main()
