"""All that was seen, on one page of charts: cars by status, objects by class, scores, and pictures that say nothing."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipelines.predict.drawing import COLOURS
from pipelines.predict.records import Seen
from pipelines.predict.verdicts import STATUSES, Status, Verdict
from training.assessability import Limits, find_hindrance

STATUS_COLOURS: Mapping[Status, str] = {
    "needs repair": "#d43d3d",
    "wash": "#b8860b",
    "fine": "#2e9e5b",
    "not assessable": "#7d8590",
}
_BLUE = "#2f6fde"


def draw_summary(
    title: str, seen: Sequence[Seen], verdicts: Sequence[Verdict] | None, class_names: Sequence[str], limits: Limits
) -> bytes:
    """The page as PNG. `verdicts` are None where no status can be told; `class_names` are the detector's, if any."""
    panels = [panel for panel in (_statuses(verdicts), _objects(seen, class_names), _tags(seen)) if panel]
    panels.append(_visibility(seen, limits))
    rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(11, 3.6 * rows + 0.6), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=12)
    grid = figure.subplots(rows, 2, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        panel(axes)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def _statuses(verdicts: Sequence[Verdict] | None) -> Any:
    if verdicts is None:
        return None
    counts = Counter(verdict.status for verdict in verdicts)

    def panel(axes: Axes) -> None:
        _bars(axes, STATUSES, [counts[status] for status in STATUSES], [STATUS_COLOURS[each] for each in STATUSES])
        axes.set_title(f"{len(verdicts)} cars by status", loc="left", fontsize=11)

    return panel


def _objects(seen: Sequence[Seen], class_names: Sequence[str]) -> Any:
    if not class_names:
        return None
    counts = Counter(found.class_name for each in seen for found in each.sure)
    images = sum(bool(each.sure) for each in seen)

    def panel(axes: Axes) -> None:
        colours = [COLOURS[number % len(COLOURS)] for number in range(len(class_names))]
        _bars(axes, class_names, [counts[name] for name in class_names], colours)
        told = f"{counts.total()} objects on {images} of {len(seen)} pictures"
        axes.set_title(told, loc="left", fontsize=11)

    return panel


def _tags(seen: Sequence[Seen]) -> Any:
    names = sorted({name for each in seen for name in each.scores})
    if not names:
        return None

    def panel(axes: Axes) -> None:
        best = [each for each in seen if each.best_class]
        scores = [[each.scores[name] for each in best if each.best_class == name] for name in names]
        labels = [f"{name} ({len(values)})" for name, values in zip(names, scores, strict=True)]
        colours = [COLOURS[(number + 2) % len(COLOURS)] for number in range(len(names))]
        axes.hist(
            scores,
            bins=20,
            range=(1 / len(names) if len(names) > 1 else 0, 1),
            stacked=True,
            label=labels,
            color=colours,
        )
        axes.set(xlabel="score of the likeliest class", ylabel="pictures")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, loc="upper left")
        axes.set_title("what the classifier says", loc="left", fontsize=11)

    return panel


def _visibility(seen: Sequence[Seen], limits: Limits) -> Any:
    counts = Counter[str](find_hindrance(each.visibility, limits) or "can be judged by" for each in seen)
    names = ("can be judged by", "too dark", "too much glare", "blurred")

    def panel(axes: Axes) -> None:
        grey = STATUS_COLOURS["not assessable"]
        _bars(axes, names, [counts[name] for name in names], [_BLUE, grey, grey, grey])
        axes.set_title(f"{len(seen)} pictures", loc="left", fontsize=11)

    return panel


def _bars(axes: Axes, names: Sequence[str], counts: Sequence[int], colours: Sequence[str]) -> None:
    bars = axes.barh(range(len(names)), counts, color=colours, height=0.65)
    axes.bar_label(bars, padding=4)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, max(1, *counts) * 1.12)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
