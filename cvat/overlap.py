"""What several jobs have, as one: where jobs share frames, what is drawn in both is told once.

The rule is CVAT's own for reading a task (https://docs.cvat.ai/docs/manual/basics/create-annotation-task/#overlap-size):
the earlier job's stay, and of the later one's those go that are alike to one of them. Alike are two tags of one class,
two boxes or polygons of one class that cover each other to three quarters (rotation aside), exact copies of any kind,
and two tracks whose shapes are alike to a half over the shared frames, which then become one track. A track that does
not go on in the next job ends with its own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from msgspec.structs import replace

from cvat.tracks import shapes_of_track
from datasets.labelled import KeyFrame, LabelledObject, Track
from datasets.likeness import likeness
from datasets.snapshot import Frame

_LEAST_FOR_SHAPES, _LEAST_FOR_TRACKS = 0.75, 0.5
_COVERING = ("rectangle", "polygon")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Part:
    """What one job has: its frames in order, and its tracks."""

    frames: Sequence[Frame]
    tracks: Sequence[Track] = ()

    @property
    def numbers(self) -> range:
        return range(self.frames[0].number, self.frames[-1].number + 1) if self.frames else range(0)


def join_parts(parts: Iterable[Part], *, size: int) -> Part:
    """The parts of a task of `size` frames, as one."""
    frames: dict[int, Frame] = {}
    ordered = sorted((part for part in parts if part.frames), key=lambda part: part.numbers.start)
    for part in ordered:
        for frame in part.frames:
            earlier = frames.get(frame.number)
            frames[frame.number] = frame if earlier is None else _united_frame(earlier, frame)
    return Part([frames[number] for number in sorted(frames)], _joined_tracks(ordered, size))


def _united_frame(earlier: Frame, later: Frame) -> Frame:
    repeated = _partners(earlier.objects, later.objects, _likeness, least=_LEAST_FOR_SHAPES).values()
    new = tuple(labelled for position, labelled in enumerate(later.objects) if position not in repeated)
    return replace(earlier, objects=earlier.objects + new)


def _likeness(a: LabelledObject, b: LabelledObject) -> float:
    if (a.category, a.kind) != (b.category, b.kind):
        return 0.0
    if a.is_tag or ((a.points, a.rotation) == (b.points, b.rotation) and _elements(a) == _elements(b)):
        return 1.0
    return likeness(replace(a, rotation=0.0), replace(b, rotation=0.0)) if a.kind in _COVERING else 0.0


def _elements(labelled: LabelledObject) -> set[tuple[object, ...]]:
    return {(part.category, part.points, part.outside) for part in labelled.elements}


def _partners(
    old: Sequence[Item], new: Sequence[Item], alike: Callable[[Item, Item], float], *, least: float
) -> dict[int, int]:
    """The positions of old items with those of the new ones they are alike to: one to one, as alike as possible."""
    if not old or not new:
        return {}
    from scipy.optimize import linear_sum_assignment  # takes half a second to import

    matrix = np.array([[alike(a, b) for b in new] for a in old])
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    return {i: j for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if matrix[i, j] >= least}


def _joined_tracks(parts: Sequence[Part], size: int) -> list[Track]:
    told: list[Track] = []
    open_: list[Track] = []
    end = 0
    for part in parts:
        shared = range(part.numbers.start, end)
        partners = _partners(open_, part.tracks, _track_likeness(shared), least=_LEAST_FOR_TRACKS) if shared else {}
        told += [_ended(track, end) for position, track in enumerate(open_) if position not in partners]
        earlier = {new: open_[old] for old, new in partners.items()}
        open_ = [
            _united_track(earlier[position], track) if position in earlier else track
            for position, track in enumerate(part.tracks)
        ]
        end = part.numbers.stop
    return told + [track if end >= size else _ended(track, end) for track in open_]


def _track_likeness(shared: range) -> Callable[[Track, Track], float]:
    def alike(a: Track, b: Track) -> float:
        mine, others = (dict(shapes_of_track(track, shared)) for track in (a, b))
        frames = mine.keys() | others.keys()
        both = mine.keys() & others.keys()
        return sum(_likeness(mine[frame], others[frame]) for frame in both) / len(frames) if frames else 0.0

    return alike


def _united_track(earlier: Track, later: Track) -> Track:
    """Both as one; where both have a key frame, the earlier one's stays."""
    elements = {element.category: element for element in later.elements}
    for element in earlier.elements:
        other = elements.get(element.category)
        elements[element.category] = _united_track(element, other) if other else element
    keys = {key.frame: key for key in (*later.key_frames, *earlier.key_frames)}
    return replace(earlier, key_frames=tuple(keys[frame] for frame in sorted(keys)), elements=tuple(elements.values()))


def _ended(track: Track, frame: int) -> Track:
    """A track that is not seen from `frame` on."""
    keys = tuple(key for key in track.key_frames if key.frame < frame)
    if keys and not keys[-1].shape.outside:
        keys = (*keys, KeyFrame(frame, replace(keys[-1].shape, outside=True)))
    elements = tuple(_ended(element, frame) for element in track.elements)
    return replace(track, key_frames=keys, elements=elements)
