"""Pictures of a training's run folder, each as the bytes of a PNG, whatever the task."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.predicting.pictures import Pixels

BboxXyxy = tuple[float, float, float, float]

TRUTH, FOUND = "#2e9e5b", "#d43d3d"
_TILE, _CAPTION, _COLUMNS = 280, 18, 4
_FEW_CLASSES = 12


@dataclass(frozen=True)
class Drawn:
    """A box on a tile: xyxy pixels of the tile's picture, a colour (#rrggbb), and words."""

    bbox_xyxy: BboxXyxy
    colour: str
    text: str = ""


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
    pictures = {"losses.png": ("loss", losses), "metrics.png": ("metric", metrics)}
    return {
        name: draw_curves(curves, x_label="epoch", y_label=label)
        for name, (label, curves) in pictures.items()
        if curves
    }


def _is_curve(name: str, value: Any) -> bool:
    return name not in ("epoch", "batch") and isinstance(value, int | float) and not isinstance(value, bool)


def _curve(history: Sequence[Mapping[str, float]], name: str) -> tuple[list[float], list[float]]:
    points = [(row["epoch"], row[name]) for row in history if row.get(name) is not None]
    return [x for x, _ in points], [y for _, y in points]


def draw_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
) -> bytes:
    """Named curves, each (xs, ys)."""
    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for name, (xs, ys) in curves.items():
        axes.plot(xs, ys, label=name, marker="." if len(xs) < _FEW_CLASSES else None)
    axes.set(xlabel=x_label, ylabel=y_label)
    if y_range:
        axes.set_ylim(*y_range)
    axes.grid(alpha=0.3)
    if curves:
        axes.legend(frameon=False, fontsize="small")
    return to_png(figure)


def draw_precision_recall(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> bytes:
    """Precision against recall by class, each (recalls, precisions) in [0, 1]."""
    return draw_curves(curves, x_label="recall", y_label="precision", y_range=(0, 1.02))


def draw_confusion(counts: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str]) -> bytes:
    """A confusion matrix of counts: a row for each truth, a column for each prediction, shaded by the row's share."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 0.7 * max(len(rows), len(columns)) + 2)
    figure = Figure(figsize=(side + 1, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        dark = shares[row, column] > 0.5
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="predicted", ylabel="truth")
    return to_png(figure)


def draw_grid(tiles: Sequence[Tile]) -> bytes:
    """Tiles in rows of four, in order; one grey square where there are none."""
    rows = max(1, -(-len(tiles) // _COLUMNS))
    columns = max(1, min(_COLUMNS, len(tiles)))
    grid = Image.new("RGB", (columns * _TILE, rows * (_TILE + _CAPTION)), "#dddddd")
    for number, tile in enumerate(tiles):
        place = (number % _COLUMNS * _TILE, number // _COLUMNS * (_TILE + _CAPTION))
        grid.paste(_draw_tile(tile), place)
    target = io.BytesIO()
    grid.save(target, "PNG")
    return target.getvalue()


def _draw_tile(tile: Tile) -> Image.Image:
    picture = Image.fromarray(tile.pixels)
    scale = _TILE / max(picture.size)
    picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    canvas = Image.new("RGB", (_TILE, _TILE + _CAPTION), "#dddddd")
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=11)
    for box in tile.boxes:
        left, top, right, bottom = (value * scale for value in box.bbox_xyxy)
        draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=box.colour, width=2)
        if box.text:
            overhang = max(0.0, left + 2 + draw.textlength(box.text, font=font) - _TILE)
            place = (left + 2 - overhang, max(0.0, top - 13))
            draw.rectangle(draw.textbbox(place, box.text, font=font), fill=box.colour)
            draw.text(place, box.text, fill="white", font=font)
    draw.rectangle((0, _TILE, _TILE, _TILE + _CAPTION), fill="white")
    draw.text((3, _TILE + 2), tile.caption, fill="black", font=font)
    return canvas


def to_png(figure: Figure) -> bytes:
    """A matplotlib figure as PNG."""
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()
