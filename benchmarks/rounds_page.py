"""The page and the drawing of what was measured of many rounds in a row."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.rounds_judged import FIRST, Growth, Measured

_INTRO = """# Twelve rounds in a row

`python -m benchmarks.twelve_rounds`: one `carloop loop run` plays round after round on a few rendered cars, with
everything embedded. At each round's end its processes are looked at. Memory is what a process has for itself (USS).
The disk's greatest part are models: every round trains two. Seconds are a
round's wall time, which other work on the machine lengthens; processors' seconds are those of all processes since the
command began.

![memory, handles, disk and time by round](twelve_rounds.svg)
"""


def make_page(measured: Sequence[Measured], judged: Sequence[Growth]) -> str:
    """The tables in Markdown."""
    parts = sorted(set.intersection(*(set(row.memory) for row in measured)))
    heads = ["round", "labelled", *(f"{part}, MiB" for part in parts), *(f"{part}, handles" for part in parts)]
    heads += ["disk, MiB", "seconds", "processors' seconds"]
    rows = [
        [
            *(row.number, row.labelled_images),
            *(f"{row.memory[part]:.0f}" for part in parts),
            *(row.handles[part] for part in parts),
            *(f"{sum(row.disk.values()):.0f}", f"{sum(row.seconds.values()):.0f}", f"{row.processor_seconds:.0f}"),
        ]
        for row in measured
    ]
    growth = [
        [one.name, f"{one.first:g}", f"{one.last:g}", f"{one.growth:g} {one.unit}", f"{one.allowed:g}",
         "yes" if one.holds else "no"]
        for one in judged
    ]  # fmt: skip
    starts = len({row.start for row in measured})
    told = f"\nThe command was started {starts} times; the last start is judged.\n" if starts > 1 else ""
    return "\n".join(
        [
            _INTRO + told,
            _table(heads, rows),
            f"\nFrom round {FIRST} on, when every part has done all its kinds of work once. A slope is the median of"
            "\nall pairs of rounds'; times compare the medians of the last and the first third.\n",
            _table(["what", "first", "last", "growth", "allowed", "holds"], growth),
            "\nOn disk at the end, in MiB: "
            + ", ".join(f"{name} {size:.0f}" for name, size in _largest(measured[-1]))
            + ".\n",
        ]
    )


def _table(heads: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _largest(row: Measured) -> list[tuple[str, float]]:
    return sorted(((name, size) for name, size in row.disk.items() if size >= 1), key=lambda pair: -pair[1])


def draw(measured: Sequence[Measured]) -> bytes:
    """Four small plots over the rounds, as SVG."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(2, 2)
    rounds = [row.number for row in measured]
    for part in sorted(set.intersection(*(set(row.memory) for row in measured))):
        axes[0][0].plot(rounds, [row.memory[part] for row in measured], marker=".", label=part)
        axes[0][1].plot(rounds, [row.handles[part] for row in measured], marker=".", label=part)
    for folder, _ in _largest(measured[-1])[:5]:
        axes[1][0].plot(rounds, [row.disk.get(folder, 0) for row in measured], marker=".", label=folder)
    for name in ("train", "evaluate and promote", "curate", "push"):
        axes[1][1].plot(rounds, [row.seconds.get(name, 0) for row in measured], marker=".", label=name)
    titles = ("memory, MiB", "file handles", "disk, MiB", "seconds by step")
    for plot, title in zip(axes.flat, titles, strict=True):
        plot.set(title=title, xlabel="round", ylim=(0, None))
        plot.grid(alpha=0.3)
        plot.legend(frameon=False, fontsize="small")
    target = io.BytesIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    return target.getvalue()
