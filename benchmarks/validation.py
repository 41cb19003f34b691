"""How fast a large COCO file is validated, beside reading it with orjson and validating it with datumaro.

    python -m benchmarks.validation [--annotations 500000] [--images 50000] [--repeat 3] [--data FOLDER] [--json]

The file is generated from a seed: half the objects with polygons of 12 points, half boxes alone. No image is read. Each
peer runs in a process of its own, in turns. Timed is from the file's path to the result, without starting Python
or importing. Peak memory is the process's (RSS).
"""

import gc
import importlib.util
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

_SIDE = 1000
_MIB_A_KIB = 1 / 1024


@click.command()
@click.option("--annotations", type=click.IntRange(min=1), default=500_000, show_default=True)
@click.option("--images", type=click.IntRange(min=1), default=50_000, show_default=True)
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each peer.")
@click.option("--seed", default=0, show_default=True, help="Decides the file.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder to keep the file in.")
@click.option(
    "--peer", "peers", multiple=True, type=click.Choice(["carloop", "orjson", "datumaro"]), help="Only these."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(
    annotations: int, images: int, repeat: int, seed: int, data: Path | None, peers: tuple[str, ...], as_json: bool
) -> None:
    """Time validation of a large COCO file beside its peers."""
    folder = data or Path(tempfile.gettempdir()) / "carloop-benchmarks"
    path = folder / f"validation-{annotations}-{images}-{seed}" / "annotations" / "instances_all.json"
    if not path.exists():
        write_dataset(path, annotations=annotations, images=images, seed=seed)
    wanted = [peer for peer in peers or PEERS if peer not in MODULES or importlib.util.find_spec(MODULES[peer])]
    if missing := set(peers or PEERS) - set(wanted):
        click.echo(f"not installed, so not measured: {', '.join(sorted(missing))}", err=True)
    runs: dict[str, list[dict[str, float]]] = {peer: [] for peer in wanted}
    for _ in range(repeat):
        for peer, figures in runs.items():
            figures.append(measure(peer, path))
    figures_by_peer = {peer: summarise(figures) for peer, figures in runs.items()}
    result = {"bytes": path.stat().st_size, "annotations": annotations, "images": images, "peers": figures_by_peer}
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


def write_dataset(path: Path, *, annotations: int, images: int, seed: int) -> None:
    """A sound dataset of photographs of 1000 x 1000 pixels with eight classes; the same for the same seed."""
    chance = random.Random(seed)
    content = {
        "categories": [{"id": number, "name": f"class {number}"} for number in range(1, 9)],
        "images": [
            {"id": number, "file_name": f"{number:06}.jpg", "width": _SIDE, "height": _SIDE}
            for number in range(1, images + 1)
        ],
        "annotations": [_annotation(number, images, chance) for number in range(1, annotations + 1)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.with_name("images").mkdir(exist_ok=True)  # datumaro asks for it
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, separators=(",", ":")))
    part.replace(path)


def _annotation(number: int, images: int, chance: random.Random) -> dict[str, Any]:
    x, y = round(chance.uniform(0, 800), 2), round(chance.uniform(0, 800), 2)
    width, height = round(chance.uniform(5, 199), 2), round(chance.uniform(5, 199), 2)
    polygon: list[float] = []
    area = width * height
    if number % 2:
        polygon = _polygon(x, y, width, height, chance)
        xs, ys = polygon[0::2], polygon[1::2]
        x, y = min(xs), min(ys)
        width, height = round(max(xs) - x, 2), round(max(ys) - y, 2)
        area = abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2
    return {
        "id": number,
        "image_id": chance.randint(1, images),
        "category_id": chance.randint(1, 8),
        "bbox": [x, y, width, height],
        "area": round(area, 2),
        "segmentation": [polygon] if polygon else [],
        "iscrowd": 0,
    }


def _polygon(x: float, y: float, width: float, height: float, chance: random.Random) -> list[float]:
    """Twelve points around a box, in turn, each a little inside of it."""
    fractions = [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (3, 3), (2, 3), (1, 3), (0, 3), (0, 2), (0, 1)]
    return [
        round(start + side * (0.05 + 0.9 * fraction / 3 + chance.uniform(-0.04, 0.04)), 2)
        for point in fractions
        for start, side, fraction in ((x, width, point[0]), (y, height, point[1]))
    ]


def measure(peer: str, path: Path) -> dict[str, float]:
    """Seconds and peak memory of one peer in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.validation_peer", peer, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def summarise(runs: list[dict[str, float]]) -> dict[str, float]:
    """Median, fastest and slowest of each figure."""
    seconds = [run["seconds"] for run in runs]
    return {
        "seconds": statistics.median(seconds),
        "fastest": min(seconds),
        "slowest": max(seconds),
        "peak_mib": max(run["peak_mib"] for run in runs),
        "findings": runs[0]["findings"],
        "runs": len(runs),
    }


def table(result: dict[str, Any]) -> Table:
    """The figures with their ratio to Carloop's."""
    peers = result["peers"]
    ours = peers.get("carloop", {}).get("seconds")
    title = f"{result['annotations']} annotations, {result['images']} images, {result['bytes'] / 1e6:.0f} MB"
    shown = Table(
        "peer", "seconds (median)", "fastest to slowest", "times Carloop", "peak MiB", "findings", title=title
    )
    for peer, figures in peers.items():
        shown.add_row(
            peer,
            f"{figures['seconds']:.2f}",
            f"{figures['fastest']:.2f} to {figures['slowest']:.2f}",
            f"{figures['seconds'] / ours:.2f}" if ours else "",
            f"{figures['peak_mib']:.0f}",
            f"{figures['findings']:.0f}",
        )
    return shown


def run_peer(peer: str, path: Path) -> dict[str, float]:
    """Time one peer in this process."""
    work = PEERS[peer]()
    gc.collect()
    started = time.perf_counter()
    findings = work(path)
    seconds = time.perf_counter() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MIB_A_KIB
    return {"seconds": seconds, "peak_mib": peak_mib, "findings": findings}


def _carloop() -> Callable[[Path], int]:
    from datasets.validation.validate import validate_dataset

    return lambda path: sum(validate_dataset(path, pixels=False).counts.values())


def _orjson() -> Callable[[Path], int]:
    import orjson

    def load(path: Path) -> int:
        orjson.loads(path.read_bytes())
        return 0

    return load


def _datumaro() -> Callable[[Path], int]:
    from datumaro.components.dataset import Dataset
    from datumaro.plugins.validators import DetectionValidator

    def validate(path: Path) -> int:
        dataset = Dataset.import_from(str(path.parent.parent), "coco_instances")
        limits = {
            "few_samples_thr": 1,
            "imbalance_ratio_thr": 50,
            "far_from_mean_thr": 5,
            "dominance_ratio_thr": 0.8,
            "topk_bins": 0.1,
        }
        return len(DetectionValidator(**limits).validate(dataset)["validation_reports"])

    return validate


PEERS: dict[str, Callable[[], Callable[[Path], int]]] = {"carloop": _carloop, "orjson": _orjson, "datumaro": _datumaro}
MODULES = {"datumaro": "datumaro"}

if __name__ == "__main__":
    main()
