"""Where a car's parts are, in design units, for five bodies and four views.

Sides are the car's own, as in a workshop: seen from the front, its left is the frame's right. The side is
designed facing left; the right side is the same design, flipped.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from datasets.rendering.geometry import (
    Outline,
    at_height,
    ellipse,
    mirrored,
    outline,
    rectangle,
    rounded,
    symmetric,
)

View = Literal["left", "right", "front", "rear"]
VIEWS: tuple[View, ...] = ("left", "right", "front", "rear")
Parts = dict[str, Outline]

SIDE_GROUND = 745.0
END_GROUND = 805.0
END_STRETCH = 1.62


@dataclass(frozen=True)
class Body:
    """A body's measures: x along the side seen facing left, y downward; `width` as seen from the front."""

    front: float
    rear: float
    front_wheel: float
    rear_wheel: float
    wheel: float
    roof: float
    belt: float
    nose: float
    cowl: float
    screen_top: float
    roof_end: float
    glass_end: float
    pillar: float
    width: float
    sill: float = 698.0

    @property
    def door_start(self) -> float:
        return max(self.front_wheel + self.wheel + 22, self.cowl + 12)

    @property
    def door_end(self) -> float:
        return self.rear_wheel - self.wheel * 0.55


BODIES = {
    "sedan": Body(70, 930, 212, 765, 68, 412, 535, 575, 330, 432, 625, 775, 498, 650),
    "hatchback": Body(105, 895, 240, 765, 70, 395, 528, 570, 318, 418, 770, 855, 500, 640),
    "wagon": Body(65, 935, 210, 765, 68, 410, 532, 573, 325, 428, 800, 895, 492, 650),
    "suv": Body(80, 920, 228, 768, 84, 345, 498, 538, 322, 412, 815, 888, 505, 690),
    "van": Body(80, 920, 215, 765, 74, 295, 498, 560, 222, 335, 880, 905, 455, 690),
}


def parts_of(view: View, body: Body) -> Parts:
    """The outlines of all parts that the view shows, by name."""
    if view == "front":
        return _front_parts(body)
    if view == "rear":
        return _rear_parts(body)
    return {f"{view} {name}": shape for name, shape in side_parts(body).items()}


def side_parts(body: Body) -> Parts:
    """The parts of either side, by their names without the side."""
    wheel_y = SIDE_GROUND - body.wheel
    arch = body.wheel + 13
    return {
        "body": _profile(body),
        "front arch": ellipse((body.front_wheel, wheel_y), (arch, arch)),
        "rear arch": ellipse((body.rear_wheel, wheel_y), (arch, arch)),
        "front wheel": ellipse((body.front_wheel, wheel_y), (body.wheel, body.wheel)),
        "rear wheel": ellipse((body.rear_wheel, wheel_y), (body.wheel, body.wheel)),
        **_side_glass(body),
        **_side_panels(body),
        **_side_ends(body),
    }


def _profile(body: Body) -> Outline:
    lower = outline(
        (body.front + 18, body.sill),
        (body.front + 2, body.sill - 40),
        (body.front, body.nose + 45),
        (body.front + 34, body.nose),
        (body.cowl, body.belt - 6),
        (body.screen_top, body.roof + 8),
        ((body.screen_top + body.roof_end) / 2, body.roof - 6),
        (body.roof_end, body.roof + 8),
        (body.glass_end, body.belt - 6),
        (body.rear - 22, body.belt + 4),
        (body.rear, body.belt + 50),
        (body.rear - 2, body.sill - 40),
        (body.rear - 22, body.sill),
    )
    return rounded(lower, 34)


def _side_glass(body: Body) -> Parts:
    top, bottom, pillar, last = body.roof + 26, body.belt - 3, body.pillar, body.door_end
    front_post = (body.cowl, body.belt), (body.screen_top, body.roof)
    rear_post = (body.roof_end, body.roof), (body.glass_end, body.belt)
    start_low, start_high = at_height(*front_post, bottom) + 34, at_height(*front_post, top) + 20
    end_high, end_low = at_height(*rear_post, top) - 24, at_height(*rear_post, bottom) - 32
    rear_end = outline((min(end_high, last - 8), top), (min(end_low, last + 2), bottom))
    glass = {
        "front window": outline((start_low, bottom), (start_high, top), (pillar - 9, top), (pillar - 9, bottom)),
        "rear window": outline((pillar + 9, bottom), (pillar + 9, top), *map(tuple, rear_end)),
    }
    if end_high > last + 20:
        glass["quarter glass"] = outline((last + 14, bottom), (last + 4, top), (end_high, top), (end_low, bottom))
    return {name: rounded(shape, 10) for name, shape in glass.items()}


def _side_panels(body: Body) -> Parts:
    top, low, pillar, last = body.belt + 2, body.sill - 14, body.pillar, body.door_end
    arch_x, arch_y = body.rear_wheel - body.wheel - 22, SIDE_GROUND - 1.85 * body.wheel
    rear_door = outline((pillar, top), (last + 6, top), (last, arch_y), (arch_x, low), (pillar, low))
    return {
        "front door": rounded(rectangle(body.door_start, top, pillar, low), 12),
        "rear door": rounded(rear_door, 12),
        "quarter": _quarter(body),
    }


def _quarter(body: Body) -> Outline:
    """The panel over and behind the rear wheel."""
    reach, top = body.wheel + 16, body.belt + 2
    arch = ellipse((body.rear_wheel, SIDE_GROUND - body.wheel), (reach, reach), steps=28)[21:]
    panel = outline((body.rear - 32, body.sill - 55), (body.rear - 28, top + 8), (body.rear_wheel, top))
    return np.concatenate([arch, panel])


def _side_ends(body: Body) -> Parts:
    front, rear, sill = body.front, body.rear, body.sill
    bumper_top, mirror_x = body.nose + 58, body.cowl
    front_end, rear_end = body.front_wheel - body.wheel - 14, body.rear_wheel + body.wheel + 14
    return {
        "headlight": rounded(
            outline(
                (front + 4, body.nose + 46),
                (front + 30, body.nose + 8),
                (front + 88, body.nose + 12),
                (front + 66, body.nose + 50),
            ),
            10,
        ),
        "tail light": rounded(rectangle(rear - 44, body.belt + 16, rear - 2, body.belt + 62), 10),
        "front bumper": rounded(
            outline(
                (front - 6, bumper_top), (front_end + 8, bumper_top), (front_end, sill + 4), (front + 14, sill + 4)
            ),
            12,
        ),
        "rear bumper": rounded(
            outline((rear_end - 6, bumper_top), (rear + 7, bumper_top), (rear - 16, sill + 4), (rear_end, sill + 4)),
            12,
        ),
        "mirror": rounded(
            outline(
                (mirror_x - 20, body.belt - 8),
                (mirror_x - 10, body.belt - 46),
                (mirror_x + 48, body.belt - 50),
                (mirror_x + 52, body.belt - 8),
            ),
            14,
        ),
    }


def _end_y(side_y: float) -> float:
    """A height of the side view as seen from the front or rear."""
    return END_GROUND - (SIDE_GROUND - side_y) * END_STRETCH


def _end_parts(body: Body) -> Parts:
    """What the front and the rear have in common; `left` and `right` are the frame's here."""
    x, roof, belt, sill = 500 - body.width / 2, _end_y(body.roof), _end_y(body.belt), _end_y(body.sill)
    shoulder = _end_y(body.nose)
    lower = [(x + 34, belt - 4), (x + 6, belt + 60), (x, shoulder + 50), (x + 4, sill - 60), (x + 34, sill)]
    upper = [(x + 34, belt + 14), (x + 100, roof + 18), (x + 150, roof)]
    left_mirror = outline((x - 58, belt - 46), (x + 8, belt - 52), (x + 24, belt - 4), (x - 48, belt + 2))
    return {
        "body": rounded(symmetric(*lower), 36),
        "cabin": rounded(symmetric(*upper), 40),
        "left tyre": rounded(rectangle(x + 22, sill - 30, x + 118, END_GROUND), 14),
        "right tyre": rounded(mirrored(rectangle(x + 22, sill - 30, x + 118, END_GROUND)), 14),
        "left mirror": rounded(left_mirror, 16),
        "right mirror": rounded(mirrored(left_mirror), 16),
    }


def _front_parts(body: Body) -> Parts:
    common, x = _end_parts(body), 500 - body.width / 2
    roof, belt, nose, sill = _end_y(body.roof), _end_y(body.belt), _end_y(body.nose), _end_y(body.sill)
    edge, bumper_top = nose + 44, nose + 112
    light = rounded(outline((x + 14, nose + 8), (x + 96, nose + 30), (x + 142, nose + 92), (x + 34, nose + 84)), 16)
    third = body.width / 3
    bumper = (bumper_top, sill + 10)
    return {
        **{name: common[name] for name in ("body", "cabin", "left tyre", "right tyre")},
        "right mirror": common["left mirror"],
        "left mirror": common["right mirror"],
        "wind shield": rounded(symmetric((x + 62, belt - 8), (x + 118, roof + 30)), 20),
        "hood": rounded(symmetric((x + 52, belt + 2), (x + 92, edge)), 14),
        "grille": rounded(symmetric((x + 158, edge + 14), (x + 186, bumper_top - 10)), 12),
        "right headlight": light,
        "left headlight": mirrored(light),
        "right front bumper": _bumper_corner(x, third, *bumper),
        "middle front bumper": rounded(rectangle(x + third, bumper[0], x + 2 * third, bumper[1]), 8),
        "left front bumper": mirrored(_bumper_corner(x, third, *bumper)),
    }


def _rear_parts(body: Body) -> Parts:
    common, x = _end_parts(body), 500 - body.width / 2
    roof, belt, nose, sill = _end_y(body.roof), _end_y(body.belt), _end_y(body.nose), _end_y(body.sill)
    light = rounded(outline((x + 12, belt + 44), (x + 86, belt + 40), (x + 74, nose + 78), (x + 6, nose + 84)), 16)
    side_panel = rounded(rectangle(x + 98, belt + 18, 414, nose + 90), 10)
    third = body.width / 3
    bumper = (nose + 112, sill + 10)
    return {
        **common,
        "back window": rounded(symmetric((x + 88, belt - 6), (x + 132, roof + 36)), 20),
        "tailgate": rounded(symmetric((x + 92, belt + 12), (x + 96, nose + 96)), 14),
        "left tailgate": side_panel,
        "right tailgate": mirrored(side_panel),
        "left tail light": light,
        "right tail light": mirrored(light),
        "left rear bumper": _bumper_corner(x, third, *bumper),
        "middle rear bumper": rounded(rectangle(x + third, bumper[0], x + 2 * third, bumper[1]), 8),
        "right rear bumper": mirrored(_bumper_corner(x, third, *bumper)),
    }


def _bumper_corner(x: float, width: float, top: float, bottom: float) -> Outline:
    corner = outline((x - 4, top), (x + width, top), (x + width, bottom), (x + 34, bottom), (x, bottom - 50))
    return rounded(corner, 12)
