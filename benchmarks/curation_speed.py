"""How fast a dataset version becomes a FiftyOne dataset, beside FiftyOne's own COCO importer, and is updated.

    python -m benchmarks.curation_speed [--images 10000] [--objects 10] [--changed 100] [--repeat 3] [--json]

The version is generated from a seed; its photographs are one small file under many names, which neither side opens.
Both run in one process on one MongoDB, in turns, each from the path of the same annotations to a dataset that
`fiftyone.load_dataset` finds; starting Python, FiftyOne and MongoDB is not timed. What both made is compared: the
boxes and classes on every image. The update is that of a version whose first photographs have one object moved, from
the path of its annotations too.
"""

import json
import os
import random
import statistics
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace
from PIL import Image as PillowImage
from rich.console import Console

from datasets.coco import Annotation, Dataset, Image, Split, Tag, make_dataset
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY as TAXONOMY
from datasets.versions import ANNOTATIONS, read_version, write_version

_WIDTH, _HEIGHT = 1280, 960
_SPLITS: tuple[Split, ...] = ("train", "test")
_OURS, _THEIRS = "ours", "theirs"


@click.command()
@click.option("--images", type=click.IntRange(min=1), default=10_000, show_default=True)
@click.option("--objects", type=click.IntRange(min=1), default=10, show_default=True, help="Objects on each image.")
@click.option("--changed", type=click.IntRange(min=1), default=100, show_default=True, help="Images that are updated.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each side.")
@click.option("--seed", default=0, show_default=True, help="Decides the objects.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(images: int, objects: int, changed: int, repeat: int, seed: int, as_json: bool) -> None:
    """Time curate sync beside FiftyOne's COCO importer."""
    from datasets.curating import open_fiftyone
    from pipelines.curating.mongodb import home_mongodb

    with tempfile.TemporaryDirectory(prefix="carloop-curation-") as folder:
        place = Path(folder)
        first = make_cars(place, images=images, objects=objects, seed=seed)
        versions = [write_version(dataset, place / "versions") for dataset in (first, move(first, changed))]
        with home_mongodb(place) as uri, open_fiftyone(uri) as fo:
            runs = [measure(fo, place, versions) for _ in range(repeat)]
    result = {"images": images, "objects": images * objects, "changed": changed, **summarise(runs)}
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(result)


def make_cars(place: Path, *, images: int, objects: int, seed: int) -> Dataset:
    """Photographs by reference with boxes of all classes, each with a tag."""
    chance, store = random.Random(seed), ImageStore(place / "store")
    (place / "store").mkdir()
    PillowImage.new("RGB", (8, 6)).save(place / "store" / "one.png")
    rectangles, tags = TAXONOMY.ids("rectangle"), TAXONOMY.ids("tag")
    made = []
    for number in range(images):
        digits = sha256(f"{seed} {number}".encode()).hexdigest()
        name = f"images/{digits[:2]}/{digits}.png"
        store.path(name).parent.mkdir(parents=True, exist_ok=True)
        os.link(place / "store" / "one.png", store.path(name))
        split, tag = chance.choice(_SPLITS), Tag(chance.choice(tags))
        made.append(Image(digits, name, _WIDTH, _HEIGHT, f"car {number}", split, tags=(tag,)))
    (place / "store" / "one.png").unlink()
    drawn = [Annotation(i.sha256, chance.choice(rectangles), _box(chance)) for i in made for _ in range(objects)]
    return make_dataset(TAXONOMY, made, drawn)


def _box(chance: random.Random) -> tuple[float, float, float, float]:
    x, y = chance.uniform(0, 900), chance.uniform(0, 700)
    return (round(x, 2), round(y, 2), round(chance.uniform(8, 300), 2), round(chance.uniform(8, 200), 2))


def move(dataset: Dataset, changed: int) -> Dataset:
    """The dataset with one object moved on each of its first images."""
    moved = {id(dataset.annotations_of[image.sha256][0]) for image in dataset.images[:changed]}
    annotations = [replace(a, bbox_xywh=(1, 1, 20, 20)) if id(a) in moved else a for a in dataset.annotations]
    return make_dataset(dataset.taxonomy, dataset.images, annotations)


def measure(fo: Any, place: Path, versions: list[str]) -> dict[str, float]:
    """Seconds of one run of each side, and of the update."""
    for name in fo.list_datasets():
        fo.delete_dataset(name)
    figures = {
        "carloop": _timed(lambda: _sync(fo, place, versions[0])),
        "fiftyone": _timed(lambda: _import(fo, place, versions[0])),
    }
    if _shown(fo, _OURS) != _shown(fo, _THEIRS):
        raise click.ClickException("the two datasets differ, so their times tell nothing")
    return {**figures, "update": _timed(lambda: _sync(fo, place, versions[1]))}


def _timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _sync(fo: Any, place: Path, version: str) -> None:
    from datasets.curating import Review, sync

    dataset = read_version(place / "versions", version)
    sync(fo, _OURS, Review(dataset, ImageStore(place / "store")))


def _import(fo: Any, place: Path, version: str) -> None:
    fo.Dataset.from_dir(
        name=_THEIRS,
        dataset_type=fo.types.COCODetectionDataset,
        data_path=str(place / "store"),
        labels_path=str(place / "versions" / version / ANNOTATIONS),
        label_types="detections",
        label_field="ground_truth",
        extra_attrs=False,
        progress=False,
    )


def _shown(fo: Any, name: str) -> dict[str, list[tuple[str, list[float]]]]:
    """The classes and boxes on every image, as FiftyOne reads them."""
    parts = ("filepath", "ground_truth.detections.label", "ground_truth.detections.bounding_box")
    read = zip(*fo.load_dataset(name).values(list(parts)), strict=True)
    return {
        Path(path).name: sorted(
            (label, [round(side, 9) for side in box]) for label, box in zip(labels, boxes, strict=True)
        )
        for path, labels, boxes in read
    }


def summarise(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Median, fastest and slowest of each, and the ratio within each run."""
    ratios = [run["fiftyone"] / run["carloop"] for run in runs]
    figures = {name: _spread([run[name] for run in runs]) for name in runs[0]}
    return {"runs": len(runs), "seconds": figures, "times_as_fast": _spread(ratios)}


def _spread(values: list[float]) -> dict[str, float]:
    spread = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, 2) for name, value in spread.items()}


if __name__ == "__main__":
    main()
