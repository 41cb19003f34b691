"""The page of a drift: what differs, drawn, and the new images that are least like the old ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined

from datasets.selecting.pool import Floats
from pipelines.selecting.page import thumbnail

_BINS = 20
WIDTH, HEIGHT = 240, 90


@dataclass(frozen=True)
class Seen:
    """A measure's values of each family: (F,) of new images and (G,) of old ones."""

    measure: str
    now: Floats
    before: Floats


@dataclass(frozen=True)
class Drawn:
    """A measure's two distributions as outlines in a drawing of WIDTH by HEIGHT units, from the least to the most."""

    measure: str
    now: str
    before: str
    least: float
    most: float


def draw_page(content: Mapping[str, Any], seen: Sequence[Seen], unlike: Sequence[Path]) -> bytes:
    """The page for these measures and images; it needs nothing beside it."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("pipelines.flows").joinpath("drift.html.j2").read_text(encoding="utf-8"))
    thumbnails = [thumbnail(path.read_bytes()) for path in unlike]
    drawn = [draw_measure(one) for one in seen]
    return template.render(**content, drawn=drawn, thumbnails=thumbnails, width=WIDTH, height=HEIGHT).encode()


def draw_measure(seen: Seen) -> Drawn:
    """Shares of cars, over one axis and to one scale."""
    edges = np.histogram_bin_edges(np.concatenate([seen.now, seen.before]), bins=_BINS)
    now, before = (np.histogram(values, edges)[0] / max(len(values), 1) for values in (seen.now, seen.before))
    highest = max(now.max(), before.max())
    return Drawn(seen.measure, _outline(now / highest), _outline(before / highest), float(edges[0]), float(edges[-1]))


def _outline(shares: Floats) -> str:
    """The points of an area whose steps are that high, in [0, 1]."""
    steps = [(at, share) for place, share in enumerate(shares) for at, share in ((place, share), (place + 1, share))]
    points = [(0, 0.0), *steps, (len(shares), 0.0)]
    return " ".join(f"{WIDTH * at / len(shares):.1f},{HEIGHT * (1 - share):.1f}" for at, share in points)
