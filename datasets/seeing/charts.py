"""Histograms laid out for a drawing of 360 × 150 units, and the heat map as a picture."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image as PillowImage

from datasets.seeing.measures import Histogram

_WIDTH, _BASE, _TOP, _GAP = 360.0, 130.0, 14.0, 2.0
_FEWEST = 7
_BLUE = (47, 111, 222)


@dataclass(frozen=True)
class Bar:
    """One bin; `label` tells its edges."""

    x: float
    y: float
    width: float
    height: float
    count: int
    label: str


@dataclass(frozen=True)
class Tick:
    """An edge's value under the axis."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True)
class Chart:
    """A histogram ready to be drawn; `highest` is the count of its highest bar."""

    title: str
    caption: str
    highest: int
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]


def chart(title: str, found: Histogram, *, shown: Callable[[float], str], caption: str = "", every: int = 1) -> Chart:
    """A histogram without the empty bins at its ends; `shown` writes a value, `every` so many edges get a tick."""
    first, last = _filled(found.counts)
    edges, counts = found.edges[first : last + 1], found.counts[first:last]
    step, highest = _WIDTH / max(len(counts), 1), max(counts, default=0)
    return Chart(
        title,
        ", ".join(filter(None, (caption, _spread(found, shown)))),
        highest,
        tuple(
            _bar(
                step * place, step, count / (highest or 1), count, f"{shown(edges[place])} to {shown(edges[place + 1])}"
            )
            for place, count in enumerate(counts)
        ),
        tuple(
            Tick(round(step * place, 1), shown(edge), _anchor(place, len(counts)))
            for place, edge in enumerate(edges)
            if place % every == 0
        ),
    )


def count_chart(title: str, found: Histogram, *, unit: str) -> Chart:
    """A histogram of whole numbers, each under its own bar."""
    drawn = chart(title, found, shown="{:g}".format)
    first, _ = _filled(found.counts)
    named = [_number(found, first + place) for place in range(len(drawn.bars))]
    bars = tuple(replace(bar, label=f"{name} {unit}") for bar, name in zip(drawn.bars, named, strict=True))
    ticks = [Tick(round(b.x + b.width / 2, 1), name, "middle") for b, name in zip(bars, named, strict=True)]
    return replace(drawn, bars=bars, ticks=tuple(ticks[:: 1 + len(bars) // 14]))


def _number(found: Histogram, place: int) -> str:
    """A bin's whole number; the last bin may hold greater ones."""
    more = place == len(found.counts) - 1 and found.most is not None and found.most > found.edges[place]
    return f"{found.edges[place]:g}{'+' if more else ''}"


def _filled(counts: Sequence[int]) -> tuple[int, int]:
    """The bins from the first to the last that is not empty, and some more where these are few."""
    places = [place for place, count in enumerate(counts) if count] or [0]
    first, last = places[0], places[-1] + 1
    spare = max(0, _FEWEST - (last - first)) // 2
    return max(0, first - spare), min(len(counts), last + spare)


def _bar(x: float, step: float, share: float, count: int, label: str) -> Bar:
    height = max((_BASE - _TOP) * share, 1.0 if count else 0.0)
    return Bar(round(x + _GAP / 2, 1), round(_BASE - height, 1), round(step - _GAP, 1), round(height, 1), count, label)


def _anchor(place: int, bins: int) -> str:
    return "start" if place == 0 else "end" if place == bins else "middle"


def _spread(found: Histogram, shown: Callable[[float], str]) -> str:
    if found.least is None or found.median is None or found.most is None:
        return "nothing to measure"
    return f"median {shown(found.median)}, from {shown(found.least)} to {shown(found.most)}"


def draw_heat(heat: Sequence[Sequence[float]]) -> bytes:
    """The heat map as a small PNG: blue, and the more opaque, the hotter; it lies on any ground."""
    values = np.asarray(heat, float)
    pixels = np.empty((*values.shape, 4), np.uint8)
    pixels[..., :3] = _BLUE
    pixels[..., 3] = np.rint(255 * values / (values.max() or 1))
    target = io.BytesIO()
    PillowImage.fromarray(pixels).save(target, "PNG")
    return target.getvalue()
