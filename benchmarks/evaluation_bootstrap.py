"""What intervals cost: an evaluation with a bootstrap over families, beside one pass of pycocotools without any.

    python -m benchmarks.evaluation_bootstrap [--images 5000] [--truths 36000] [--detections 100000] [--resamples 1000]
        [--repeat 3] [--json]

carloop is timed from its dataset and predictions to the whole report (`training.evaluation.report.make_report`): every
number that `carloop model evaluate` tells, by class, size and slice, each with its interval. pycocotools is timed from
COCO's truth and results to its twelve numbers. Each run is a process of its own, the two in turns; a ratio is of two
runs in one turn.
"""

import json
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.evaluation_data import CLASSES, make_truth_and_predictions
from benchmarks.turns import Figures, measure_in_turns, ratio, run_child, shown_ratio, summarise, timed

TARGETS = {"times_pycocotools": 2.0, "peak_gib": 2.0, "difference": 1e-9}
_MODULE = "benchmarks.evaluation_bootstrap"


@click.command()
@click.option("--images", type=click.IntRange(min=1), default=5000, show_default=True)
@click.option("--truths", type=click.IntRange(min=1), default=36_000, show_default=True, help="Annotated boxes.")
@click.option("--detections", type=click.IntRange(min=1), default=100_000, show_default=True)
@click.option("--resamples", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides boxes and resamples.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(images: int, truths: int, detections: int, resamples: int, repeat: int, seed: int, as_json: bool) -> None:
    """Time an evaluation with intervals beside pycocotools without."""
    sizes = {"images": images, "truths": truths, "detections": detections, "seed": seed}
    result = measure(sizes, resamples=resamples, repeat=repeat)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


def measure(sizes: Mapping[str, int], *, resamples: int, repeat: int) -> dict[str, Any]:
    """The figures of both, the ratio, and the greatest difference of mAP50-95 and mAP50."""
    jobs = {
        "carloop": partial(run_child, _MODULE, ["child", json.dumps(dict(sizes)), str(resamples)]),
        "pycocotools": partial(run_child, "benchmarks.evaluation_peer", ["pycocotools", json.dumps(dict(sizes))]),
    }
    runs = measure_in_turns(jobs, repeat=repeat)
    ours, theirs = runs["carloop"][0]["scores"], runs["pycocotools"][0]["scores"]
    return {
        **sizes,
        "resamples": resamples,
        "repeat": repeat,
        "peers": {
            peer: {**summarise(runs[peer]), "times_pycocotools": ratio(runs[peer], runs["pycocotools"])}
            for peer in runs
        },
        "intervals": runs["carloop"][0]["intervals"],
        "difference": max(abs(one - other) for one, other in zip(ours, theirs, strict=False)),
        "targets": TARGETS,
    }


def evaluate(sizes: Mapping[str, int], resamples: int) -> Figures:
    """carloop's figures, in this process."""
    import faster_coco_eval  # noqa: F401  (imports are not timed)

    from training.evaluation.matching import to_results
    from training.evaluation.report import make_report
    from training.evaluation.subject import Subject

    truth, predictions = make_truth_and_predictions(**sizes)
    thresholds = dict.fromkeys(CLASSES, 0.25)

    def work() -> dict[str, Any]:
        results = to_results(truth, predictions)
        return make_report(Subject("benchmark@1", "", "detector", "", thresholds, truth, results, resamples=resamples))

    report, figures = timed(work)
    scores = [report["overall"][name] for name in ("map50_95", "map50")]
    return {**figures, "scores": [one["value"] for one in scores], "intervals": scores}


def table(result: Mapping[str, Any]) -> Table:
    """What each took, and how that is to pycocotools."""
    title = (
        f"{result['images']} images, {result['truths']} truths, {result['detections']} detections, "
        f"{result['resamples']} resamples"
    )
    caption = (
        f"targets: at most {TARGETS['times_pycocotools']:g} times pycocotools and {TARGETS['peak_gib']:g} GiB; "
        f"greatest difference {result['difference']:.1e}, target at most {TARGETS['difference']:.0e}"
    )
    shown = Table("peer", "seconds (range)", "CPU s", "× pycocotools", "GiB", title=title, caption=caption)
    for peer, figures in result["peers"].items():
        shown.add_row(
            peer,
            f"{figures['seconds']:.2f} ({figures['fastest']:.2f}–{figures['slowest']:.2f})",
            f"{figures['cpu_seconds']:.2f}",
            shown_ratio(figures["times_pycocotools"]),
            f"{figures['peak_gib']:.2f}",
        )
    return shown


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        print(json.dumps(evaluate(json.loads(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
