"""Tracks: what is seen of them on each frame, and their parts in jobs."""

from hypothesis import given
from hypothesis import strategies as st

from cvat.embedded.joining import JobPart, join
from cvat.embedded.labeled import AttributeValue, ElementTrack, KeyFrame, LabeledData, Shape, Tag, Track
from cvat.embedded.tracks import cut, sights

NOTE = 4


def key(frame, left, note=None, **more):
    values = [] if note is None else [AttributeValue(NOTE, note)]
    box = [float(left), 5.0, left + 10.0, 15.0]
    return KeyFrame(frame=frame, type="rectangle", points=box, attributes=values, **more)


def track(*keys, **more):
    return Track(frame=keys[0].frame, label_id=1, shapes=list(keys), **more)


def seen_lefts(track, end):
    return {
        sight.shape.frame: round(sight.shape.points[0], 6) for sight in sights(track, end) if not sight.shape.outside
    }


def lefts(track):
    return [(shape.frame, shape.points[0]) for shape in track.shapes]


def test_a_track_is_seen_from_its_first_key_frame_until_it_lies_outside():
    assert seen_lefts(track(key(1, 0), key(3, 20), key(4, 20, outside=True), key(6, 50)), end=8) == {
        1: 0, 2: 10, 3: 20, 6: 50, 7: 50,
    }  # fmt: skip


def test_a_value_lasts_until_the_next_one():
    seen = sights(track(key(0, 0, "a"), key(2, 0)), 4)
    assert [[value.value for value in sight.shape.attributes] for sight in seen] == [["a"]] * 4


def test_a_part_begins_with_the_values_that_were_set_before_it():
    _, second = cut(track(key(0, 0, "a"), key(3, 30)), [(0, 2), (3, 5)])
    assert [value.value for value in second.shapes[0].attributes] == ["a"]


def test_a_track_is_in_no_span_where_nothing_of_it_is_seen():
    parts = list(cut(track(key(0, 0), key(2, 20, outside=True)), [(0, 1), (2, 3), (4, 5)]))
    assert [part is not None for part in parts] == [True, False, False]


def test_a_track_that_turns_ends_its_part_with_a_key_frame():
    first, _ = cut(track(key(0, 0), key(4, 0, rotation=40)), [(0, 1), (2, 4)])
    assert [(shape.frame, shape.rotation) for shape in first.shapes] == [(0, 0), (1, 10)]


def test_the_elements_of_a_skeleton_begin_with_it_and_lie_outside_until_they_are_seen():
    def points(frame, **more):
        return KeyFrame(frame=frame, type="points", points=[1.0, 1.0], **more)

    stick = Track(
        frame=0,
        label_id=1,
        shapes=[KeyFrame(frame=0, type="skeleton")],
        elements=[
            ElementTrack(frame=0, label_id=2, shapes=[points(0)]),
            ElementTrack(frame=2, label_id=3, shapes=[points(2)]),
        ],
    )
    (whole,) = cut(stick, [(0, 4)])
    assert [[(s.frame, s.outside) for s in part.shapes] for part in whole.elements] == [
        [(0, False)],
        [(0, True), (2, False)],
    ]


key_frames = st.dictionaries(st.integers(0, 25), st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=6)


@given(
    key_frames,
    st.integers(1, 25),
    st.sampled_from([(4, 0), (5, 0), (6, 2), (8, 4)]),
)
def test_cut_and_joined_a_track_is_seen_where_it_was(found, size, jobs):
    segment, overlap = jobs
    original = track(*(key(frame, left, outside=outside) for frame, (left, outside) in sorted(found.items())))
    spans = [(start, min(start + segment, size) - 1) for start in range(0, max(size - overlap, 1), segment - overlap)]
    parts = [
        JobPart(first, LabeledData(tracks=[part] if part else []))
        for (first, _), part in zip(spans, cut(original, spans), strict=True)
    ]
    told = [seen_lefts(part, size) for part in join(parts, overlap=overlap).tracks]
    joined = {frame: left for seen in told for frame, left in seen.items()}
    assert joined == seen_lefts(original, size)
    assert sum(map(len, told)) == len(joined)  # on no frame twice


def shape(left, kind="rectangle", label_id=1, **more):
    points = [left, 0.0, left + 20.0, 10.0] if kind == "rectangle" else [left, 0.0, left + 20.0, 0.0, left, 10.0]
    return Shape(frame=3, label_id=label_id, type=kind, points=points, **more)


def joined_shapes(first, second):
    parts = [JobPart(0, LabeledData(shapes=first)), JobPart(3, LabeledData(shapes=second))]
    return join(parts, overlap=2).shapes


def test_boxes_and_polygons_that_two_jobs_have_nearly_alike_are_told_once():
    for kind in ("rectangle", "polygon"):
        assert joined_shapes([shape(0.0, kind)], [shape(1.0, kind)]) == [shape(0.0, kind)]
        assert len(joined_shapes([shape(0.0, kind)], [shape(9.0, kind)])) == 2


def test_shapes_of_two_labels_are_two_shapes():
    assert len(joined_shapes([shape(0.0)], [shape(0.0, label_id=2)])) == 2


def test_each_shape_stands_for_one_of_the_other_job():
    assert len(joined_shapes([shape(0.0)], [shape(0.0), shape(0.5)])) == 2
    assert len(joined_shapes([shape(0.0), shape(2.0)], [shape(1.0), shape(3.0)])) == 2


def test_shapes_beyond_the_shared_frames_are_never_compared():
    first, second = [Shape(frame=2, label_id=1, type="points", points=[1.0, 1.0])], [shape(0.0)]
    assert joined_shapes(first, second) == [*first, *second]


def test_a_tag_that_two_jobs_have_is_told_once():
    tags = [Tag(frame=3, label_id=1)]
    parts = [JobPart(0, LabeledData(tags=tags)), JobPart(3, LabeledData(tags=[Tag(frame=3, label_id=1), *tags]))]
    assert len(join(parts, overlap=2).tags) == 2
