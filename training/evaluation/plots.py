"""The pictures of an evaluation, as PNG, drawn from its report alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from training.charts import draw_confusion, draw_precision_recall, to_png


def draw_pictures(report: Mapping[str, Any]) -> dict[str, bytes]:
    """By file name; a classifier has no curve of precision against recall, and without masks there is none of them."""
    confusion = report["confusion"]
    counts = np.array([[int(cell["value"]) for cell in row] for row in confusion["counts"]])
    pictures = {
        "confusion.png": draw_confusion(counts, confusion["classes"], confusion["classes"]),
        "calibration.png": draw_calibration(report["calibration"]),
    }
    if "precision_at_recall" in report:
        pictures["precision_recall.png"] = _precision_recall(report)
    if "mask_precision_at_recall" in report:
        pictures["mask_precision_recall.png"] = _precision_recall(report, "mask_")
    return pictures


def _precision_recall(report: Mapping[str, Any], of: str = "") -> bytes:
    """By boxes, or `of` masks."""
    curves = dict(report[f"{of}precision_at_recall"])
    recalls = curves.pop("recall")
    named = {_legend(name, report["by_class"][name][f"{of}ap50"]): (recalls, curve) for name, curve in curves.items()}
    return draw_precision_recall(named, title="Precision against recall" + (", by masks" if of else ""))


def draw_calibration(bins: Sequence[Mapping[str, Any]]) -> bytes:
    """How often the model is right against how sure it is; beneath, how many predictions that is."""
    known = [one for one in bins if one["predictions"]]
    figure = Figure(figsize=(5, 5.5), dpi=110, layout="constrained")
    curve, counts = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    curve.plot([0, 1], [0, 1], color="#999999", linestyle="--", label="as sure as right")
    curve.plot([one["score"] for one in known], [one["right"] for one in known], marker="o", label="the model")
    curve.set(ylabel="share that is right", ylim=(0, 1.02), xlim=(0, 1))
    curve.legend(frameon=False)
    curve.grid(alpha=0.3)
    middles = [(one["low"] + one["high"]) / 2 for one in bins]
    counts.bar(middles, [one["predictions"] for one in bins], width=0.9 / max(len(bins), 1))
    counts.set(xlabel="score", ylabel="predictions")
    return to_png(figure)


def _legend(name: str, precision: Mapping[str, float | None]) -> str:
    value = precision["value"]
    return f"{name} (AP50 {value:.3f})" if value is not None else name
