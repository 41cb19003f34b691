"""Snapshots: canonical, restorable from their bytes, and compared in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datasets.errors import BadDataset
from datasets.labelled import KeyFrame, LabelledObject, Track, tag
from datasets.snapshot import (
    AttributeSpec,
    Frame,
    LabelSpec,
    Snapshot,
    TaskSnapshot,
    decode_snapshot,
    encode_snapshot,
    make_snapshot,
    with_named_elements,
)
from datasets.snapshot_comparison import differences

DENT = LabelledObject("dent", (1.0, 2.0, 30.0, 40.0), attributes={"where": "left"})
DOOR = LabelledObject("door", kind="skeleton", elements=(LabelledObject("hinge", (5.0, 6.0), kind="points"),))
TRACK = Track("dent", (KeyFrame(0, DENT), KeyFrame(1, replace(DENT, outside=True))), {"where": "left"})
LABELS = (LabelSpec("dent", "rectangle", (AttributeSpec("where", "text"),)), LabelSpec("dirty", "tag"))


def frame(number: int, *objects: LabelledObject, deleted: bool = False) -> Frame:
    return Frame(number, f"car__{number}.jpg", str(number) * 64, 64, 48, deleted, objects)


def snapshot(*objects: LabelledObject, tracks: tuple[Track, ...] = (TRACK,)) -> Snapshot:
    return make_snapshot(LABELS, [TaskSnapshot("round 1", "train", (frame(0, *objects), frame(1)), tracks)])


@given(
    st.permutations([DENT, DOOR, tag("dirty"), replace(DENT, points=(1.0, 2.0, 9.0, 9.0)), replace(DENT, z_order=1)])
)
def test_order_and_ids_do_not_count(objects: list[LabelledObject]) -> None:
    numbered = [replace(labelled, shape_id=number) for number, labelled in enumerate(objects)]
    again = make_snapshot(LABELS[::-1], snapshot(*numbered, tracks=(replace(TRACK, track_id=7),)).tasks)
    assert encode_snapshot(again) == encode_snapshot(snapshot(*sorted(objects, key=str)))


def test_a_snapshot_comes_back_from_its_bytes() -> None:
    made = snapshot(DENT, DOOR, tag("dirty"))
    assert decode_snapshot(encode_snapshot(made), told_in="x") == made


def test_other_bytes_are_told_with_their_place() -> None:
    with pytest.raises(BadDataset, match=r"snapshot.json is no annotation snapshot"):
        decode_snapshot(b'{"tasks": 3}', told_in="snapshot.json")


def test_a_drawing_names_elements_by_name() -> None:
    drawing = '<circle data-label-id="12" data-node-id="1"></circle>'
    assert with_named_elements(drawing, {12: 'a"b'}) == '<circle data-label-name="a&quot;b" data-node-id="1"></circle>'


def test_what_is_the_same_has_no_differences() -> None:
    nearly = replace(DENT, points=(1.0, 2.0, 30.01, 40.0), rotation=359.995)
    assert differences(snapshot(DENT), snapshot(nearly)) == []


@pytest.mark.parametrize(
    ("now", "what", "before", "after"),
    [
        (replace(DENT, points=(1.0, 2.0, 30.0, 40.02)), "points", "(1, 2, 30, 40)", "(1, 2, 30, 40.02)"),
        (replace(DENT, rotation=359.9), "rotation", "0", "359.9"),
        (replace(DENT, category="bump"), "class", "dent", "bump"),
        (replace(DENT, kind="ellipse"), "kind", "rectangle", "ellipse"),
        (replace(DENT, attributes={"where": "right"}), "attribute 'where'", "left", "right"),
        (replace(DENT, attributes={}), "attribute 'where'", "left", None),
        (replace(DENT, occluded=True), "occluded", "false", "true"),
        (replace(DENT, source="file"), "source", "manual", "file"),
        (replace(DENT, group=3), "group", "0", "3"),
    ],
)
def test_each_change_of_an_object_is_told(now: LabelledObject, what: str, before: str, after: str | None) -> None:
    (found,) = differences(snapshot(DENT), snapshot(now))
    assert (found.what, found.before, found.after) == (what, before, after)
    assert found.where.startswith("task 'round 1', frame 'car__0.jpg', rectangle 'dent' (1, 2, 30, 40)")


def test_of_two_alike_the_one_that_moved_is_told() -> None:
    other = replace(DENT, points=(2.0, 2.0, 31.0, 40.0))
    moved = replace(other, points=(2.5, 2.0, 31.0, 40.0))
    (found,) = differences(snapshot(DENT, other), snapshot(moved, DENT))
    assert (found.before, found.after) == ("(2, 2, 31, 40)", "(2.5, 2, 31, 40)")


def test_lost_and_added_objects_are_told() -> None:
    found = differences(snapshot(DENT), snapshot(tag("dirty")))
    assert [(one.what, one.before, one.after) for one in found] == [
        ("object", "rectangle 'dent' (1, 2, 30, 40)", None),
        ("object", None, "tag 'dirty' ()"),
    ]


def test_elements_of_a_skeleton_are_compared_by_name() -> None:
    moved = replace(DOOR, elements=(replace(DOOR.elements[0], points=(5.0, 7.0)),))
    (found,) = differences(snapshot(DOOR), snapshot(moved))
    assert (found.what, found.before, found.after) == ("points", "(5, 6)", "(5, 7)")


def with_frames(*frames: Frame) -> Snapshot:
    return make_snapshot(LABELS, [TaskSnapshot("round 1", "train", frames)])


@pytest.mark.parametrize(
    ("now", "what"),
    [
        ((frame(1), frame(0)), "order of frames"),
        ((frame(0),), "frame"),
        ((frame(0), frame(1, deleted=True)), "deleted"),
        ((frame(0), replace(frame(1), name="other.jpg")), "name"),
        ((frame(0), replace(frame(1), width=48, height=64)), "size"),
    ],
)
def test_each_change_of_frames_is_told(now: tuple[Frame, ...], what: str) -> None:
    assert [found.what for found in differences(with_frames(frame(0), frame(1)), with_frames(*now))] == [what]


def test_changes_of_tracks_are_told() -> None:
    moved = replace(TRACK, key_frames=(KeyFrame(0, replace(DENT, rotation=5.0)), KeyFrame(2, DENT)))
    found = differences(snapshot(), snapshot(tracks=(moved,)))
    assert [(one.what, one.before, one.after) for one in found] == [
        ("rotation", "0", "5"),
        ("key frame", "1", None),
        ("key frame", None, "2"),
    ]


def test_changes_of_labels_and_tasks_are_told() -> None:
    other = make_snapshot([LabelSpec("dent", "polygon")], [replace(snapshot().tasks[0], name="round 2")])
    found = {(one.what, one.where) for one in differences(snapshot(), other)}
    assert found == {
        ("type", "label 'dent'"), ("attributes", "label 'dent'"), ("label", "project"), ("task", "project"),
    }  # fmt: skip
