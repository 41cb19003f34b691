"""Tracks on the frames between their key frames, and cut into the parts that jobs hold."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile

from msgspec.structs import replace

from cvat.embedded.interpolation import between
from cvat.embedded.labeled import ElementTrack, KeyFrame, Track, attributes_of, values_of


@dataclass(frozen=True, slots=True)
class Sight:
    """A track on one frame, with all attribute values in force there."""

    shape: KeyFrame
    is_key: bool


def by_frame(shapes: Iterable[KeyFrame]) -> list[KeyFrame]:
    """Key frames in the order of their frames."""
    return sorted(shapes, key=lambda shape: shape.frame)


def with_lasting_attributes(shapes: Iterable[KeyFrame], defaults: dict[int, str]) -> list[KeyFrame]:
    """Key frames by frame, each with the values that it leaves as they were before."""
    values, told = dict(defaults), []
    for shape in by_frame(shapes):
        own = values_of(shape.attributes)
        values = {**own, **{spec_id: value for spec_id, value in values.items() if spec_id not in own}}
        told.append(replace(shape, attributes=attributes_of(values)))
    return told


def sights(track: ElementTrack, end: int, *, start: int = 0, hidden: bool = False) -> list[Sight]:
    """A track on its key frames and all frames where it is seen, or with `hidden` on all, from `start` to before `end`.

    It lasts from its first key frame to the end, unless it lies outside.
    """
    shapes = with_lasting_attributes(track.shapes, {})
    seen = []
    for left, right in zip(shapes, [*shapes[1:], None], strict=True):
        if start <= left.frame < end:
            seen.append(Sight(left, is_key=True))
        if hidden or not left.outside:
            frames = range(max(left.frame + 1, start), min(right.frame if right else end, end))
            seen += [Sight(_on(left, right, frame), is_key=False) for frame in frames]
    return seen


def _on(left: KeyFrame, right: KeyFrame | None, frame: int) -> KeyFrame:
    return replace(left, id=None, frame=frame) if right is None else between(left, right, frame)


def cut(track: Track, spans: Sequence[tuple[int, int]]) -> Iterator[Track | None]:
    """The part of a track in each span of frames (first and last one), or None where nothing of it is seen.

    As in CVAT, a part begins with a key frame and, if the track moves on after the span, ends with one.
    """
    end = max(last for _, last in spans) + 1
    own, elements = sights(track, end), [(element, sights(element, end)) for element in track.elements]
    for span in spans:
        shapes = _part(track, own, span)
        parts = [(element, _part(element, seen, span)) for element, seen in elements]
        kept = [replace(element, frame=part[0].frame, shapes=part) for element, part in parts if part]
        if not shapes or (elements and not kept):
            yield None
        else:
            yield aligned(replace(track, frame=min(shape.frame for shape in shapes), shapes=shapes, elements=kept))


def _part(track: ElementTrack, seen: Sequence[Sight], span: tuple[int, int]) -> list[KeyFrame]:
    first, last = span
    start, stop = (bisect_left(seen, frame, key=lambda sight: sight.shape.frame) for frame in (first, last + 1))
    inside = list(dropwhile(lambda sight: sight.shape.outside, seen[start:stop]))
    keys = [sight.shape for sight in inside if sight.is_key]
    if len(keys) == len(track.shapes):
        return track.shapes
    if not inside:
        return []
    if not inside[0].is_key:
        keys.insert(0, inside[0].shape)
    goes_on = max(shape.frame for shape in track.shapes) >= last
    return [*keys, inside[-1].shape] if goes_on and _differ(inside[-1].shape, keys[-1]) else keys


def _differ(a: KeyFrame, b: KeyFrame) -> bool:
    return (a.points, a.rotation) != (b.points, b.rotation)


def aligned(track: Track) -> Track:
    """A skeleton whose elements all begin with it: those that come later lie outside until then."""
    if not track.elements:
        return track
    first = min(shape.frame for part in (track, *track.elements) for shape in part.shapes)
    elements = [replace(element, frame=first, shapes=_hidden_from(first, element.shapes)) for element in track.elements]
    earliest, *later = by_frame(track.shapes)
    return replace(track, frame=first, shapes=[replace(earliest, frame=first), *later], elements=elements)


def _hidden_from(first: int, shapes: list[KeyFrame]) -> list[KeyFrame]:
    earliest = by_frame(shapes)[0]
    return shapes if earliest.frame == first else [replace(earliest, id=None, frame=first, outside=True), *shapes]
