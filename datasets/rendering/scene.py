"""Where a car stands and in what light."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from datasets.rendering.canvas import BLACK, WHITE, Canvas, Colour, Pixels
from datasets.rendering.geometry import Rng, ellipse, outline, rectangle, torn

EDGE_LOW, EDGE_HIGH = -260.0, 1260.0


@dataclass(frozen=True)
class Light:
    """What the camera makes of a scene: a gain per channel, a slope of shade, blur and grain."""

    gains: tuple[float, float, float]
    shade: float
    shade_degrees: float
    blur: float
    grain: float


def choose_light(rng: Rng) -> Light:
    base = {
        "bright": (1.1, 1.1, 1.06),
        "overcast": (0.92, 0.95, 1.0),
        "dusk": (0.82, 0.73, 0.75),
        "even": (1.0, 1.0, 1.0),
    }
    name = ("bright", "overcast", "dusk", "even")[rng.choice(4, p=(0.3, 0.25, 0.2, 0.25))]
    red, green, blue = base[name]
    gain = rng.uniform(0.94, 1.06)
    return Light(
        gains=(red * gain, green * gain, blue * gain),
        shade=rng.uniform(0.0, 0.3),
        shade_degrees=rng.uniform(0, 360),
        blur=rng.uniform(0.0, 0.55),
        grain=rng.uniform(0.5, 4.0),
    )


def in_light(pixels: Pixels, light: Light, rng: Rng) -> Pixels:
    """The frame as that light and a small camera would give it."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle = np.radians(light.shade_degrees)
    slope = 1 - light.shade * (0.5 + 0.35 * (np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y))
    seen = pixels.astype(np.float32) * slope[..., None] * np.array(light.gains, np.float32)
    if light.blur > 0.25:
        seen = cv2.GaussianBlur(seen, (0, 0), light.blur)
    seen += rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(light.grain)
    return np.asarray(np.clip(np.rint(seen), 0, 255), np.uint8)


def paint_scene(canvas: Canvas, place: str, horizon: float, rng: Rng) -> None:
    """One of PLACES, with the ground beginning at the height `horizon`."""
    PLACES[place](canvas, horizon, rng)


def _street(canvas: Canvas, horizon: float, rng: Rng) -> None:
    _sky(canvas, horizon, (176, 200, 226))
    x = EDGE_LOW
    while x < EDGE_HIGH:
        width = rng.uniform(190, 330)
        _house(canvas, x, rng.uniform(40, 240), x + width, horizon, rng)
        x += width
    _ground(canvas, horizon, (96, 96, 99), rng)
    canvas.fill(rectangle(EDGE_LOW, horizon, EDGE_HIGH, horizon + 45), (158, 155, 148))
    canvas.fill(rectangle(EDGE_LOW, horizon + 45, EDGE_HIGH, horizon + 56), (120, 118, 114))
    for left in np.arange(-240, 1240, 290) + rng.uniform(0, 200):
        canvas.fill(rectangle(left, 900, left + 150, 914), (214, 212, 202))


def _house(canvas: Canvas, left: float, top: float, right: float, bottom: float, rng: Rng) -> None:
    canvas.fill(rectangle(left, top, right, bottom), _between((150, 120, 100), (215, 205, 188), rng))
    pane = _between((60, 70, 84), (110, 124, 138), rng)
    for x in np.arange(left + 28, right - 55, 72):
        for y in np.arange(top + 36, bottom - 90, 100):
            canvas.fill(rectangle(x, y, x + 40, y + 58), pane)


def _car_park(canvas: Canvas, horizon: float, rng: Rng) -> None:
    _sky(canvas, horizon, (190, 205, 220))
    hedge = _between((60, 84, 52), (96, 118, 74), rng)
    for x in np.arange(EDGE_LOW, EDGE_HIGH, 90):
        canvas.fill(ellipse((x, horizon - 20), (80, rng.uniform(50, 110))), hedge)
    _ground(canvas, horizon, (112, 112, 116), rng)
    start = rng.uniform(0, 250)
    for x in np.arange(-750, 1750, 330) + start:
        far, near = (500 + (x - 500) * 0.55, horizon + 18), (500 + (x - 500) * 1.5, 1200)
        canvas.fill(outline(far, (far[0] + 9, far[1]), (near[0] + 24, near[1]), near), (206, 206, 200))


def _garage(canvas: Canvas, horizon: float, rng: Rng) -> None:
    wall = _between((120, 124, 128), (190, 188, 180), rng)
    canvas.fill(rectangle(EDGE_LOW, EDGE_LOW, EDGE_HIGH, horizon), wall)
    canvas.fade(rectangle(EDGE_LOW, EDGE_LOW, EDGE_HIGH, horizon), BLACK, top=0.5, bottom=0.05)
    for y in (rng.uniform(120, 170), rng.uniform(290, 340)):
        canvas.fill(rectangle(EDGE_LOW, y, EDGE_HIGH, y + 14), (84, 78, 72))
        for x in np.arange(EDGE_LOW, EDGE_HIGH, 85):
            width, height = rng.uniform(25, 70), rng.uniform(25, 90)
            canvas.fill(rectangle(x, y - height, x + width, y), _between((70, 60, 60), (190, 150, 120), rng))
    _ground(canvas, horizon, (132, 130, 126), rng)
    for _ in range(3):
        stain = ellipse((rng.uniform(0, 1000), rng.uniform(800, 980)), (rng.uniform(40, 110), rng.uniform(12, 30)))
        canvas.blend(stain, (40, 38, 36), 0.4, soften=8)


def _field(canvas: Canvas, horizon: float, rng: Rng) -> None:
    _sky(canvas, horizon, (150, 190, 232))
    for _ in range(4):
        cloud = ellipse((rng.uniform(0, 1000), rng.uniform(40, 260)), (rng.uniform(90, 190), rng.uniform(18, 45)))
        canvas.blend(cloud, WHITE, 0.7, soften=16)
    for x in np.arange(EDGE_LOW, EDGE_HIGH, 150) + rng.uniform(0, 90):
        crown = torn((x, horizon - 70), (85, rng.uniform(60, 150)), rng, teeth=13)
        canvas.fill(crown, _between((46, 78, 40), (92, 122, 62), rng))
    _ground(canvas, horizon, _between((88, 116, 62), (132, 138, 84), rng), rng)
    canvas.fill(rectangle(EDGE_LOW, 690, EDGE_HIGH, 880), (140, 126, 104))


def _wall(canvas: Canvas, horizon: float, rng: Rng) -> None:
    brick = _between((120, 76, 62), (182, 150, 128), rng)
    canvas.fill(rectangle(EDGE_LOW, EDGE_LOW, EDGE_HIGH, horizon), brick)
    joint = (min(brick[0] + 34, 255), min(brick[1] + 36, 255), min(brick[2] + 36, 255))
    for row, y in enumerate(np.arange(EDGE_LOW, horizon, 46)):
        canvas.stroke(outline((EDGE_LOW, y), (EDGE_HIGH, y)), joint, 4)
        for x in np.arange(EDGE_LOW + 55 * (row % 2), EDGE_HIGH, 110):
            canvas.stroke(outline((x, y), (x, min(y + 46, horizon))), joint, 4)
    _ground(canvas, horizon, (124, 120, 116), rng)


def _sky(canvas: Canvas, horizon: float, colour: Colour) -> None:
    sky = rectangle(EDGE_LOW, EDGE_LOW, EDGE_HIGH, horizon)
    canvas.fill(sky, colour)
    canvas.fade(sky, WHITE, top=0.0, bottom=0.55)


def _ground(canvas: Canvas, horizon: float, colour: Colour, rng: Rng) -> None:
    ground = rectangle(EDGE_LOW, horizon, EDGE_HIGH, EDGE_HIGH)
    canvas.fill(ground, _between(colour, (colour[0] + 20, colour[1] + 20, colour[2] + 20), rng))
    canvas.fade(ground, BLACK, top=0.18, bottom=0.0)
    for _ in range(40):
        x, y = rng.uniform(-50, 1050), rng.uniform(horizon + 60, 1050)
        speck = ellipse((x, y), (rng.uniform(4, 14), rng.uniform(2, 5)), steps=8)
        canvas.fill(speck, _between((70, 70, 70), (150, 148, 144), rng))


def _between(low: Colour, high: Colour, rng: Rng) -> Colour:
    share = rng.random()
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return red, green, blue


PLACES: dict[str, Callable[[Canvas, float, Rng], None]] = {
    "street": _street,
    "car park": _car_park,
    "garage": _garage,
    "field": _field,
    "wall": _wall,
}
