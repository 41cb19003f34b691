"""CVAT's JSON and our objects, both ways."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cvat.errors import CvatConflict
from cvat.labels import Labels, WireAttribute, WireLabel
from cvat.wire import WireData, data_of, from_wire, objects_of, to_wire, track_from_wire, track_to_wire
from datasets.labelled import KeyFrame, LabelledObject, Track, tag

LABELS = Labels(
    [
        WireLabel(
            1,
            "dent",
            "any",
            (
                WireAttribute(11, "where", "text", default_value="left"),
                WireAttribute(12, "model", "text", mutable=True),
                WireAttribute(13, "confidence", "text", mutable=True),
                WireAttribute(14, "seen", "text", mutable=True),
            ),
        ),
        WireLabel(2, "door", "skeleton", sublabels=(WireLabel(3, "hinge", "points"), WireLabel(4, "dent", "points"))),
        WireLabel(5, "dirty", "tag"),
    ]
)
DENT = LabelledObject("dent", (1.0, 2.0, 3.5, 4.0), attributes={"where": "roof", "seen": ""})
DOOR = LabelledObject("door", kind="skeleton", elements=(LabelledObject("dent", (5.0, 6.0), kind="points"),))


def sent_and_told(*objects: LabelledObject) -> list[tuple[int, LabelledObject]]:
    body = msgspec.json.encode(data_of(to_wire(o, frame, LABELS) for frame, o in enumerate(objects)))
    return objects_of(msgspec.json.decode(body, type=WireData), LABELS)


@given(
    points=st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4).map(tuple),
    rotation=st.floats(0, 360),
    where=st.text(),
    z_order=st.integers(-5, 5),
    shape_id=st.none() | st.integers(1),
    score=st.none() | st.integers(0, 100).map(lambda hundredths: hundredths / 100),
)
def test_what_is_sent_is_what_is_told(points, rotation, where, z_order, shape_id, score) -> None:
    drawn = LabelledObject(
        "dent",
        points,
        shape_id,
        score,
        {"where": where, "seen": ""},
        "m@1",
        rotation=rotation,
        occluded=True,
        z_order=z_order,
        group=3,
        source="auto",
    )
    assert sent_and_told(drawn) == [(0, drawn)]


def test_tags_and_skeletons_come_back_with_elements_by_name() -> None:
    assert sent_and_told(tag("dirty"), DOOR) == [(1, DOOR), (0, tag("dirty"))]


def test_an_element_is_not_the_label_of_its_name() -> None:
    wire = to_wire(DOOR, 0, LABELS)
    assert (wire.label_id, wire.elements[0].label_id) == (2, 4)


def test_attributes_that_nobody_set_have_their_default() -> None:
    assert sent_and_told(replace(DENT, attributes={}))[0][1].attributes == {"where": "left", "seen": ""}


@pytest.mark.parametrize("text", ["1.5", "high", "-0.1", "nan"])
def test_a_confidence_that_is_no_score_stays_what_somebody_wrote(text: str) -> None:
    told = from_wire(to_wire(replace(DENT, attributes={**DENT.attributes, "confidence": text}), 0, LABELS), LABELS)
    assert (told.score, told.attributes["confidence"]) == (None, text)


def test_a_class_that_cvat_lacks_is_told_with_what_to_do() -> None:
    with pytest.raises(CvatConflict, match="no label 'bump'; run carloop cvat push"):
        to_wire(LabelledObject("bump"), 0, LABELS)
    with pytest.raises(CvatConflict, match="no label 'handle' in 'door'"):
        to_wire(replace(DOOR, elements=(LabelledObject("handle"),)), 0, LABELS)


def test_a_track_comes_back_with_its_key_frames_and_elements() -> None:
    predicted = replace(DENT, attributes={"seen": "yes"}, model="m@1", score=0.25)
    keys = (KeyFrame(2, predicted), KeyFrame(5, replace(predicted, outside=True)))
    hinge = Track("hinge", (KeyFrame(2, LabelledObject("hinge", (1.0, 1.0), kind="points")),))
    tracks = (
        Track("dent", keys, {"where": "roof"}, group=2, source="file"),
        Track("door", (KeyFrame(2, LabelledObject("door", kind="skeleton")),), elements=(hinge,)),
    )
    body = msgspec.json.encode(data_of([], (track_to_wire(one, LABELS) for one in tracks)))
    told = msgspec.json.decode(body, type=WireData)
    assert tuple(track_from_wire(one, LABELS) for one in told.tracks) == tracks
    assert [one.frame for one in told.tracks] == [2, 2]
