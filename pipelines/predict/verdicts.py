"""What is to be done with a car, from all its pictures: repair it, wash it, nothing, or look again.

A picture too dark, blown out or blurred says nothing. Dirt forbids a judgement where it leaves in doubt whether there
is damage beneath: the car is dirty, and a damage is nearly, but not quite, seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.predict.records import Found, Seen
from training.assessability import Limits, find_hindrance

Status = Literal["needs repair", "wash", "fine", "not assessable"]
STATUSES: tuple[Status, ...] = ("needs repair", "wash", "fine", "not assessable")
DIRTY = "dirty"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One car's status, in a word and with its reason; `images` is how many pictures or frames showed it."""

    car: str
    status: Status
    reason: str
    images: int


def judge_all(cars: Mapping[str, Sequence[Seen]], limits: Limits) -> list[Verdict]:
    """A verdict for each car, in order."""
    return [judge(car, seen, limits) for car, seen in cars.items()]


def judge(car: str, seen: Sequence[Seen], limits: Limits) -> Verdict:
    """The verdict on one car by all pictures of it; damage on any that can be judged by counts."""
    usable = [each for each in seen if find_hindrance(each.visibility, limits) is None]
    status, reason = _judge(usable) if usable else ("not assessable", _hindrances(seen, limits))
    if usable and len(usable) < len(seen):
        reason += f"; {len(seen) - len(usable)} of {len(seen)} pictures left out: {_hindrances(seen, limits)}"
    return Verdict(car, status, reason, len(seen))


def _judge(seen: Sequence[Seen]) -> tuple[Status, str]:
    if damages := _best_of_class([found for each in seen for found in each.sure]):
        return "needs repair", ", ".join(f"{found.class_name} {found.score:.2f}" for found in damages)
    dirty = [each for each in seen if each.best_class == DIRTY]
    if not dirty:
        return "fine", "clean, no damage found"
    worst = max(each.scores[DIRTY] for each in dirty)
    if doubtful := _best_of_class([found for each in dirty for found in each.objects]):
        named = f"{doubtful[0].class_name} {doubtful[0].score:.2f}"
        return "not assessable", f"dirty {worst:.2f}, which leaves in doubt a possible {named}; wash it, look again"
    return "wash", f"dirty {worst:.2f}, no damage found"


def _best_of_class(objects: Sequence[Found]) -> list[Found]:
    """The best of each class, best first."""
    best: dict[str, Found] = {}
    for found in sorted(objects, key=lambda each: -each.score):
        best.setdefault(found.class_name, found)
    return list(best.values())


def _hindrances(seen: Sequence[Seen], limits: Limits) -> str:
    found = [hindrance for each in seen if (hindrance := find_hindrance(each.visibility, limits))]
    return ", ".join(dict.fromkeys(found))
