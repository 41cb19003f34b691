"""The state of the paint: mud and dust on a dirty car, gloss on a clean one."""

import cv2
import numpy as np

from datasets.rendering.body import Body, Parts, View
from datasets.rendering.canvas import WHITE, Alpha, Canvas, Colour, Region
from datasets.rendering.geometry import Outline, Rng, ellipse, extent, inside, joined, outline, torn

MUDS: tuple[Colour, ...] = ((112, 88, 60), (128, 106, 78), (98, 88, 76), (134, 122, 102))


def paint_grime(canvas: Canvas, view: View, parts: Parts, mud: Colour, amount: float, rng: Rng) -> None:
    """Dust that thickens toward the sills, then splashes thrown by the wheels; `amount` is in [0, 1]."""
    shell = _shell(view, parts)
    if "cabin" in parts:
        _dust(canvas, parts["cabin"], mud, 0.35 * amount, rng)
    with canvas.clipped(shell):
        _dust(canvas, shell, mud, amount, rng)
        for source in _splash_sources(view, parts):
            _splash(canvas, source, mud, round(16 + 20 * amount), rng)


def _shell(view: View, parts: Parts) -> Outline:
    return parts[f"{view} body"] if view in ("left", "right") else parts["body"]


def _dust(canvas: Canvas, shell: Outline, mud: Colour, amount: float, rng: Rng) -> None:
    region = canvas.region(shell)
    height, _ = region.alpha.shape
    rise = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    cover = (0.16 + 0.95 * rise**1.3) * (0.45 + 0.65 * _clouds(region, rng)) * np.float32(amount)
    canvas.mix(region, mud, region.alpha * np.clip(cover, 0, 0.85))


def _clouds(region: Region, rng: Rng) -> Alpha:
    """Smooth noise over a region, in [0, 1]."""
    height, width = region.alpha.shape
    coarse = rng.random((9, 14), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1))


def _splash_sources(view: View, parts: Parts) -> list[Outline]:
    if view in ("left", "right"):
        return [parts[f"{view} front arch"], parts[f"{view} rear arch"]]
    return [parts["left tyre"], parts["right tyre"]]


def _splash(canvas: Canvas, source: Outline, mud: Colour, drops: int, rng: Rng) -> None:
    left, top, right, bottom = extent(source)
    for _ in range(drops):
        x = rng.normal((left + right) / 2, 0.75 * (right - left))
        y = top + rng.normal(0.35, 0.4) * (bottom - top)
        radius = rng.uniform(3, 13)
        tone = rng.uniform(0.75, 1.05)
        colour = (int(mud[0] * tone), int(mud[1] * tone), int(mud[2] * tone))
        canvas.fill(torn((x, y), (radius * 1.3, radius), rng, teeth=8), colour)


def paint_gloss(canvas: Canvas, view: View, body: Body, parts: Parts, rng: Rng) -> None:
    """The long soft reflections of polished paint."""
    shell = _shell(view, parts)
    strength = rng.uniform(0.4, 0.6)
    with canvas.clipped(shell):
        if view in ("left", "right"):
            y = body.belt + rng.uniform(14, 20)
            band = outline((body.front + 80, y + 12), (500, y - 6), (body.rear - 60, y), (500, y + 10))
            canvas.blend(band, WHITE, strength, soften=4)
        else:
            for x in (0.27, 0.71):
                canvas.blend(ellipse(inside(shell, x, 0.12), (60, 9), degrees=4), WHITE, strength, soften=5)
    _roof_gleam(canvas, view, parts, strength)


def _roof_gleam(canvas: Canvas, view: View, parts: Parts, strength: float) -> None:
    roof = parts["cabin"] if view in ("front", "rear") else joined([parts[f"{view} body"]])
    x, y = inside(roof, 0.52, 0.05)
    canvas.blend(ellipse((x, y), (95, 5)), WHITE, strength, soften=3)
