"""Tracks on the frames between their key frames, interpolated as CVAT does it."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from cvat.interpolation import angle_between, points_between
from datasets.labelled import KeyFrame, LabelledObject, Track


def shapes_of_track(track: Track, frames: Sequence[int]) -> Iterator[tuple[int, LabelledObject]]:
    """The object on each of these frames where it is seen; a skeleton with those elements that are.

    It lasts from its first key frame to the end, except where it lies outside.
    """
    keys = _by_frame(track.key_frames)
    elements = [(element, _by_frame(element.key_frames)) for element in track.elements]
    for frame in frames:
        shape = _on(keys, frame)
        if shape is not None and not shape.outside:
            parts = tuple(_as_object(element, part) for element, own in elements if (part := _on(own, frame)))
            if not elements or any(not part.outside for part in parts):
                yield frame, replace(_as_object(track, shape), elements=parts)


def _by_frame(key_frames: Sequence[KeyFrame]) -> list[KeyFrame]:
    return sorted(key_frames, key=lambda key: key.frame)


def _on(keys: Sequence[KeyFrame], frame: int) -> LabelledObject | None:
    """What a track shows on a frame: a key frame's shape, or one on its way to the next; None before the first."""
    position = bisect_right(keys, frame, key=lambda key: key.frame)
    if position == 0:
        return None
    left = keys[position - 1]
    if left.frame == frame or left.shape.outside or position == len(keys):
        return left.shape
    return _between(left, keys[position], frame)


def _between(left: KeyFrame, right: KeyFrame, frame: int) -> LabelledObject:
    share = (frame - left.frame) / (right.frame - left.frame)
    one, other = left.shape, right.shape
    points = tuple(points_between(one.kind, one.points, other.points, share))
    return replace(one, points=points, rotation=angle_between(one.rotation, other.rotation, share))


def _as_object(track: Track, shape: LabelledObject) -> LabelledObject:
    return replace(
        shape,
        category=track.category,
        attributes={**track.attributes, **shape.attributes},
        shape_id=None,
        group=track.group,
        source=track.source,
    )
