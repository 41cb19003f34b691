"""A shape on its way between two key frames of a track, as CVAT moves it. Points are pixels x, y, x, y, …; angles in
degrees.

Boxes, ellipses, cuboids and single points move in straight lines. Polygons and lines may change their number of points
on the way: points are paired by how far along the outline they lie. Masks and groups of points stay as they are.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, pairwise

Point = tuple[float, float]

_STRAIGHT = ("rectangle", "ellipse", "cuboid", "skeleton")
_CURVES = ("polygon", "polyline")


def points_between(kind: str, left: Sequence[float], right: Sequence[float], share: float) -> list[float]:
    """The points of a shape of that kind, `share` (0 to 1) of the way from `left` to `right`."""
    if kind in _STRAIGHT or (kind == "points" and len(left) == len(right) == 2):
        return [a + (b - a) * share for a, b in zip(left, right, strict=True)]
    if kind in _CURVES:
        return move_outline(left, right, share, closed=kind == "polygon")
    return list(left)


def angle_between(left: float, right: float, share: float) -> float:
    """From one angle towards another, the shorter way round: in [0, 360)."""
    turn = (right - left + 180) % 360 - 180
    return (left + turn * share) % 360


def move_outline(left: Sequence[float], right: Sequence[float], share: float, *, closed: bool) -> list[float]:
    """An outline that is `share` (0 to 1) of the way from `left` to `right`."""
    lefts, rights = _corners(left, closed), _corners(right, closed)
    partners = _partners(lefts, rights)
    moved = [[_mix(corner, rights[number], share) for number in partners[i]] for i, corner in enumerate(lefts)]
    thinned = list(chain.from_iterable(_segments(lefts, rights, partners, moved)))
    return [value for point in (thinned[:-1] if closed else thinned) for value in point]


def _corners(points: Sequence[float], closed: bool) -> list[Point]:
    corners = list(zip(points[::2], points[1::2], strict=True))
    return [*corners, corners[0]] if closed else corners


def _mix(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _length(points: Sequence[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(points))


def _places(points: Sequence[Point]) -> list[float]:
    """How far along the outline each point lies, from 0 to 1."""
    total, place, places = _length(points) or 1.0, 0.0, [0.0]
    for a, b in pairwise(points):
        place += math.dist(a, b)
        places.append(place / total)
    return places


def _partners(lefts: Sequence[Point], rights: Sequence[Point]) -> list[list[int]]:
    """For each left point the right points that it moves to: the nearest one, and those that would have nobody."""
    left_places, right_places = _places(lefts), _places(rights)
    partners = [[_nearest(place, right_places)] for place in left_places]
    taken = set(chain.from_iterable(partners))
    for number, place in enumerate(right_places):
        if number not in taken:
            partners[_nearest(place, left_places)].append(number)
    return [sorted(numbers) for numbers in partners]


def _nearest(place: float, places: Sequence[float]) -> int:
    return min(range(len(places)), key=lambda number: abs(place - places[number]))


def _segments(
    lefts: Sequence[Point], rights: Sequence[Point], partners: Sequence[Sequence[int]], moved: Sequence[Sequence[Point]]
) -> Iterator[list[Point]]:
    """The moved points, thinned out where several on one side share a partner on the other."""
    runs = groupby(range(len(lefts)), key=lambda i: (partners[i][0], i if len(partners[i]) > 1 else None))
    for _, run in runs:
        numbers = list(run)
        own = partners[numbers[0]]
        base = rights[own[0] : own[-1] + 1] if len(own) > 1 else lefts[numbers[0] : numbers[-1] + 1]
        yield _thinned(list(chain.from_iterable(moved[i] for i in numbers)), base)


def _thinned(points: list[Point], base: Sequence[Point]) -> list[Point]:
    """Points without those closer together than half the usual distance on `base`, the outline that they come from."""
    if len(points) == 1:
        return points
    least = _length(base) / (2 * len(base))
    kept = [points[0]]
    for point in points[1:-1]:
        if math.dist(kept[-1], point) >= least:
            kept.append(point)
    if len(kept) == 1 and math.dist(kept[0], points[-1]) < least:
        return [_mix(kept[0], points[-1], 0.5)]
    return [*kept, points[-1]]
