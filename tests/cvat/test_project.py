"""A project's labels: brought to what the project file wants, and never so that annotations would be lost."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from cvat_sdk import Client

from cvat.client import call
from cvat.errors import CvatConflict
from cvat.label_changes import compare_labels
from cvat.labels import WireAttribute, WireLabel, label_specs, read_labels
from cvat.project import create_project, find_project, push_project
from datasets.taxonomy import Attribute, Category, Element, Taxonomy
from tests.cvat.played import directly

SIDE = Attribute(name="side", type="select", values=("left", "right"), default="left")
DEPTH = Attribute(name="depth", type="number", values=("0", "10", "2"))
WHEEL = Category(
    name="wheel",
    kind="skeleton",
    elements=(Element(name="hub", x=50, y=50), Element(name="rim", x=90, y=50, attributes=(SIDE,))),
    edges=(("hub", "rim"),),
)
EVERYTHING = Taxonomy(
    categories=(
        Category(name="dent", attributes=(SIDE, DEPTH, Attribute(name="rust", type="checkbox", mutable=True))),
        *(
            Category(name=f"a {kind}", kind=kind)
            for kind in ("ellipse", "polygon", "polyline", "points", "mask", "cuboid", "tag", "any")
        ),
        WHEEL,
    )
)


@pytest.fixture(scope="module")
def client(shared_cvat_server) -> Iterator[Client]:
    with directly(shared_cvat_server) as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"cars {uuid4().hex}"


def labels_of(client: Client, project_id: int) -> dict[str, WireLabel]:
    return {label.name: label for label in read_labels(client, "project_id", project_id).labels}


def taxonomy(*attributes: Attribute, **category: Any) -> Taxonomy:
    return Taxonomy(categories=(Category(**{"name": "dent", "attributes": attributes, **category}),))


def refused(client: Client, name: str, before: Taxonomy, after: Taxonomy) -> str:
    """What is told of a change that is refused; it changes nothing."""
    project_id = push_project(client, name, before)
    found = labels_of(client, project_id)
    with pytest.raises(CvatConflict) as caught:
        push_project(client, name, after)
    assert labels_of(client, project_id) == found
    return str(caught.value)


def test_a_project_gets_every_kind_of_label_with_its_attributes_and_points(client: Client, name: str) -> None:
    labels = labels_of(client, push_project(client, name, EVERYTHING))
    assert {label.name: label.type for label in labels.values()} == {c.name: c.kind for c in EVERYTHING.categories}
    dent = {attribute.name: attribute for attribute in labels["dent"].attributes}
    assert (dent["side"].values, dent["side"].default_value) == (("left", "right"), "left")
    assert (dent["depth"].values, dent["depth"].default_value) == (("0", "10", "2"), "0")
    assert (dent["rust"].input_type, dent["rust"].mutable, dent["side"].mutable) == ("checkbox", True, False)
    assert [part.name for part in labels["wheel"].sublabels] == ["hub", "rim"]
    assert [attribute.name for attribute in labels["wheel"].sublabels[1].attributes] == ["side"]


def test_a_skeleton_is_drawn_with_its_points_and_edges() -> None:
    (spec,) = label_specs(Taxonomy(categories=(WHEEL,)))
    assert spec["svg"].count("<circle") == 2
    assert spec["svg"].count("<line") == 1
    assert 'data-node-from="1" data-node-to="2"' in spec["svg"]
    assert 'data-label-name="hub"' in spec["svg"]


def test_pushing_a_project_again_changes_nothing(client: Client, name: str) -> None:
    project_id = push_project(client, name, EVERYTHING)
    before = labels_of(client, project_id)
    assert push_project(client, name, EVERYTHING) == project_id
    assert labels_of(client, project_id) == before
    assert compare_labels(label_specs(EVERYTHING), before.values()).wanted == []


def test_labels_attributes_and_choices_are_added_and_others_keep_their_ids(client: Client, name: str) -> None:
    project_id = push_project(client, name, taxonomy(SIDE))
    before = labels_of(client, project_id)["dent"]
    by_hand = {"labels": [{"name": "sticker", "type": "polygon"}]}
    call(client, "PATCH", f"/api/projects/{project_id}", body=msgspec.json.encode(by_hand))
    wider = SIDE.model_copy(update={"values": ("left", "right", "top")})
    grown = Taxonomy(categories=(*taxonomy(wider, DEPTH).categories, WHEEL))
    assert push_project(client, name, grown) == project_id
    after = labels_of(client, project_id)
    assert set(after) == {"dent", "sticker", "wheel"}
    assert after["dent"].id == before.id
    ids = {attribute.name: attribute.id for attribute in before.attributes}
    changed = {attribute.name: attribute for attribute in after["dent"].attributes}
    assert {spec: changed[spec].id for spec in ids} == ids
    assert changed["side"].values == ("left", "right", "top")
    assert changed["depth"].values == ("0", "10", "2")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (taxonomy(), taxonomy(kind="polygon"), "'dent' is rectangle, not polygon"),
        (taxonomy(SIDE), taxonomy(Attribute(name="side")), "attribute 'side' of 'dent' is select, not text"),
        (
            taxonomy(SIDE),
            taxonomy(SIDE.model_copy(update={"values": ("left",)})),
            "attribute 'side' of 'dent' has the values 'left', 'right', not 'left'",
        ),
        (
            taxonomy(DEPTH),
            taxonomy(DEPTH.model_copy(update={"values": ("0", "5", "1")})),
            "attribute 'depth' of 'dent' has the values '0', '10', '2', not '0', '5', '1'",
        ),
        (taxonomy(SIDE), taxonomy(SIDE.model_copy(update={"mutable": True})), "attribute 'side' of 'dent' is fixed"),
        (
            Taxonomy(categories=(WHEEL,)),
            Taxonomy(categories=(WHEEL.model_copy(update={"elements": WHEEL.elements[:1], "edges": ()}),)),
            "'wheel' has the points 'hub', 'rim', not 'hub'",
        ),
    ],
)
def test_a_change_that_would_lose_annotations_is_refused_with_the_difference(
    client: Client, name: str, before: Taxonomy, after: Taxonomy, told: str
) -> None:
    sentence = refused(client, name, before, after)
    assert told in sentence
    assert "choose another cvat: project:" in sentence
    assert "\n" not in sentence


def test_every_difference_is_told_at_once(client: Client, name: str) -> None:
    before = Taxonomy(categories=(Category(name="dent"), Category(name="dirty", kind="tag")))
    after = Taxonomy(categories=(Category(name="dent", kind="mask"), Category(name="dirty")))
    sentence = refused(client, name, before, after)
    assert "'dent' is rectangle, not mask; 'dirty' is tag, not rectangle" in sentence


@pytest.mark.parametrize(
    ("values", "is_wider"), [(("0", "20", "1"), True), (("-2", "10", "2"), True), (("0", "20", "3"), False)]
)
def test_a_range_may_grow_as_long_as_it_holds_every_old_value(values: tuple[str, ...], is_wider: bool) -> None:
    present = WireLabel(1, "dent", "rectangle", (WireAttribute(1, "depth", "number", False, "0", ("0", "10", "2")),))
    changes = compare_labels(label_specs(taxonomy(DEPTH.model_copy(update={"values": values}))), [present])
    assert (changes.conflicts == []) == is_wider


def test_a_label_that_takes_every_shape_takes_ours() -> None:
    present = [WireLabel(1, "dent", "any"), WireLabel(2, "wheel", "any")]
    specs = label_specs(Taxonomy(categories=(Category(name="dent"), WHEEL)))
    assert compare_labels(specs, present).conflicts == ["'wheel' is any, not skeleton"]


def test_of_several_projects_of_a_name_the_oldest_counts(client: Client, name: str) -> None:
    body = msgspec.json.encode({"name": name})
    first, second = (msgspec.json.decode(call(client, "POST", "/api/projects", body=body))["id"] for _ in range(2))
    assert push_project(client, name, EVERYTHING) == first
    assert labels_of(client, second) == {}


def test_a_project_that_another_made_meanwhile_is_taken_and_ours_goes(
    client: Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = msgspec.json.encode({"name": name})
    theirs = msgspec.json.decode(call(client, "POST", "/api/projects", body=body))["id"]
    seen = iter([None])  # at first it was not there yet
    monkeypatch.setattr("cvat.project.find_project", lambda *_: next(seen, theirs))
    assert push_project(client, name, EVERYTHING) == theirs
    monkeypatch.undo()
    assert find_project(client, name) == theirs
    assert client.api_client.projects_api.list(name=name)[0].count == 1


def test_labels_that_another_made_meanwhile_are_taken(
    client: Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_id = push_project(client, name, EVERYTHING)
    empty = read_labels(client, "project_id", create_project(client, f"{name} empty"))
    seen = iter([empty])  # at first they were not there yet
    monkeypatch.setattr("cvat.project.read_labels", lambda *told: next(seen, None) or read_labels(*told))
    assert push_project(client, name, EVERYTHING) == project_id
    monkeypatch.undo()
    assert len(labels_of(client, project_id)) == len(EVERYTHING.categories)
