"""What differs between two snapshots of the same thing, in words that a person can act on."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct, json

from datasets.labelled import LabelledObject, Track
from datasets.snapshot import Frame, LabelSpec, Snapshot, TaskSnapshot

MOVED_PX = 0.01
"""Coordinates that differ by no more, in pixels, are the same; angles likewise, in degrees."""
_DUST = 1e-9
_PLAIN = ("occluded", "outside", "z_order", "group", "source", "score", "model")

Item = TypeVar("Item")
Pairs = list[tuple[Item | None, Item | None]]


class Difference(Struct, frozen=True):
    """One thing that is not the same: what, where, and both values (`None` where one side lacks it)."""

    what: str
    where: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.where}: {self.what} was {self.before or 'absent'}, is {self.after or 'absent'}"


def differences(one: Snapshot, other: Snapshot) -> list[Difference]:
    """What is in `other` and was not in `one`, or otherwise; nothing when the two tell the same."""
    if one == other:
        return []
    found = list(_label_differences(one.labels, other.labels))
    for before, after in _pair_by(lambda task: task.name, one.tasks, other.tasks):
        if before is None or after is None:
            found.append(_presence("task", "project", before, after, lambda task: repr(task.name)))
        elif before != after:
            found += task_differences(before, after)
    return found


def task_differences(before: TaskSnapshot, after: TaskSnapshot) -> Iterator[Difference]:
    """The same for two tasks, whatever they are called."""
    where = f"task {before.name!r}"
    yield from _field("subset", where, before.subset, after.subset)
    old, new = ([_identity(frame) for frame in task.frames] for task in (before, after))
    if old != new and Counter(old) == Counter(new):
        at = next(number for number, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
        yield Difference("order of frames", where, before.frames[at].name, after.frames[at].name)
    for was, is_ in _pair_by(_identity, before.frames, after.frames):
        if was is None or is_ is None:
            yield _presence("frame", where, was, is_, lambda frame: repr(frame.name))
        elif was != is_:
            yield from _frame_differences(where, was, is_)
    yield from _track_differences(where, before.tracks, after.tracks)


def _identity(frame: Frame) -> str:
    return frame.sha256 or frame.name


def _frame_differences(task: str, before: Frame, after: Frame) -> Iterator[Difference]:
    where = f"{task}, frame {before.name!r}"
    yield from _field("name", where, before.name, after.name)
    yield from _field("size", where, f"{before.width}x{before.height}", f"{after.width}x{after.height}")
    yield from _field("deleted", where, before.deleted, after.deleted)
    yield from _object_differences(where, before.objects, after.objects)


def _object_differences(
    where: str, before: Sequence[LabelledObject], after: Sequence[LabelledObject]
) -> Iterator[Difference]:
    old, new = _without_equals(before, after)
    for was, is_ in _nearest_pairs(old, new):
        if was is None or is_ is None:
            yield _presence("object", where, was, is_, _shown)
        else:
            yield from _changes(where, was, is_)


def _without_equals(
    before: Sequence[LabelledObject], after: Sequence[LabelledObject]
) -> tuple[list[LabelledObject], list[LabelledObject]]:
    left = defaultdict[bytes, list[LabelledObject]](list)
    for labelled in after:
        left[_text(labelled)].append(labelled)
    old = [labelled for labelled in before if not (left[_text(labelled)] and left[_text(labelled)].pop())]
    return old, [labelled for same in left.values() for labelled in same]


def _nearest_pairs(old: Sequence[LabelledObject], new: Sequence[LabelledObject]) -> Pairs[LabelledObject]:
    """Each old object with the new one most like it, one to one; alone where there is none of its class or place."""
    likely = [(_unlikeness(a, b), i, j) for i, a in enumerate(old) for j, b in enumerate(new) if _may_be_one(a, b)]
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(likely):
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    pairs: Pairs[LabelledObject] = [(a, new[partner[i]] if i in partner else None) for i, a in enumerate(old)]
    return pairs + [(None, b) for j, b in enumerate(new) if j not in taken]


def _may_be_one(a: LabelledObject, b: LabelledObject) -> bool:
    return a.is_tag == b.is_tag and (a.category == b.category or _shift(a.points, b.points) <= MOVED_PX)


def _unlikeness(a: LabelledObject, b: LabelledObject) -> tuple[float, bool, bool]:
    boxes = (a.bbox_xyxy or (), b.bbox_xyxy or ())
    return (_shift(*boxes), a.category != b.category, a.kind != b.kind)


def _shift(one: Sequence[float], other: Sequence[float]) -> float:
    """The longest way, in pixels, that any coordinate was moved; infinite where their numbers differ."""
    if len(one) != len(other):
        return float("inf")
    return max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)


def _changes(where: str, was: LabelledObject, is_: LabelledObject) -> Iterator[Difference]:
    place = f"{where}, {_shown(was)}"
    yield from _field("class", place, was.category, is_.category)
    yield from _field("kind", place, was.kind, is_.kind)
    if _shift(was.points, is_.points) > MOVED_PX + _DUST:
        yield Difference("points", place, _points(was), _points(is_))
    if abs((was.rotation - is_.rotation + 180) % 360 - 180) > MOVED_PX + _DUST:
        yield Difference("rotation", place, f"{was.rotation:.10g}", f"{is_.rotation:.10g}")
    yield from _attribute_differences(place, was.attributes, is_.attributes)
    for name in _PLAIN:
        yield from _field(name, place, getattr(was, name), getattr(is_, name))
    for part, other in _pair_by(lambda element: element.category, was.elements, is_.elements):
        if part is None or other is None:
            yield _presence("element", place, part, other, _shown)
        else:
            yield from _changes(place, part, other)


def _attribute_differences(where: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        yield from _field(f"attribute {name!r}", where, before.get(name), after.get(name))


def _track_differences(where: str, before: Sequence[Track], after: Sequence[Track]) -> Iterator[Difference]:
    for was, is_ in _pair_by(lambda track: track.category, before, after):
        if was is None or is_ is None:
            yield _presence("track", where, was, is_, _shown_track)
            continue
        place = f"{where}, {_shown_track(was)}"
        yield from _attribute_differences(place, was.attributes, is_.attributes)
        for name in ("group", "source"):
            yield from _field(name, place, getattr(was, name), getattr(is_, name))
        for key, other in _pair_by(lambda key: key.frame, was.key_frames, is_.key_frames):
            if key is None or other is None:
                yield _presence("key frame", place, key, other, lambda key: str(key.frame))
            else:
                yield from _changes(f"{place}, key frame {key.frame}", key.shape, other.shape)
        yield from _track_differences(place, was.elements, is_.elements)


def _label_differences(before: Sequence[LabelSpec], after: Sequence[LabelSpec]) -> Iterator[Difference]:
    for was, is_ in _pair_by(lambda label: label.name, before, after):
        if was is None or is_ is None:
            yield _presence("label", "project", was, is_, lambda label: repr(label.name))
        elif was != is_:
            for name in LabelSpec.__struct_fields__:
                yield from _field(name, f"label {was.name!r}", getattr(was, name), getattr(is_, name))


def _pair_by(key: Any, before: Iterable[Item], after: Iterable[Item]) -> Pairs[Item]:
    """Items of one key in their order; alone where the other side has no more of it."""
    left = defaultdict[Hashable, list[Item]](list)
    for item in after:
        left[key(item)].append(item)
    pairs: Pairs[Item] = [(item, left[key(item)].pop(0) if left[key(item)] else None) for item in before]
    return pairs + [(None, item) for same in left.values() for item in same]


def _field(what: str, where: str, before: object, after: object) -> Iterator[Difference]:
    if before != after:
        yield Difference(what, where, _told(before), _told(after))


def _presence(what: str, where: str, before: Any, after: Any, shown: Any) -> Difference:
    return Difference(what, where, *(None if item is None else shown(item) for item in (before, after)))


def _told(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.encode(value).decode()


def _shown(labelled: LabelledObject) -> str:
    return f"{labelled.kind} {labelled.category!r} {_points(labelled)}".strip()


def _shown_track(track: Track) -> str:
    return f"track {track.category!r} from frame {min((key.frame for key in track.key_frames), default=0)}"


def _points(labelled: LabelledObject) -> str:
    return f"({', '.join(f'{value:.10g}' for value in labelled.points[:8])}{', …' if len(labelled.points) > 8 else ''})"


def _text(labelled: LabelledObject) -> bytes:
    return json.encode(labelled, order="deterministic")
