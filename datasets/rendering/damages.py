"""The eight damage classes as things one can see, each drawn within or around its part."""

from collections.abc import Callable, Mapping

import numpy as np

from datasets.rendering.canvas import BLACK, WHITE, Canvas, Colour
from datasets.rendering.car import mixed
from datasets.rendering.geometry import (
    Outline,
    Point,
    Rng,
    ellipse,
    extent,
    inside,
    lowered,
    outline,
    rounded,
    torn,
    turned,
    zigzag,
)

CRACK: Colour = (226, 236, 238)
CAVITY: Colour = (20, 19, 20)
FOAM: Colour = (128, 126, 120)

Draw = Callable[[Canvas, Outline, Colour, Rng], None]


def broken_window(canvas: Canvas, glass: Outline, paint: Colour, rng: Rng) -> None:
    """A hole with sharp edges in a pane that is crazed around it."""
    left, top, right, bottom = extent(glass)
    centre = inside(glass, rng.uniform(0.35, 0.65), rng.uniform(0.4, 0.6))
    reach = min(0.5 * (right - left), 0.85 * (bottom - top))
    hole = torn(centre, (reach * 0.55, reach * 0.45), rng)
    with canvas.clipped(glass):
        canvas.blend(ellipse(centre, (reach, reach)), WHITE, 0.34)
        _star(canvas, centre, reach, rng, rays=12, rings=(0.62, 0.85))
        canvas.fill(hole, CAVITY)
        canvas.stroke(hole, CRACK, 4, closed=True)


def cracked_wind_shield(canvas: Canvas, glass: Outline, paint: Colour, rng: Rng) -> None:
    """A spider's web that holds together, with cracks running off."""
    centre = inside(glass, rng.uniform(0.25, 0.75), rng.uniform(0.35, 0.65))
    _, top, _, bottom = extent(glass)
    reach = rng.uniform(0.42, 0.62) * (bottom - top)
    with canvas.clipped(glass):
        canvas.blend(ellipse(centre, (reach * 0.8,) * 2), WHITE, 0.2, soften=10)
        _star(canvas, centre, reach, rng, rays=13, rings=(0.2, 0.42, 0.68))
        for _ in range(2):
            angle = rng.uniform(0, 2 * np.pi)
            length = reach * rng.uniform(1.3, 1.9)
            end = (centre[0] + length * np.cos(angle), centre[1] + 0.7 * length * np.sin(angle))
            canvas.stroke(zigzag(centre, end, rng, sway=12, steps=6), CRACK, 4)
        canvas.fill(ellipse(centre, (9, 9)), WHITE)


def _star(canvas: Canvas, centre: Point, reach: float, rng: Rng, *, rays: int, rings: tuple[float, ...]) -> None:
    angles = (np.arange(rays) + rng.uniform(-0.3, 0.3, rays)) * 2 * np.pi / rays
    reaches = reach * rng.uniform(0.75, 1.0, rays)
    towards = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for direction, length in zip(towards, reaches, strict=True):
        x, y = np.array(centre) + direction * length
        canvas.stroke(zigzag(centre, (float(x), float(y)), rng, sway=0.05 * reach, steps=4), CRACK, 4)
    for ring in rings:
        jitter = rng.uniform(0.88, 1.12, rays)
        canvas.stroke(towards * (reaches * ring * jitter)[:, None] + np.array(centre), CRACK, 4, closed=True)


def smashed_headlight(canvas: Canvas, lamp: Outline, paint: Colour, rng: Rng) -> None:
    """An empty dark bowl with shards of the lens left at its rim."""
    left, top, right, bottom = extent(lamp)
    with canvas.clipped(lamp):
        canvas.fill(lamp, (38, 37, 38))
        canvas.fill(torn(inside(lamp, 0.5, 0.55), (0.34 * (right - left), 0.32 * (bottom - top)), rng), CAVITY)
        canvas.stroke(ellipse(inside(lamp, 0.5, 0.55), (0.13 * (right - left),) * 2), (120, 112, 96), 4)
        for side in rng.choice(8, size=4, replace=False):
            _shard(canvas, lamp, side * 45.0, rng)
    canvas.stroke(lamp, (150, 152, 154), 4, closed=True)
    for _ in range(3):
        start = inside(lamp, rng.uniform(0.1, 0.9), rng.uniform(0.0, 1.0))
        end = inside(lamp, rng.uniform(-0.15, 1.15), rng.uniform(-0.25, 1.2))
        canvas.stroke(zigzag(start, end, rng, sway=8, steps=3), mixed(paint, BLACK, 0.75), 3)


def _shard(canvas: Canvas, lamp: Outline, degrees: float, rng: Rng) -> None:
    angle = np.radians(degrees + rng.uniform(-15, 15))
    rim = [inside(lamp, 0.5 + 0.75 * np.cos(a), 0.5 + 0.75 * np.sin(a)) for a in (angle - 0.35, angle + 0.35)]
    tip = inside(lamp, 0.5 + 0.2 * np.cos(angle), 0.5 + 0.2 * np.sin(angle))
    canvas.fill(outline(*rim, tip), (196, 206, 212))


def hanging_mirror(canvas: Canvas, mirror: Outline, paint: Colour, rng: Rng) -> None:
    """The mirror torn from its foot and hanging by its wires, its glass cracked."""
    left, top, right, bottom = extent(mirror)
    foot = inside(mirror, 0.5, 0.85)
    middle = (foot[0] + rng.uniform(-16, 16), bottom + rng.uniform(28, 40))
    canvas.fill(torn(foot, (0.34 * (right - left), 0.26 * (bottom - top)), rng), CAVITY)
    for offset, colour in ((-7, (24, 24, 26)), (6, (176, 44, 36))):
        wire = zigzag((foot[0] + offset, foot[1]), (middle[0] + offset, middle[1]), rng, sway=10, steps=4)
        canvas.stroke(wire, colour, 5)
    fallen = turned(
        mirror + (np.array(middle) - mirror.mean(axis=0)), rng.uniform(35, 70) * rng.choice((-1, 1)), about=middle
    )
    canvas.fill(fallen, mixed(paint, BLACK, 0.35))
    canvas.stroke(fallen, (22, 22, 24), 6, closed=True)
    pane = np.array(middle) + (fallen - np.array(middle)) * 0.58
    canvas.fill(pane, (168, 186, 196))
    with canvas.clipped(pane):
        _star(canvas, middle, 30, rng, rays=7, rings=())
        canvas.fill(torn((middle[0] + 8, middle[1] + 4), (13, 11), rng, teeth=7), CAVITY)


def dent(canvas: Canvas, panel: Outline, paint: Colour, rng: Rng) -> None:
    """A smooth hollow: shade under its upper rim, light on its lower one, no scratch."""
    left, top, right, bottom = extent(panel)
    width, height = right - left, bottom - top
    centre = inside(panel, rng.uniform(0.42, 0.58), rng.uniform(0.4, 0.58))
    radius = min(rng.uniform(44, 62), 0.46 * width, 0.5 * height)
    radii, tilt = (radius * rng.uniform(1.0, 1.25), radius * rng.uniform(0.72, 0.9)), rng.uniform(-20, 20)
    hollow = ellipse(centre, radii, degrees=tilt)
    with canvas.clipped(panel):
        canvas.blend(hollow, BLACK, 0.3, soften=7)
        canvas.blend(_lip(hollow, centre, lower=False), BLACK, 0.5, soften=8)
        canvas.blend(_lip(hollow, centre, lower=True), WHITE, 0.5, soften=7)


def _lip(hollow: Outline, centre: Point, *, lower: bool) -> Outline:
    """The crescent along the upper or the lower edge of an ellipse."""
    below = hollow[:, 1] >= centre[1]
    rim = hollow[below if lower else ~below]
    rim = rim[np.argsort(rim[:, 0])]
    inner = np.array(centre) + (rim - np.array(centre)) * (1.0, 0.35)
    return np.concatenate([rim, inner[::-1]])


def scraped_door(canvas: Canvas, door: Outline, paint: Colour, rng: Rng) -> None:
    """Long scrapes down to primer and steel across a creased panel."""
    y, slope = rng.uniform(0.38, 0.6), rng.uniform(-0.12, 0.12)
    start, end = rng.uniform(0.06, 0.18), rng.uniform(0.82, 0.94)
    bare = (206, 204, 200) if sum(paint) < 420 else (88, 82, 80)
    with canvas.clipped(door):
        crease = zigzag(inside(door, start, y), inside(door, end, y + slope), rng, sway=8)
        canvas.blend(np.concatenate([crease, lowered(crease[::-1], 34)]), BLACK, 0.42, soften=5)
        canvas.stroke(crease, mixed(paint, WHITE, 0.6), 5)
        for streak in range(7):
            drop = (streak - 2) * 0.055 + rng.uniform(-0.01, 0.01)
            a, b = rng.uniform(start, start + 0.25), rng.uniform(end - 0.3, end)
            line = zigzag(inside(door, a, y + drop), inside(door, b, y + drop + slope), rng, sway=4)
            canvas.stroke(line, bare if streak % 3 else (120, 74, 50), rng.uniform(3, 7))


def buckled_hood(canvas: Canvas, hood: Outline, paint: Colour, rng: Rng) -> None:
    """The front edge pushed up, open over the engine, with folds running back from it."""
    peaks, start, end = 5, rng.uniform(0.12, 0.3), rng.uniform(0.7, 0.88)
    xs = np.linspace(start, end, 2 * peaks + 1)
    rise = np.where(np.arange(xs.size) % 2, rng.uniform(0.3, 0.5, xs.size), rng.uniform(0.02, 0.14, xs.size))
    edge = np.array([inside(hood, x, 1 - lift) for x, lift in zip(xs, rise, strict=True)])
    gap = np.concatenate([edge, [inside(hood, end, 1.06), inside(hood, start, 1.06)]])
    tops = [inside(hood, rng.uniform(0.32, 0.68), rng.uniform(0.06, 0.25)) for _ in range(peaks)]
    for number, top in enumerate(sorted(tops)):
        valley, peak, next_valley = edge[2 * number], edge[2 * number + 1], edge[2 * number + 2]
        canvas.blend(np.stack([valley, peak, np.array(top)]), WHITE, 0.42)
        canvas.blend(np.stack([peak, next_valley, np.array(top)]), BLACK, 0.45)
        canvas.stroke(np.stack([peak, np.array(top)]), mixed(paint, BLACK, 0.7), 3)
    canvas.fill(gap, CAVITY)
    canvas.stroke(edge, mixed(paint, WHITE, 0.55), 4)


def broken_bumper(canvas: Canvas, bumper: Outline, paint: Colour, rng: Rng) -> None:
    """Pulled off the body at the top, broken through below, with a strip hanging from the break."""
    left, top, right, bottom = extent(bumper)
    width, height = right - left, bottom - top
    x, lean = rng.uniform(0.42, 0.58), rng.uniform(0.0, 0.12)
    hole = torn(inside(bumper, x, 0.68), (0.34 * width, 0.3 * height), rng)
    with canvas.clipped(bumper):
        gap = zigzag(inside(bumper, x - 0.4, 0.06), inside(bumper, x + 0.4, 0.16 + lean), rng, sway=6)
        canvas.fill(np.concatenate([gap, [inside(bumper, x + 0.36, -0.1), inside(bumper, x - 0.36, -0.1)]]), CAVITY)
        canvas.stroke(gap, mixed(paint, WHITE, 0.55), 4)
        canvas.fill(hole, CAVITY)
        canvas.fill(torn(inside(bumper, x, 0.7), (0.2 * width, 0.13 * height), rng, teeth=8), FOAM)
        canvas.stroke(hole, mixed(paint, WHITE, 0.5), 4, closed=True)
        crack = zigzag(inside(bumper, x, 0.12), inside(bumper, x + rng.uniform(-0.1, 0.1), 0.6), rng, sway=10)
        canvas.stroke(crack, CAVITY, 5)
    _hanging_strip(canvas, inside(bumper, x, 0.95), 0.34 * width, paint, rng)


def _hanging_strip(canvas: Canvas, hinge: Point, half: float, paint: Colour, rng: Rng) -> None:
    x, y = hinge
    strip = outline((x - half, y - 8), (x + half, y - 12), (x + half * 0.9, y + 10), (x - half * 0.8, y + 15))
    fallen = turned(strip, rng.choice((-1, 1)) * rng.uniform(9, 16), about=hinge)
    canvas.fill(rounded(fallen, 4), mixed(paint, BLACK, 0.25))
    canvas.stroke(rounded(fallen, 4), CAVITY, 3, closed=True)


DRAW: Mapping[str, Draw] = {
    "damaged door": scraped_door,
    "damaged window": broken_window,
    "damaged headlight": smashed_headlight,
    "damaged mirror": hanging_mirror,
    "dent": dent,
    "damaged hood": buckled_hood,
    "damaged bumper": broken_bumper,
    "damaged wind shield": cracked_wind_shield,
}
