"""What is decided about a car before any of it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.rendering.body import BODIES, VIEWS, Body, View, parts_of
from datasets.rendering.canvas import Colour
from datasets.rendering.car import EXTRAS
from datasets.rendering.geometry import Rng
from datasets.rendering.grime import MUDS
from datasets.rendering.scene import PLACES, Light, choose_light

MOST_PER_FRAME = 4
UNHARMED_SHARE = 0.15
PAINTS: tuple[Colour, ...] = (
    (226, 226, 222),
    (168, 172, 176),
    (96, 100, 106),
    (38, 39, 43),
    (156, 30, 34),
    (36, 66, 132),
    (92, 142, 186),
    (42, 84, 62),
    (190, 174, 144),
    (204, 104, 40),
    (214, 182, 58),
)
# A class that few spots, or few views, can show is drawn more often, so that all are met about equally.
WEIGHTS = {
    "damaged door": 1.0,
    "damaged window": 0.9,
    "damaged headlight": 0.7,
    "damaged mirror": 0.42,
    "dent": 1.0,
    "damaged hood": 2.4,
    "damaged bumper": 0.75,
    "damaged wind shield": 1.9,
}
SPOTS: dict[str, tuple[str, ...]] = {
    "damaged door": tuple(f"{side} {row} door" for side in ("left", "right") for row in ("front", "rear")),
    "damaged window": (
        *(f"{side} {row} window" for side in ("left", "right") for row in ("front", "rear")),
        "back window",
    ),
    "damaged headlight": ("left headlight", "right headlight"),
    "damaged mirror": ("left mirror", "right mirror"),
    "dent": tuple(
        f"{side} {panel}" for side in ("left", "right") for panel in ("front door", "rear door", "quarter", "tailgate")
    ),
    "damaged hood": ("hood",),
    "damaged bumper": tuple(
        f"{side} {end} bumper" for side in ("left", "middle", "right") for end in ("front", "rear")
    ),
    "damaged wind shield": ("wind shield",),
}


@dataclass(frozen=True)
class Damage:
    """A damage class and the one part that has it."""

    category: str
    part: str


@dataclass(frozen=True)
class CarPlan:
    """One car as it stands: the same in each of its frames."""

    number: int
    body: Body
    paint: Colour
    place: str
    light: Light
    mud: Colour
    dirt: float
    extras: frozenset[str]
    views: tuple[View, ...]
    damages: tuple[Damage, ...]

    @property
    def family(self) -> str:
        return f"car-{self.number:04d}"

    @property
    def cleanliness(self) -> str:
        return "dirty" if self.dirt else "clean"


def plan_car(number: int, *, seed: int) -> CarPlan:
    """Car `number` of a seed, whatever number of cars is asked for."""
    rng = np.random.default_rng([seed, number])
    body = BODIES[_one(tuple(BODIES), rng)]
    views = _choose_views(rng)
    dirty = rng.random() < 0.5
    return CarPlan(
        number=number,
        body=body,
        paint=_choose_paint(rng),
        place=_one(tuple(PLACES), rng),
        light=choose_light(rng),
        mud=MUDS[rng.integers(len(MUDS))],
        dirt=float(rng.uniform(0.65, 1.0)) if dirty else 0.0,
        extras=frozenset(extra for extra in EXTRAS if rng.random() < 0.35),
        views=views,
        damages=_choose_damages(views, body, rng),
    )


def _one(names: Sequence[str], rng: Rng) -> str:
    return names[int(rng.integers(len(names)))]


def _choose_paint(rng: Rng) -> Colour:
    red, green, blue = np.clip(np.array(PAINTS[rng.integers(len(PAINTS))]) + rng.integers(-12, 13, 3), 8, 240)
    return int(red), int(green), int(blue)


def _choose_views(rng: Rng) -> tuple[View, ...]:
    """Two or three views in a walk's order; the front, which most damages show in, is seldom left out."""
    chosen = rng.choice(4, size=int(rng.integers(2, 4)), replace=False, p=(0.22, 0.22, 0.38, 0.18))
    return tuple(view for place, view in enumerate(VIEWS) if place in chosen)


def _choose_damages(views: Sequence[View], body: Body, rng: Rng) -> tuple[Damage, ...]:
    """Up to six damages that show in the views, at most MOST_PER_FRAME in each, one to a part."""
    shown = {view: frozenset(parts_of(view, body)) for view in views}
    wanted = 0 if rng.random() < UNHARMED_SHARE else int(rng.integers(2, 7))
    damages: tuple[Damage, ...] = ()
    for _ in range(wanted):
        options = {
            category: [Damage(category, part) for part in parts if _fits(part, damages, shown)]
            for category, parts in SPOTS.items()
        }
        weights = np.array([WEIGHTS[category] * bool(options[category]) for category in SPOTS])
        if not weights.any():
            break
        of_category = options[tuple(SPOTS)[rng.choice(len(SPOTS), p=weights / weights.sum())]]
        damages = (*damages, of_category[rng.integers(len(of_category))])
    return damages


def _fits(part: str, damages: Sequence[Damage], shown: dict[View, frozenset[str]]) -> bool:
    seeing = [parts for parts in shown.values() if part in parts]
    whole = all(damage.part != part for damage in damages)
    room = all(sum(damage.part in parts for damage in damages) < MOST_PER_FRAME for parts in seeing)
    return bool(seeing) and whole and room
