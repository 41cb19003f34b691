"""The annotations of several jobs as those of their task, where jobs share frames.

What two jobs have alike on the frames that they share is told once, and the parts of a track become one track again.
As in CVAT, alike are two tags of one label, two boxes or polygons of one label that cover each other to three quarters,
and two tracks whose shapes do so to a half, frame by frame. Beyond CVAT, exact copies are alike whatever their type.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from cvat.embedded.labeled import Element, ElementTrack, KeyFrame, LabeledData, Shape, Tag, Track
from cvat.embedded.tracks import by_frame, sights
from datasets.geometry import extent

_LEAST_FOR_SHAPES, _LEAST_FOR_TRACKS = 0.75, 0.5
_GRID = 512

#: Copies whose coordinates were interpolated may differ in their last digits.
_COPY = 1 - 1e-9

Item = TypeVar("Item", bound=Tag)


@dataclass(frozen=True, slots=True)
class JobPart:
    """What one job has, and its first frame."""

    start: int
    annotations: LabeledData


def join(parts: Sequence[JobPart], *, overlap: int) -> LabeledData:
    """The parts of a task, by frame, as one; each shares `overlap` frames with the one before."""
    if len(parts) == 1:
        return parts[0].annotations
    return LabeledData(
        tags=_without_repeats([(part.start, part.annotations.tags) for part in parts], overlap, _same_label),
        shapes=_without_repeats([(part.start, part.annotations.shapes) for part in parts], overlap, similarity),
        tracks=_joined_tracks(parts, overlap),
    )


def similarity(a: Element | KeyFrame, b: Element | KeyFrame) -> float:
    """From 0 to 1: how far two shapes cover each other; 1 for exact copies."""
    if a.type != b.type or _label(a) != _label(b):
        return 0.0
    if _geometry(a) == _geometry(b):
        return 1.0
    if a.type == "rectangle":
        return _iou_of_boxes(a.points, b.points)
    return _iou_of_polygons(a.points, b.points) if a.type == "polygon" else 0.0


def _label(shape: Element | KeyFrame) -> int | None:
    return shape.label_id if isinstance(shape, Element) else None


def _geometry(shape: Element | KeyFrame) -> object:
    elements = shape.elements if isinstance(shape, Shape) else ()
    parts = sorted((element.label_id, element.outside, element.points) for element in elements)
    return shape.points, shape.rotation, parts


def _same_label(a: Tag, b: Tag) -> float:
    return float(a.label_id == b.label_id)


def _iou_of_boxes(a: Sequence[float], b: Sequence[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(points[2] - points[0]) * (points[3] - points[1]) for points in (a, b)]
    return width * height / (sum(areas) - width * height)


def _iou_of_polygons(a: Sequence[float], b: Sequence[float]) -> float:
    """Counted on a grid of fixed size, whatever the coordinates; that is near enough for an answer of yes or no."""
    import cv2
    import numpy as np

    left, top, right, bottom = extent([*a, *b])
    size = max(right - left, bottom - top)
    covered = [np.zeros((_GRID + 1, _GRID + 1), np.uint8) for _ in (a, b)]
    for points, cells in zip((a, b), covered, strict=True):
        corners = (np.reshape(points, (-1, 2)) - (left, top)) * (_GRID / size if size else 0)
        cv2.fillPoly(cells, [corners.round().astype(np.int32)], 1)
    return float((covered[0] & covered[1]).sum() / (covered[0] | covered[1]).sum())


def _without_repeats(
    parts: Sequence[tuple[int, Sequence[Item]]], overlap: int, likeness: Callable[[Item, Item], float]
) -> list[Item]:
    told: list[Item] = []
    before: Sequence[Item] = ()
    for start, items in parts:
        shared = range(start, start + overlap)
        old, new = _on_frames(before, shared), _on_frames(items, shared)
        repeated = {
            id(item)
            for frame in old.keys() & new.keys()
            for item in _partners(old[frame], new[frame], likeness, least=_LEAST_FOR_SHAPES).values()
        }
        told += [item for item in items if id(item) not in repeated]
        before = items
    return told


def _on_frames(items: Iterable[Item], frames: range) -> Mapping[int, list[Item]]:
    found = defaultdict[int, list[Item]](list)
    for item in items if frames else ():
        if item.frame in frames:
            found[item.frame].append(item)
    return found


def _partners(
    old: Sequence[Item], new: Sequence[Item], likeness: Callable[[Item, Item], float], *, least: float
) -> dict[int, Item]:
    """The new items by the position of the old one that they are alike to: one to one, as alike as possible."""
    partners: dict[int, Item] = {}
    left = list(new)
    for position, item in enumerate(old):  # a copy is always in some best assignment
        copy = next((other for other in left if likeness(item, other) > _COPY), None)
        if copy is not None:
            partners[position] = copy
            left = [other for other in left if other is not copy]
    others = [position for position in range(len(old)) if position not in partners]
    if others and left:
        partners |= _assigned(others, left, [[likeness(old[i], other) for other in left] for i in others], least)
    return partners


def _assigned(
    positions: Sequence[int], items: Sequence[Item], likeness: Sequence[Sequence[float]], least: float
) -> dict[int, Item]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(likeness, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {positions[i]: items[j] for i, j in pairs if likeness[i][j] >= least}


def _joined_tracks(parts: Sequence[JobPart], overlap: int) -> list[Track]:
    """Tracks that go on in the next part become one; the others end where the frames of their part do."""
    joined: list[Track] = []
    open_: list[int] = []
    for part in parts:
        end = part.start + overlap
        early = [track for track in part.annotations.tracks if track.frame < end]
        likeness = _track_likeness(part.start, end)
        partners = _partners([joined[number] for number in open_], early, likeness, least=_LEAST_FOR_TRACKS)
        for position, number in enumerate(open_):
            partner = partners.get(position)
            joined[number] = _ended(joined[number], end) if partner is None else _united(joined[number], partner)
        merged = {id(track) for track in partners.values()}
        first_new = len(joined)
        joined += [track for track in part.annotations.tracks if id(track) not in merged]
        open_ = [*(open_[position] for position in partners), *range(first_new, len(joined))]
    return joined


def _track_likeness(first: int, end: int) -> Callable[[Track, Track], float]:
    shown: dict[int, dict[int, list[KeyFrame]]] = {}

    def shapes_on(track: Track) -> dict[int, list[KeyFrame]]:
        if id(track) not in shown:
            shown[id(track)] = _shapes_on(track, first, end)
        return shown[id(track)]

    def likeness(a: Track, b: Track) -> float:
        if a.label_id != b.label_id or first == end:
            return 0.0
        mine, others = shapes_on(a), shapes_on(b)
        frames = mine.keys() | others.keys()
        return sum(_likeness_on(mine.get(frame), others.get(frame)) for frame in frames) / max(len(frames), 1)

    return likeness


def _shapes_on(track: Track, first: int, end: int) -> dict[int, list[KeyFrame]]:
    """The shapes on each frame: of the track itself, or of all elements of a skeleton."""
    found = defaultdict[int, list[KeyFrame]](list)
    for part in sorted(track.elements, key=lambda element: element.label_id) or [track]:
        for sight in sights(part, end, start=first):
            found[sight.shape.frame].append(sight.shape)
    return found


def _likeness_on(a: Sequence[KeyFrame] | None, b: Sequence[KeyFrame] | None) -> float:
    if not a or not b or [shape.outside for shape in a] != [shape.outside for shape in b]:
        return 0.0
    return min(similarity(x, y) for x, y in zip(a, b, strict=True))


def _united(a: Track, b: Track) -> Track:
    """Both tracks as one; where both have a key frame, that of `a` stays."""
    elements = {element.label_id: element for element in a.elements}
    for element in b.elements:
        own = elements.get(element.label_id)
        elements[element.label_id] = element if own is None else replace(own, **_both(own, element))
    return replace(a, elements=list(elements.values()), **_both(a, b))


def _both(a: ElementTrack, b: ElementTrack) -> dict[str, object]:
    shapes = {shape.frame: shape for shape in (*b.shapes, *a.shapes)}
    return {"frame": min(a.frame, b.frame), "shapes": by_frame(shapes.values())}


def _ended(track: Track, frame: int) -> Track:
    """A track that is not seen from `frame` on."""
    elements = [replace(element, shapes=_hidden_at(frame, element.shapes)) for element in track.elements]
    return replace(track, shapes=_hidden_at(frame, track.shapes), elements=elements)


def _hidden_at(frame: int, shapes: list[KeyFrame]) -> list[KeyFrame]:
    last = by_frame(shapes)[-1]
    return shapes if last.outside else [*shapes, replace(last, frame=frame, outside=True)]
