"""From a car's number to its labelled frames. Boxes are xywh: pixels of the frame, origin top left."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.coco import BboxXywh
from datasets.rendering.body import VIEWS, Parts, View, parts_of
from datasets.rendering.canvas import Camera, Canvas
from datasets.rendering.car import paint_car, paint_mirror
from datasets.rendering.damages import DRAW
from datasets.rendering.geometry import Rng
from datasets.rendering.grime import paint_gloss, paint_grime
from datasets.rendering.plan import CarPlan, Damage, plan_car
from datasets.rendering.scene import in_light, paint_scene

DEFAULT_SIZE = 224
SMALLEST_BOX = 8 / DEFAULT_SIZE
Boxes = tuple[tuple[str, BboxXywh], ...]


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    """One view of a car: `pixels` (size, size, 3) RGB; `boxes` pairs of a damage class and its bbox_xywh."""

    file_name: str
    pixels: NDArray[np.uint8]
    boxes: Boxes
    cleanliness: str
    family: str
    view: str


def render_car(number: int, *, seed: int, size: int = DEFAULT_SIZE) -> list[RenderedFrame]:
    """The two or three frames of car `number` (0 or more), made from nothing but these three numbers."""
    plan = plan_car(number, seed=seed)
    return [_render(plan, view, seed=seed, size=size) for view in plan.views]


def _render(plan: CarPlan, view: View, *, seed: int, size: int) -> RenderedFrame:
    rng = np.random.default_rng([seed, plan.number, 1 + VIEWS.index(view)])
    parts = parts_of(view, plan.body)
    canvas = Canvas(size, _choose_camera(view, rng))
    paint_scene(canvas, plan.place, rng.uniform(540, 610), rng)
    paint_car(canvas, view, plan.body, parts, plan.paint, plan.extras)
    _paint_surface(canvas, view, plan, parts, rng)
    boxes = _paint_damages(canvas, plan, parts, rng)
    return RenderedFrame(
        file_name=f"{plan.family}-{view}.jpg",
        pixels=in_light(canvas.finished(), plan.light, rng),
        boxes=boxes,
        cleanliness=plan.cleanliness,
        family=plan.family,
        view=view,
    )


def _choose_camera(view: View, rng: Rng) -> Camera:
    return Camera(
        scale=rng.uniform(0.93, 1.06),
        degrees=rng.uniform(-2.5, 2.5),
        shift=(rng.uniform(-25, 25), rng.uniform(-30, 25)),
        flipped=view == "right",
    )


def _paint_surface(canvas: Canvas, view: View, plan: CarPlan, parts: Parts, rng: Rng) -> None:
    if plan.dirt:
        paint_grime(canvas, view, parts, plan.mud, plan.dirt, rng)
    else:
        paint_gloss(canvas, view, plan.body, parts, rng)


def _paint_damages(canvas: Canvas, plan: CarPlan, parts: Parts, rng: Rng) -> Boxes:
    seen = [damage for damage in plan.damages if damage.part in parts]
    broken = {damage.part for damage in seen}
    for name in ("left mirror", "right mirror"):
        if name in parts and name not in broken:
            paint_mirror(canvas, parts[name], plan.paint)
    painted = [(damage.category, _paint_damage(canvas, damage, plan, parts, rng)) for damage in seen]
    return tuple((category, bbox_xywh) for category, bbox_xywh in painted if bbox_xywh)


def _paint_damage(canvas: Canvas, damage: Damage, plan: CarPlan, parts: Parts, rng: Rng) -> BboxXywh | None:
    """Draw it and return its box; where it would be too small to see, leave the canvas as it was."""
    before = canvas.pixels.copy()
    DRAW[damage.category](canvas, parts[damage.part], plan.paint, rng)
    bbox_xywh = canvas.changed_since(before)
    if bbox_xywh and min(bbox_xywh[2:]) >= SMALLEST_BOX * canvas.size:
        return bbox_xywh
    canvas.pixels = before
    return None
