"""Pictures of a training's run folder, each as the bytes of a PNG, whatever the task."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.predicting.pictures import Pixels

BboxXyxy = tuple[float, float, float, float]

TRUTH, FOUND = "#2e9e5b", "#d43d3d"
_TILE, _CAPTION, _COLUMNS, _GAP = 280, 18, 4, 4
_FEW = 12
_DASHES = ("-", "--", ":")


@dataclass(frozen=True)
class Drawn:
    """A box on a tile: xyxy pixels of the tile's picture, a colour (#rrggbb), and words, beneath it if TRUTH.

    `outline` is drawn in its place, where there is one: polygons, each x1, y1, x2, y2, …
    """

    bbox_xyxy: BboxXyxy
    colour: str
    text: str = ""
    outline: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Tile:
    """One picture of a grid: (H, W, 3) RGB, words beneath, boxes on it."""

    pixels: Pixels
    caption: str
    boxes: tuple[Drawn, ...] = ()


def draw_history(history: Sequence[Mapping[str, float]]) -> dict[str, bytes]:
    """`losses.png` and `metrics.png`, by epoch: columns named `…loss` and the others; no picture without columns."""
    names = dict.fromkeys(name for row in history for name, value in row.items() if _is_curve(name, value))
    losses = {name: _curve(history, name) for name in names if name.endswith("loss")}
    metrics = {name: _curve(history, name) for name in names if not name.endswith("loss")}
    pictures = {}
    if losses:
        pictures["losses.png"] = draw_curves(losses, title="Losses", x_label="epoch", y_label="loss")
    if metrics:
        pictures["metrics.png"] = draw_curves(
            metrics, title="Metrics of the val part", x_label="epoch", y_label="metric", y_range=(0, None)
        )
    return pictures


def _is_curve(name: str, value: Any) -> bool:
    return name not in ("epoch", "batch") and isinstance(value, int | float) and not isinstance(value, bool)


def _curve(history: Sequence[Mapping[str, float]], name: str) -> tuple[list[float], list[float]]:
    points = [(row["epoch"], row[name]) for row in history if row.get(name) is not None]
    return [x for x, _ in points], [y for _, y in points]


def draw_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float | None] | None = None,
) -> bytes:
    """Named curves, each (xs, ys)."""
    is_many = len(curves) > _FEW // 2
    figure = Figure(figsize=(10 if is_many else 7, max(4.0, 0.26 * len(curves))), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for number, (name, (xs, ys)) in enumerate(curves.items()):
        dashes = _DASHES[number // 10 % len(_DASHES)]  # matplotlib has ten colours
        axes.plot(xs, ys, dashes, label=name, marker="." if len(xs) < _FEW else None)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    if x_label == "epoch":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if x_range:
        axes.set_xlim(*x_range)
    if y_range:
        axes.set_ylim(*y_range)
    axes.grid(alpha=0.3)
    if is_many:
        axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    elif curves:
        axes.legend(frameon=False, fontsize="small")
    else:
        axes.text(0.5, 0.5, "there is nothing to draw", ha="center", va="center", transform=axes.transAxes)
    return to_png(figure)


def draw_precision_recall(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, title: str = "Precision against recall"
) -> bytes:
    """Precision against recall by class, each (recalls, precisions) in [0, 1]."""
    return draw_curves(
        curves,
        title=title,
        x_label="recall",
        y_label="precision",
        x_range=(-0.02, 1.02),
        y_range=(0, 1.02),
    )


def draw_confusion(counts: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str]) -> bytes:
    """A confusion matrix of counts: a row for each truth, a column for each prediction, shaded by the row's share."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 0.7 * max(len(rows), len(columns)) + 2)
    figure = Figure(figsize=(side + 1, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    shaded = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shaded, ax=axes, shrink=0.6, label="share of the row")
    for row, column in np.ndindex(counts.shape):
        dark = shares[row, column] > 0.5
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(title="How often each truth was taken for what", xlabel="predicted", ylabel="truth")
    return to_png(figure)


def draw_grid(tiles: Sequence[Tile]) -> bytes:
    """Tiles in rows of four, in order, and what the colours of their boxes mean; words alone where there are none."""
    columns, rows = max(1, min(_COLUMNS, len(tiles))), -(-len(tiles) // _COLUMNS)
    width, height = (_TILE + _GAP, _TILE + _CAPTION + _GAP)
    grid = Image.new("RGB", (columns * width - _GAP, rows * height + _CAPTION), "white")
    for number, tile in enumerate(tiles):
        grid.paste(_draw_tile(tile), (number % _COLUMNS * width, number // _COLUMNS * height))
    words = _legend(tiles) if tiles else (("nothing to show: no errors", "black"),)
    draw, left = ImageDraw.Draw(grid), 3.0
    for word, colour in words:
        draw.text((left, rows * height), word, fill=colour, font=_font())
        left += draw.textlength(word, font=_font()) + 12
    target = io.BytesIO()
    grid.save(target, "PNG")
    return target.getvalue()


def _legend(tiles: Sequence[Tile]) -> tuple[tuple[str, str], ...]:
    drawn = {box.colour for tile in tiles for box in tile.boxes}
    meanings = (("truth", TRUTH), ("found", FOUND))
    return tuple((meaning, colour) for meaning, colour in meanings if colour in drawn)


def _draw_tile(tile: Tile) -> Image.Image:
    picture = Image.fromarray(tile.pixels)
    scale = _TILE / max(picture.size)
    picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    canvas = Image.new("RGB", (_TILE, _TILE + _CAPTION), "#dddddd")
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    for box in tile.boxes:
        _draw_box(draw, box, scale)
    draw.rectangle((0, _TILE, _TILE, _TILE + _CAPTION), fill="white")
    draw.text((3, _TILE + 2), _shortened(tile.caption, draw), fill="black", font=_font())
    return canvas


def _draw_box(draw: ImageDraw.ImageDraw, box: Drawn, scale: float) -> None:
    left, top, right, bottom = (value * scale for value in box.bbox_xyxy)
    for polygon in box.outline:
        draw.polygon([value * scale for value in polygon], outline=box.colour, width=2)
    if not box.outline:
        draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=box.colour, width=2)
    if box.text:
        overhang = max(0.0, left + 2 + draw.textlength(box.text, font=_font()) - _TILE)
        above, beneath = max(0.0, top - 13), min(bottom + 1, _TILE - 14.0)
        place = (left + 2 - overhang, beneath if box.colour == TRUTH else above)
        draw.rectangle(draw.textbbox(place, box.text, font=_font()), fill=box.colour)
        draw.text(place, box.text, fill="white", font=_font())


def _shortened(text: str, draw: ImageDraw.ImageDraw) -> str:
    """As much of it as there is room for beneath a tile."""
    if draw.textlength(text, font=_font()) <= _TILE - 6:
        return text
    while draw.textlength(text + "…", font=_font()) > _TILE - 6:
        text = text[:-1]
    return text + "…"


@cache
def _font() -> Any:
    return ImageFont.load_default(size=11)


def to_png(figure: Figure) -> bytes:
    """A matplotlib figure as PNG."""
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()
