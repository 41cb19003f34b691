"""Paints an unharmed car: sheet metal, glass, lights and wheels."""

from collections.abc import Sequence, Set

from datasets.rendering.body import END_GROUND, SIDE_GROUND, Body, Parts, View
from datasets.rendering.canvas import BLACK, WHITE, Canvas, Colour
from datasets.rendering.geometry import (
    Outline,
    Point,
    ellipse,
    extent,
    inside,
    joined,
    lowered,
    mirrored,
    outline,
    rectangle,
    rounded,
    turned,
)

RUBBER: Colour = (28, 28, 30)
TRIM: Colour = (44, 45, 48)
GLASS: Colour = (46, 60, 70)
SKY: Colour = (165, 190, 205)
CHROME: Colour = (196, 199, 203)
SEAM = 4.0
EXTRAS = ("moulding", "roof rails", "sticker")


def paint_car(
    canvas: Canvas, view: View, body: Body, parts: Parts, paint: Colour, extras: Set[str] = frozenset()
) -> None:
    """Everything but the mirrors, which are painted last, whole or broken; `extras` are some of EXTRAS."""
    _ground_shadow(canvas, view, body)
    if view in ("left", "right"):
        named = {name.removeprefix(f"{view} "): shape for name, shape in parts.items()}
        _side(canvas, body, named, paint)
        _side_extras(canvas, body, named, extras)
    elif view == "front":
        _front(canvas, parts, paint)
    else:
        _rear(canvas, parts, paint)
        if "sticker" in extras:
            _sticker(canvas, inside(parts["back window"], 0.2, 0.75))


def paint_mirror(canvas: Canvas, mirror: Outline, paint: Colour) -> None:
    left, _, right, bottom = extent(mirror)
    canvas.fill(lowered(mirror, 5), mixed(paint, BLACK, 0.75))
    canvas.fill(mirror, paint)
    canvas.fade(mirror, WHITE, top=0.35, bottom=0.0)
    canvas.fill(rounded(rectangle(left + 8, bottom - 12, right - 8, bottom - 2), 4), mixed(paint, BLACK, 0.6))
    canvas.stroke(mirror, mixed(paint, BLACK, 0.7), 3, closed=True)


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with that share of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _ground_shadow(canvas: Canvas, view: View, body: Body) -> None:
    end = view in ("front", "rear")
    middle, y = (500.0, END_GROUND) if end else ((body.front + body.rear) / 2, SIDE_GROUND)
    reach = body.width / 2 + 30 if end else (body.rear - body.front) / 2 + 15
    canvas.blend(ellipse((middle, y + 2), (reach, 30)), BLACK, 0.6, soften=12)


def _sheet(canvas: Canvas, shape: Outline, paint: Colour) -> None:
    """Painted metal: sky from above, road from below."""
    canvas.fill(shape, paint)
    canvas.fade(shape, WHITE, top=0.28, bottom=-0.25)
    canvas.fade(shape, BLACK, top=-0.15, bottom=0.42)


def _pane(canvas: Canvas, shape: Outline) -> None:
    """Glass, with the slanted reflections that intact glass has."""
    left, top, right, bottom = extent(shape)
    canvas.fill(shape, GLASS)
    canvas.fade(shape, SKY, top=0.5, bottom=0.02)
    with canvas.clipped(shape):
        for share, width in ((0.25, 0.14), (0.48, 0.05)):
            x, reach = left + share * (right - left), width * (right - left)
            lean = 0.35 * (bottom - top)
            slant = outline((x + lean, top), (x + lean + reach, top), (x + reach - lean, bottom), (x - lean, bottom))
            canvas.blend(slant, WHITE, 0.16)
    canvas.stroke(shape, RUBBER, 5, closed=True)


def _lens(canvas: Canvas, shape: Outline) -> None:
    """A whole headlight: clear glass over a chrome bowl."""
    canvas.fill(shape, (222, 228, 232))
    canvas.fade(shape, (110, 122, 135), top=0.0, bottom=0.55)
    left, top, right, bottom = extent(shape)
    radius = 0.27 * min(right - left, bottom - top)
    for share in (0.38, 0.66):
        centre = inside(shape, share, 0.52)
        canvas.fill(ellipse(centre, (radius, radius)), (150, 158, 166))
        canvas.fill(ellipse(centre, (radius * 0.62, radius * 0.62)), (250, 250, 240))
    canvas.stroke(shape, (70, 72, 76), 3, closed=True)


def _tail_light(canvas: Canvas, shape: Outline) -> None:
    canvas.fill(shape, (176, 22, 26))
    canvas.fade(shape, (255, 120, 100), top=0.5, bottom=0.0)
    left, top, right, bottom = extent(shape)
    with canvas.clipped(shape):
        canvas.fill(rectangle(left, top + 0.62 * (bottom - top), right, top + 0.78 * (bottom - top)), (236, 200, 190))
    canvas.stroke(shape, (70, 12, 14), 3, closed=True)


def _wheel(canvas: Canvas, arch: Outline, tyre: Outline) -> None:
    left, top, right, bottom = extent(tyre)
    centre, radius = ((left + right) / 2, (top + bottom) / 2), (right - left) / 2
    canvas.fill(arch, (14, 14, 16))
    canvas.fill(tyre, RUBBER)
    canvas.fill(ellipse(centre, (radius * 0.68,) * 2), (150, 153, 158))
    canvas.fill(ellipse(centre, (radius * 0.58,) * 2), (92, 95, 100))
    spoke = rectangle(centre[0] - radius * 0.09, centre[1] - radius * 0.6, centre[0] + radius * 0.09, centre[1])
    for degrees in range(0, 360, 72):
        canvas.fill(turned(spoke, degrees, about=centre), (178, 181, 186))
    canvas.fill(ellipse(centre, (radius * 0.17,) * 2), (60, 62, 66))


def _plate(canvas: Canvas, centre: Point) -> None:
    x, y = centre
    canvas.fill(rectangle(x - 82, y - 20, x + 82, y + 20), (232, 232, 226))
    canvas.fill(rectangle(x - 82, y - 20, x - 68, y + 20), (30, 60, 150))
    for left in (-56, -34, -4, 18, 40):
        canvas.fill(rectangle(x + left, y - 11, x + left + 14, y + 11), (60, 60, 64))


def _side(canvas: Canvas, body: Body, parts: Parts, paint: Colour) -> None:
    seam = mixed(paint, BLACK, 0.62)
    shell = parts["body"]
    _sheet(canvas, shell, paint)
    with canvas.clipped(shell):
        canvas.fill(rectangle(0, body.sill - 13, 1000, body.sill + 20), TRIM)
        _cut_lines(canvas, [outline((body.front, body.belt + 34), (body.rear, body.belt + 30))], paint)
    for name in ("front bumper", "rear bumper"):
        _bumper(canvas, parts[name], paint)
    for end in ("front", "rear"):
        _wheel(canvas, parts[f"{end} arch"], parts[f"{end} wheel"])
    for name in ("front door", "rear door"):
        canvas.stroke(parts[name], seam, SEAM, closed=True)
        _handle(canvas, parts[name], paint)
    for name in ("front window", "rear window", "quarter glass"):
        if name in parts:
            _pane(canvas, parts[name])
    _lens(canvas, parts["headlight"])
    _tail_light(canvas, parts["tail light"])


def _side_extras(canvas: Canvas, body: Body, parts: Parts, extras: Set[str]) -> None:
    """What some cars have and what is no damage."""
    if "moulding" in extras:
        for name in ("front door", "rear door"):
            left, _, right, bottom = extent(parts[name])
            canvas.fill(rounded(rectangle(left + 6, bottom - 56, right - 8, bottom - 42), 5), TRIM)
    if "roof rails" in extras:
        rail = outline((body.screen_top + 60, body.roof - 2), (body.roof_end - 30, body.roof - 2))
        canvas.stroke(rail, CHROME, 7)
    if "sticker" in extras:
        _sticker(canvas, inside(parts["rear window"], 0.8, 0.75))


def _sticker(canvas: Canvas, centre: Point) -> None:
    canvas.fill(ellipse(centre, (15, 13)), (236, 214, 80))
    canvas.fill(ellipse(centre, (8, 7)), (50, 50, 54))


def _handle(canvas: Canvas, door: Outline, paint: Colour) -> None:
    _, top, right, _ = extent(door)
    handle = rounded(rectangle(right - 62, top + 22, right - 18, top + 34), 5)
    canvas.fill(lowered(handle, 4), mixed(paint, BLACK, 0.6))
    canvas.fill(handle, mixed(paint, WHITE, 0.35))


def _cut_lines(canvas: Canvas, lines: Sequence[Outline], paint: Colour) -> None:
    """Folds that the maker pressed into the metal: a light line above a dark one."""
    for line in lines:
        canvas.stroke(line, mixed(paint, WHITE, 0.35), 4)
        canvas.stroke(lowered(line, 6), mixed(paint, BLACK, 0.35), 4)


def _bumper(canvas: Canvas, shape: Outline, paint: Colour) -> None:
    left, _, right, bottom = extent(shape)
    canvas.fill(shape, mixed(paint, BLACK, 0.08))
    canvas.fade(shape, WHITE, top=0.22, bottom=-0.1)
    canvas.fade(shape, BLACK, top=0.0, bottom=0.4)
    with canvas.clipped(shape):
        canvas.fill(rectangle(left - 9, bottom - 22, right + 9, bottom + 9), TRIM)
    canvas.stroke(shape, mixed(paint, BLACK, 0.6), 3, closed=True)


def _cabin(canvas: Canvas, parts: Parts, paint: Colour, *, glass: str) -> None:
    for name in ("left tyre", "right tyre"):
        canvas.fill(parts[name], RUBBER)
    _sheet(canvas, parts["cabin"], mixed(paint, BLACK, 0.1))
    canvas.stroke(parts["cabin"], mixed(paint, BLACK, 0.6), SEAM, closed=True)
    _sheet(canvas, parts["body"], paint)
    canvas.stroke(parts["body"], mixed(paint, BLACK, 0.6), 3, closed=True)
    _pane(canvas, parts[glass])


def _end_bumper(canvas: Canvas, parts: Parts, end: str, paint: Colour) -> None:
    whole = joined([parts[f"{side} {end} bumper"] for side in ("left", "middle", "right")])
    left, top, right, bottom = extent(whole)
    _bumper(canvas, rounded(rectangle(left, top, right, bottom), 40), paint)
    for side in (-1, 1):
        x, y = 500 + side * 0.37 * (right - left), top + 0.6 * (bottom - top)
        lamp = CHROME if end == "front" else (170, 40, 36)
        canvas.fill(rounded(rectangle(x - 30, y - 11, x + 30, y + 11), 9), TRIM)
        canvas.fill(rounded(rectangle(x - 18, y - 7, x + 18, y + 7), 6), lamp)


def _front(canvas: Canvas, parts: Parts, paint: Colour) -> None:
    _cabin(canvas, parts, paint, glass="wind shield")
    hood, grille = parts["hood"], parts["grille"]
    canvas.fade(hood, WHITE, top=0.0, bottom=0.2)
    canvas.stroke(hood, mixed(paint, BLACK, 0.6), SEAM, closed=True)
    left, top, _, bottom = extent(hood)
    ridge = outline((left + 110, top + 10), (left + 165, bottom - 8))
    _cut_lines(canvas, [ridge, mirrored(ridge)], paint)
    _wipers(canvas, parts["wind shield"])
    canvas.fill(grille, (24, 25, 27))
    grille_left, grille_top, grille_right, grille_bottom = extent(grille)
    for share in (0.3, 0.6):
        y = grille_top + share * (grille_bottom - grille_top)
        canvas.stroke(outline((grille_left + 14, y), (grille_right - 14, y)), (120, 123, 128), 4)
    canvas.fill(ellipse((500, (grille_top + grille_bottom) / 2), (20, 15)), CHROME)
    _end_bumper(canvas, parts, "front", paint)
    for name in ("left headlight", "right headlight"):
        _lens(canvas, parts[name])
    _plate(canvas, inside(parts["middle front bumper"], 0.5, 0.42))


def _wipers(canvas: Canvas, glass: Outline) -> None:
    for start, end in ((0.2, 0.46), (0.52, 0.8)):
        canvas.stroke(outline(inside(glass, start, 0.99), inside(glass, end, 0.9)), RUBBER, 5)


def _rear(canvas: Canvas, parts: Parts, paint: Colour) -> None:
    _cabin(canvas, parts, paint, glass="back window")
    gate = parts["tailgate"]
    canvas.stroke(gate, mixed(paint, BLACK, 0.6), SEAM, closed=True)
    canvas.stroke(outline(inside(parts["back window"], 0.5, 0.96), inside(parts["back window"], 0.8, 0.88)), RUBBER, 5)
    for name in ("left tail light", "right tail light"):
        _tail_light(canvas, parts[name])
    _end_bumper(canvas, parts, "rear", paint)
    _plate(canvas, inside(gate, 0.5, 0.66))
    canvas.fill(ellipse(inside(gate, 0.5, 0.26), (18, 14)), CHROME)
    x, y = inside(parts["left rear bumper"], 0.5, 0.97)
    canvas.fill(rounded(rectangle(x - 34, y - 9, x + 34, y + 9), 8), CHROME)
