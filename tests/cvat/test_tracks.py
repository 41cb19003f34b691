"""Tracks on the frames between their key frames, and the parts of several jobs as one."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cvat.embedded.labeled import ElementTrack
from cvat.embedded.labeled import KeyFrame as ServedKeyFrame
from cvat.embedded.tracks import sights
from cvat.overlap import Part, join_parts
from cvat.tracks import shapes_of_track
from datasets.labelled import KeyFrame, LabelledObject, Track, tag
from datasets.snapshot import Frame

END = 12


def box(left: float, top: float = 0.0, *, outside: bool = False, **more: object) -> LabelledObject:
    return LabelledObject("dent", (left, top, left + 10, top + 10), outside=outside, **more)  # type: ignore[arg-type]


def track(*keys: tuple[int, LabelledObject], **more: object) -> Track:
    return Track("dent", tuple(KeyFrame(frame, shape) for frame, shape in keys), **more)  # type: ignore[arg-type]


def lefts(shown: Track, frames: Sequence[int] = range(END)) -> dict[int, float]:
    return {frame: labelled.points[0] for frame, labelled in shapes_of_track(shown, frames)}


def test_a_track_lasts_from_its_first_key_frame_to_the_end() -> None:
    assert lefts(track((2, box(0)), (4, box(20))), range(7)) == {2: 0, 3: 10, 4: 20, 5: 20, 6: 20}


def test_a_track_is_not_seen_while_it_lies_outside() -> None:
    shown = track((0, box(0)), (2, box(20, outside=True)), (4, box(40)))
    assert lefts(shown, range(6)) == {0: 0, 1: 10, 4: 40, 5: 40}


def test_objects_of_a_track_have_its_class_group_source_and_attributes() -> None:
    keys = ((0, box(0, attributes={"seen": "yes"})), (2, box(0, attributes={"seen": "no"})))
    shown = dict(shapes_of_track(track(*keys, attributes={"old": "true"}, group=4, source="auto"), range(3)))
    assert [shown[frame].attributes for frame in range(3)] == [
        {"old": "true", "seen": "yes"},
        {"old": "true", "seen": "yes"},
        {"old": "true", "seen": "no"},
    ]
    assert {(o.category, o.group, o.source) for o in shown.values()} == {("dent", 4, "auto")}


def test_a_skeleton_has_the_elements_that_are_there_on_a_frame() -> None:
    def element(name: str, *keys: tuple[int, float, bool]) -> Track:
        points = ((n, LabelledObject(name, (x, 0.0), kind="points", outside=outside)) for n, x, outside in keys)
        return Track(name, tuple(KeyFrame(n, shape) for n, shape in points))

    door = Track(
        "door",
        (KeyFrame(0, LabelledObject("door", kind="skeleton")),),
        elements=(element("hinge", (0, 0, False), (2, 4, False)), element("handle", (0, 9, True), (2, 9, False))),
    )
    shown = dict(shapes_of_track(door, range(3)))
    assert [[(e.category, e.points, e.outside) for e in shown[frame].elements] for frame in (1, 2)] == [
        [("hinge", (2, 0), False), ("handle", (9, 0), True)],
        [("hinge", (4, 0), False), ("handle", (9, 0), False)],
    ]


polygons = st.integers(3, 6).flatmap(lambda n: st.lists(st.integers(0, 50).map(float), min_size=2 * n, max_size=2 * n))
keys = st.dictionaries(st.integers(0, END - 1), st.tuples(polygons, st.booleans()), min_size=1, max_size=5)


@given(keys)
def test_the_client_sees_what_the_embedded_server_exports(drawn: dict[int, tuple[list[float], bool]]) -> None:
    ours = track(*((n, LabelledObject("dent", tuple(p), kind="polygon", outside=o)) for n, (p, o) in drawn.items()))
    served = ElementTrack(
        frame=min(drawn),
        label_id=1,
        shapes=[ServedKeyFrame(frame=n, type="polygon", points=p, outside=o) for n, (p, o) in drawn.items()],
    )
    seen = {sight.shape.frame: tuple(sight.shape.points) for sight in sights(served, END) if not sight.shape.outside}
    assert {frame: labelled.points for frame, labelled in shapes_of_track(ours, range(END))} == seen


def part(start: int, stop: int, objects: dict[int, Sequence[LabelledObject]] | None = None, *tracks: Track) -> Part:
    frames = [Frame(n, str(n), str(n), 64, 48, objects=tuple((objects or {}).get(n, ()))) for n in range(start, stop)]
    return Part(frames, tracks)


def joined(*parts: Part, size: int = 8) -> Part:
    return join_parts(parts, size=size)


def on_frame_3(*objects: Sequence[LabelledObject]) -> list[LabelledObject]:
    first, second = objects
    whole = joined(part(0, 4, {3: first}), part(3, 8, {3: second}))
    assert [frame.number for frame in whole.frames] == list(range(8))
    return list(whole.frames[3].objects)


def test_alike_boxes_of_one_class_on_a_shared_frame_are_one() -> None:
    one, nearly, far = box(0), box(1), box(2)
    assert on_frame_3([one], [nearly]) == [one]  # IoU 0.82
    assert on_frame_3([one], [far]) == [one, far]  # IoU 0.67
    assert on_frame_3([one], [replace(nearly, category="bump")]) == [one, replace(nearly, category="bump")]
    assert on_frame_3([one, one], [nearly]) == [one, one]
    assert on_frame_3([one], [nearly, nearly]) == [one, nearly]


def test_other_kinds_are_one_when_they_are_exact_copies() -> None:
    line = LabelledObject("crack", (0.0, 0.0, 9.0, 9.0), kind="polyline")
    moved = replace(line, points=(0.0, 0.0, 9.0, 9.5))
    assert on_frame_3([line], [line]) == [line]
    assert on_frame_3([line], [moved]) == [line, moved]
    assert on_frame_3([tag("dirty")], [tag("dirty"), tag("clean")]) == [tag("dirty"), tag("clean")]


def test_jobs_that_share_no_frame_keep_all_they_have() -> None:
    whole = joined(part(4, 8, {4: [box(0)]}), part(0, 4, {3: [box(0)]}))
    assert [len(frame.objects) for frame in whole.frames] == [0, 0, 0, 1, 1, 0, 0, 0]


def test_the_parts_of_a_track_in_overlapping_jobs_are_one() -> None:
    first, second = track((0, box(0)), (4, box(40))), track((3, box(30)), (6, box(60)))
    (whole,) = joined(part(0, 5, None, first), part(3, 8, None, second)).tracks
    assert lefts(whole, range(8)) == {frame: min(10 * frame, 60) for frame in range(8)}


def test_a_track_that_does_not_go_on_ends_with_its_job() -> None:
    first, other = track((0, box(0))), track((3, box(30)))
    one, two = joined(part(0, 5, None, first), part(3, 8, None, other)).tracks
    assert (set(lefts(one, range(8))), set(lefts(two, range(8)))) == ({0, 1, 2, 3, 4}, {3, 4, 5, 6, 7})


def test_tracks_of_jobs_apart_end_with_their_jobs() -> None:
    one, two = joined(part(0, 2, None, track((0, box(0)))), part(4, 6, None, track((4, box(0))))).tracks
    assert (set(lefts(one)), set(lefts(two))) == ({0, 1}, {4, 5})


def test_a_track_in_the_last_job_keeps_its_open_end() -> None:
    last = track((4, box(0)))
    assert joined(part(4, 8, None, last)).tracks == [last]
