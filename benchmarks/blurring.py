"""What blurring finds in photographs, how long it takes, and how much of annotated objects it covers.

DATASET is any that `carloop dataset import` reads. Each way of searching is tried on the same images; an object counts
as touched when a tenth of its box or more is unreadable afterwards. Whether what is found are plates nobody says here:
look at the pages of `carloop scrape blur --dry-run --html`. With --bundle a damage detector's mAP50 on these images is
told, as they are and after blurring.

    python -m benchmarks.blurring DATASET --images 100 [--bundle BUNDLES/DIGEST] --json
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from datasets.blurring.settings import BlurSettings
    from datasets.coco import Dataset
    from datasets.store import ImageStore

TOUCHED = 0.1


@click.command(help=__doc__)
@click.argument("dataset", type=click.Path(exists=True, path_type=Path))
@click.option("--images", type=click.IntRange(min=1), default=100, show_default=True, help="How many, by content.")
@click.option(
    "--plates", multiple=True, type=click.Choice(["text", "cascade", "none"]), default=("text", "cascade", "none")
)
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A detector's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
def main(dataset: Path, images: int, plates: Sequence[Any], bundle: Path | None, as_json: bool) -> None:
    from datasets.blurring.settings import BlurSettings
    from pipelines.output import show

    with tempfile.TemporaryDirectory() as folder:
        read, store = _read(dataset, Path(folder))
        some = read.only([image.sha256 for image in read.images[:images]])
        ways = {f"plates_{one}": BlurSettings(plates=one, faces="none") for one in set(plates) - {"none"}}
        if "none" in plates:
            ways["faces_cascade"] = BlurSettings(plates="none")
        told: dict[str, dict[str, float | None]] = {}
        for name, settings in ways.items():
            made = Path(folder) / name
            told[name] = dict(measure(some, store, settings, made))
            if bundle:
                told[name] |= {"map50": map50(bundle, some, store.root), "map50_blurred": map50(bundle, some, made)}
    show({"images": len(some.images), "objects": len(some.annotations), **told}, as_json=as_json)


def _read(path: Path, folder: Path) -> tuple["Dataset", "ImageStore"]:
    from datasets.importing import ImportSettings, import_dataset
    from datasets.store import ImageStore
    from datasets.taxonomy import DEFAULT_TAXONOMY

    store = ImageStore(folder)
    settings = ImportSettings(unknown="keep", skip_bad_images=True)
    return import_dataset(path, taxonomy=DEFAULT_TAXONOMY, store=store, settings=settings).datasets[0], store


def map50(bundle: Path, dataset: "Dataset", store: Path) -> float | None:
    """A detector's mAP50 in [0, 1] on the images of a folder; None where there is no object."""
    from training.bundle import read_bundle
    from training.evaluate import DetectorScores, evaluate_bundle

    found = evaluate_bundle(read_bundle(bundle.parent, bundle.name), dataset, store)
    if not isinstance(found, DetectorScores):
        raise click.UsageError(f"{bundle} is a classifier; name a damage detector's folder")
    return found.map50


def measure(
    dataset: "Dataset", store: "ImageStore", settings: "BlurSettings", out: Path
) -> Iterator[tuple[str, float]]:
    """Images and regions found, seconds an image by the clock and by the processor, and objects that are touched.

    All images, blurred or as they are, are left in `out` by their names in the store.
    """
    from datasets.blurring.deriving import derive
    from datasets.blurring.finding import load_finder
    from datasets.files import write_bytes

    find, seconds, cpu_seconds, found = load_finder(settings), [], [], {}
    for image in dataset.images:
        content, started, cpu_started = (
            store.path(image.file_name).read_bytes(),
            time.perf_counter(),
            time.process_time(),
        )
        if made := derive(content, find):
            found[image.sha256] = made[1]
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
        (out / image.file_name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(out / image.file_name, made[0] if made else content)
    yield "images", len(found)
    yield "regions", sum(map(len, found.values()))
    yield "seconds_an_image", round(median(seconds), 3)
    yield "cpu_seconds_an_image", round(median(cpu_seconds), 3)
    covered = [
        _covered(annotation.bbox_xywh, found[annotation.sha256])
        for annotation in dataset.annotations
        if annotation.sha256 in found
    ]
    yield "objects_touched", sum(share >= TOUCHED for share in covered)


def _covered(bbox_xywh: Sequence[float], boxes_xyxy: Any) -> float:
    """The share of a box, in [0, 1], that lies in any of the regions."""
    import numpy as np

    x, y, width, height = (round(value) for value in bbox_xywh)
    inside = np.zeros((max(1, height), max(1, width)), bool)
    for left, top, right, bottom in boxes_xyxy.tolist():
        inside[max(0, top - y) : max(0, bottom - y), max(0, left - x) : max(0, right - x)] = True
    return float(inside.mean())


if __name__ == "__main__":
    main()
