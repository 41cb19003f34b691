"""The label-value curve as a picture."""

import io
from collections.abc import Mapping
from typing import Any, Literal

from matplotlib.figure import Figure

_COLOURS = {
    "random": "#777777",
    "mix": "#d43d3d",
    "families": "#b8860b",
    "uncertainty": "#2f6fde",
    "disagreement": "#a347ba",
    "diversity": "#2e9e5b",
    "rarity": "#e08a00",
}


def draw_curves(told: Mapping[str, Any], format: Literal["png", "svg"] = "png") -> bytes:
    """Mean quality against labelled images with a band of its interval, per strategy."""
    figure = Figure(figsize=(7.5, 4.4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for strategy, found in told["strategies"].items():
        points, colour = found["points"], _COLOURS[strategy]
        labelled = [point["labelled"] for point in points]
        qualities = [point["quality"] for point in points]
        axes.plot(labelled, [quality["mean"] for quality in qualities], marker="o", ms=4, label=strategy, color=colour)
        if all(quality["low"] is not None for quality in qualities):
            low, high = ([quality[end] for quality in qualities] for end in ("low", "high"))
            axes.fill_between(labelled, low, high, color=colour, alpha=0.13, linewidth=0)
    axes.set(xlabel="labelled images", ylabel=f"{told['metric']} on {told['test_images']} test images")
    axes.set_title(f"mean of {told['seeds']} seeds, bands are 95 % intervals", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    target = io.BytesIO()
    figure.savefig(target, format=format, metadata={"Date": None} if format == "svg" else None)
    return target.getvalue()
