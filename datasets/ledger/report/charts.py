"""The report's plots, laid out for drawings of 360 × 170 units: acceptance by score, and what a pre-label gains."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from datasets.ledger.report.acceptance import BINS, Group
from datasets.ledger.report.break_even import BreakEven

_LEFT, _RIGHT, _TOP, _BASE = 36.0, 348.0, 12.0, 146.0
_TICKS = 5
_LEAST_DOT, _MOST_DOT = 1.5, 6.0


@dataclass(frozen=True)
class Tick:
    """A label beside an axis, and how far along it."""

    at: float
    label: str


@dataclass(frozen=True)
class Dot:
    """A value with its interval's ends, and what it says when one points at it."""

    x: float
    y: float
    low: float
    high: float
    radius: float
    told: str


@dataclass(frozen=True)
class Plot:
    """Dots, a line of steps through them, and a place on the x axis with its interval; y grows downwards."""

    title: str
    caption: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    dots: tuple[Dot, ...]
    line: str = ""
    zero: float | None = None
    mark: float | None = None
    band: tuple[float, float] | None = None


def acceptance_plot(what: str, by_score: Sequence[Group]) -> Plot:
    """The accepted share of pre-labels by score, with Wilson intervals; a dot's area is by their number."""
    most = max((group.prelabels for group in by_score), default=1)
    dots = [
        Dot(
            x=_x(float(group.name.partition("–")[0]) + 0.5 / BINS),
            y=_share_y(group.accepted.value),
            low=_share_y(group.accepted.low),
            high=_share_y(group.accepted.high),
            radius=_radius(group.prelabels, most),
            told=f"score {group.name}: {group.accepted.count:,} of {group.accepted.of:,} accepted",
        )
        for group in by_score
        if group.accepted
    ]
    return Plot(
        title=f"{what} accepted as they were, by score",
        caption="share of pre-labels with its 95 % interval; the larger the dot, the more there are",
        x_ticks=_score_ticks(),
        y_ticks=tuple(Tick(_share_y(tenth / 10), f"{10 * tenth} %") for tenth in (0, 5, 10)),
        dots=tuple(dots),
    )


def gain_plot(found: BreakEven) -> Plot:
    """Seconds that a pre-label saves by its score: means, the isotonic fit, and the break-even with its interval."""
    values = [0.0, *(point.gain for point in found.points), *(point.fitted for point in found.points)]
    low, high = min(values), max(values)
    most = max(point.count for point in found.points)

    def y(seconds: float) -> float:
        return round(_BASE - (_BASE - _TOP) * (seconds - low) / ((high - low) or 1), 1)

    dots = [
        Dot(
            _x(p.score),
            y(p.gain),
            y(p.gain),
            y(p.gain),
            _radius(p.count, most),
            f"score {p.score:.2f}: {p.gain:+.1f} s, {p.count:,}",
        )
        for p in found.points
    ]
    return Plot(
        title=found.model or "no model named",
        caption=found.told,
        x_ticks=_score_ticks(),
        y_ticks=tuple(
            Tick(y(seconds), f"{seconds:+.0f} s" if seconds else "0") for seconds in sorted({low, 0.0, high})
        ),
        dots=tuple(dots),
        line=_steps([(_x(p.score), y(p.fitted)) for p in found.points]),
        zero=y(0.0),
        mark=None if found.score is None else _x(found.score),
        band=None
        if found.score is None or math.isnan(found.low)
        else (_x(min(found.low, 1.0)), _x(min(found.high, 1.0))),
    )


def _x(score: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * score, 1)


def _share_y(share: float) -> float:
    return round(_BASE - (_BASE - _TOP) * share, 1)


def _radius(count: int, most: int) -> float:
    return round(max(_LEAST_DOT, _MOST_DOT * math.sqrt(count / most)), 1)


def _score_ticks() -> tuple[Tick, ...]:
    return tuple(Tick(_x(step / _TICKS), f"{step / _TICKS:.1f}") for step in range(_TICKS + 1))


def _steps(points: Sequence[tuple[float, float]]) -> str:
    """An SVG path that keeps each height until the next point."""
    if not points:
        return ""
    x, y = points[0]
    return f"M{x} {y}" + "".join(f"H{x}V{y}" for x, y in points[1:])
