"""What one request costs over the model's forward pass: the damage detector's function, and both models in one.

    python -m benchmarks.function_request [--requests 1000] [--repeat 3] [--json]

A YOLOv8n at 640 and a convnext_tiny at 224, both of random weights, see one 640 × 480 JPEG. The forward pass alone is
OpenVINO's, in float32, one picture at a time. The function answers through the host's HTTP, one request after another;
both models are asked through the function's own core, without HTTP. Each is warm.
"""

import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import click
import numpy as np
import requests
from rich.console import Console
from rich.table import Table

from benchmarks.function_data import MODEL, make_photo, open_host, write_detector
from benchmarks.turns import Figures
from nuclio_functions.handler import prelabels
from training.bundle import BundleSpec, publish, read_bundle, write_bundle
from training.predicting.graphs import Graph
from training.predictors import decode_image, load_predictor

TARGETS = {"request_times_raw": 1.3, "plus_ms": 5.0, "p99_times_median": 3.0, "both_times_raw": 1.15}
_CLASSIFIER, _CLASSIFIER_SIZE = "cleanliness_classifier", 224
_RAW = 100


@click.command()
@click.option("--requests", "count", type=click.IntRange(min=10), default=1000, show_default=True, help="In each run.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs, in turns.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(count: int, repeat: int, as_json: bool) -> None:
    """Time a request beside the forward pass."""
    with tempfile.TemporaryDirectory(prefix="carloop-request-") as name:
        bundles = Path(name)
        digests = [write_detector(bundles, version="1", seed=0), write_classifier(bundles)]
        publish(bundles, MODEL, digests[0])
        photo = make_photo()
        with open_host(bundles) as host:
            runs = [measure(bundles, digests, photo, host.function, count // repeat) for _ in range(repeat)]
    result = summary(runs)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


def write_classifier(bundles: Path) -> str:
    """A convnext_tiny of random weights as a bundle; its digest. Made in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        code = (
            "import sys, torch, timm; from pathlib import Path; from training.outputs import write_onnx; "
            "torch.manual_seed(0); net = timm.create_model('convnext_tiny', num_classes=2); "
            "net = torch.nn.Sequential(net, torch.nn.Softmax(1)); "
            f"write_onnx(net, Path(sys.argv[1]), image_size={_CLASSIFIER_SIZE})"
        )
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)
        spec = BundleSpec(
            task="classifier",
            model=_CLASSIFIER,
            version="1",
            class_names=("clean", "dirty"),
            image_size=_CLASSIFIER_SIZE,
        )
        return write_bundle(bundles, spec, path)


def measure(bundles: Path, digests: Sequence[str], photo: bytes, url: str, count: int) -> Figures:
    """Milliseconds of one run: forward passes, requests, and both models at once."""
    found = [read_bundle(bundles, digest) for digest in digests]
    raw = [median(timed(_forward(Graph(bundle)), _RAW)) for bundle in found]
    body = {"image": base64.b64encode(photo).decode()}
    with requests.Session() as session:
        sent = timed(lambda: session.post(url, json=body, timeout=60).raise_for_status(), count)
    predictors = [load_predictor(bundle) for bundle in found]
    both = timed(lambda: prelabels(predictors, decode_image(photo), threshold=None), _RAW)
    return {"raw": raw[0], "raw_both": sum(raw), "requests": sent, "both": median(both)}


def _forward(graph: Graph) -> Callable[[], object]:
    square = np.random.default_rng(0).integers(0, 256, (graph.size, graph.size, 3), np.uint8)

    def run() -> object:
        with graph.answers(square) as outputs:
            return outputs

    return run


def timed(work: Callable[[], object], times: int) -> list[float]:
    """Milliseconds of each call, after one that does not count."""
    work()
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - started))
    return spent


def summary(runs: Sequence[Figures]) -> Figures:
    """Medians over all runs, ratios within each run, and their spread."""
    sent = np.concatenate([run["requests"] for run in runs])
    ratios = [median(run["requests"]) / run["raw"] for run in runs]
    both = [run["both"] / run["raw_both"] for run in runs]
    return {
        "requests": len(sent),
        "raw_ms": median(run["raw"] for run in runs),
        "median_ms": float(np.median(sent)),
        "p99_ms": float(np.quantile(sent, 0.99)),
        "request_times_raw": [median(ratios), min(ratios), max(ratios)],
        "both_ms": median(run["both"] for run in runs),
        "both_raw_ms": median(run["raw_both"] for run in runs),
        "both_times_raw": [median(both), min(both), max(both)],
        "targets": TARGETS,
    }


def table(result: Figures) -> Table:
    """What a request takes, beside the forward pass."""
    shown = Table(title=f"one 640 × 480 JPEG, {result['requests']} requests")
    for heading in ("", "forward alone, ms", "answered in, ms", "ratio (spread)", "p99, ms"):
        shown.add_column(heading, justify="left" if not heading else "right")
    for name, raw, took, ratio, p99 in (
        ("damage detector, by HTTP", "raw_ms", "median_ms", "request_times_raw", f"{result['p99_ms']:.1f}"),
        ("both models in one", "both_raw_ms", "both_ms", "both_times_raw", ""),
    ):
        middle, least, most = result[ratio]
        shown.add_row(name, f"{result[raw]:.1f}", f"{result[took]:.1f}", f"{middle:.2f} ({least:.2f}–{most:.2f})", p99)
    return shown


if __name__ == "__main__":
    main()
