"""What reviewers decided, in a file and on a version."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datasets.coco import Annotation, Copy, Image, View, from_records, make_dataset, to_records
from datasets.decisions import (
    MARKS,
    Decision,
    apply_decisions,
    decisive,
    honour,
    keep_decisions,
    marked,
    only,
    read_decisions,
    relabel_requests,
    updated,
    write_decisions,
)
from datasets.digests import content_digest
from datasets.errors import BadDataset
from datasets.records import CocoFile
from datasets.taxonomy import DEFAULT_TAXONOMY
from datasets.versions import version_digest

SHA256S = [f"{number:064x}" for number in range(6)]
DECISIONS = st.dictionaries(
    st.sampled_from(SHA256S),
    st.builds(Decision, st.sets(st.sampled_from(MARKS)).map(lambda s: tuple(sorted(s, key=MARKS.index)))),
)


def make_content() -> CocoFile:
    """Three cars of two photographs each; the last is the test set's."""
    views = (View("source", "a.jpg", "car", "train"),)
    images = [
        Image(sha256, f"{sha256}.jpg", 10, 10, f"car {number // 2}", "test" if number > 3 else "train", views=views)
        for number, sha256 in enumerate(SHA256S)
    ]
    annotations = [Annotation(sha256, 1, (0, 0, 5, 5)) for sha256 in SHA256S]
    return to_records(make_dataset(DEFAULT_TAXONOMY, images, annotations))


def sides(content: CocoFile) -> dict[str, str | None]:
    return {image.sha256: image.split for image in content.images}


def test_excluded_images_leave_with_their_objects() -> None:
    decided = apply_decisions(make_content(), {SHA256S[1]: Decision(("exclude",))})
    assert decided.excluded == {SHA256S[1]}
    assert [image.sha256 for image in decided.content.images] == [SHA256S[0], *SHA256S[2:]]
    assert len(decided.content.annotations) == 5


def test_a_gold_image_takes_its_car_off_training_and_nothing_else() -> None:
    decided = apply_decisions(make_content(), {SHA256S[0]: Decision(("gold",)), SHA256S[4]: Decision(("gold",))})
    assert list(sides(decided.content).values()) == [None, None, "train", "train", "test", "test"]
    assert (decided.gold, decided.benched) == ({SHA256S[0], SHA256S[4]}, {SHA256S[1]})
    assert all(view.split is None for image in decided.content.images[:2] for view in image.views)


def test_what_shows_the_photograph_of_a_gold_one_is_not_trained_on() -> None:
    """Another family may show it, and an image of another size may have been kept in its place."""
    content = make_content()
    near = replace(content.images[2], near=(SHA256S[0],))
    other = replace(content.images[4], split="train", copies=(Copy("f" * 64, "f.jpg", 5, 5),))
    content.images[2], content.images[4] = near, other
    decided = apply_decisions(content, {SHA256S[0]: Decision(("gold",)), "f" * 64: Decision(("gold",))})
    assert list(sides(decided.content).values()) == [None, None, None, None, None, "test"]
    assert decided.gold == {SHA256S[0], SHA256S[4]}


def test_what_is_decided_of_an_image_holds_for_those_derived_from_it() -> None:
    content = make_content()
    content.images[0] = replace(content.images[0], derived_from="e" * 64)
    content.images[2] = replace(content.images[2], derived_from="f" * 64)
    decided = apply_decisions(content, {"e" * 64: Decision(("exclude",)), "f" * 64: Decision(("gold",))})
    assert (decided.excluded, decided.gold) == ({SHA256S[0]}, {SHA256S[2]})


def test_a_dataset_is_as_its_records_after_decisions() -> None:
    dataset = from_records(make_content(), DEFAULT_TAXONOMY)
    decisions = {SHA256S[0]: Decision(("gold",)), SHA256S[5]: Decision(("exclude",)), SHA256S[2]: Decision((), 1)}
    assert honour(dataset, {SHA256S[2]: Decision(("relabel",), 1)}) is dataset
    decided = apply_decisions(make_content(), decisions).content
    assert version_digest(honour(dataset, decisions)) == content_digest(decided)
    assert decisive(decisions) == [(SHA256S[0], ["gold"]), (SHA256S[5], ["exclude"])]


@given(DECISIONS)
def test_applying_decisions_again_changes_nothing(decisions: dict[str, Decision]) -> None:
    once = apply_decisions(make_content(), decisions)
    again = apply_decisions(once.content, decisions)
    assert again.content == once.content
    assert not again.excluded


@given(DECISIONS, DECISIONS)
def test_what_is_shown_counts_and_the_rest_stays(known: dict[str, Decision], shown: dict[str, Decision]) -> None:
    found = updated(known, shown)
    marks = {sha256: decision.marks for sha256, decision in found.items()}
    assert all(marks.get(sha256, ()) == decision.marks for sha256, decision in shown.items())
    assert all(marks.get(sha256, ()) == known[sha256].marks for sha256 in known.keys() - shown.keys())
    assert updated(found, shown) == found


@given(DECISIONS, DECISIONS)
def test_who_changed_nothing_takes_nothing_back(known: dict[str, Decision], shown: dict[str, Decision]) -> None:
    assert updated(known, shown, before=shown) == {s: one for s, one in known.items() if one != Decision()}


@given(DECISIONS, DECISIONS)
def test_nothing_is_taken_back_that_was_never_shown(known: dict[str, Decision], shown: dict[str, Decision]) -> None:
    found = updated(known, shown, before={})
    everything = [(sha256, mark) for several in (known, shown) for sha256, one in several.items() for mark in one.marks]
    assert {(sha256, mark) for sha256, one in found.items() for mark in one.marks} == set(everything)
    assert updated(found, shown, before={}) == found


def test_what_was_changed_counts_and_what_others_decided_stays() -> None:
    known = {SHA256S[0]: Decision(("exclude", "relabel"), 5, "dark\nblurred", earlier=1)}
    before, shown = Decision(("relabel",), 3, "dark"), Decision(("gold",), 3, "dusk")
    found = updated(known, {SHA256S[0]: shown}, before={SHA256S[0]: before})
    assert found == {SHA256S[0]: Decision(("exclude", "gold"), 5, "blurred\ndusk", earlier=2)}
    rated = updated(known, {SHA256S[0]: replace(before, quality=1)}, before={SHA256S[0]: before})
    assert rated == {SHA256S[0]: replace(known[SHA256S[0]], quality=1)}


def test_datasets_with_and_without_relabel_read_in_turns_ask_once() -> None:
    asking, other = {SHA256S[0]: Decision(("relabel",))}, {SHA256S[0]: Decision()}
    decisions: dict[str, Decision] = updated({}, asking, before={})
    for shown in (other, asking, other, asking):
        decisions = updated(decisions, shown, before=shown)
    assert relabel_requests(decisions) == {SHA256S[0]: 0}


def test_each_time_that_relabel_is_marked_anew_is_a_request_of_its_own() -> None:
    shown = ({SHA256S[0]: Decision(marks)} for marks in (("relabel",), ("relabel",), (), ("relabel", "gold")))
    decisions: dict[str, Decision] = {}
    asked = [relabel_requests(decisions := updated(decisions, one)) for one in shown]
    assert asked == [{SHA256S[0]: 0}, {SHA256S[0]: 0}, {}, {SHA256S[0]: 1}]


def test_decisions_are_kept_in_a_file(tmp_path: Path) -> None:
    decisions = {SHA256S[0]: Decision(("exclude",)), SHA256S[1]: Decision((), 4, "sharp")}
    write_decisions(tmp_path / "new" / "decisions.json", decisions)
    assert read_decisions(tmp_path / "new" / "decisions.json") == decisions
    assert marked(decisions, "exclude") == {SHA256S[0]}


def test_what_is_shown_is_kept_beside_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "new" / "decisions.json"
    for sha256 in SHA256S[:2]:
        kept = keep_decisions(path, {sha256: Decision(("exclude",))})
    assert read_decisions(path) == kept == dict.fromkeys(SHA256S[:2], Decision(("exclude",)))


def test_a_broken_file_of_decisions_is_told(tmp_path: Path) -> None:
    path = tmp_path / "decisions.json"
    assert read_decisions(path) == {}
    path.write_text('{"ab": {"marks": ["exlude"]}}')
    with pytest.raises(BadDataset, match=r"decisions.json is broken: Invalid enum value 'exlude'"):
        read_decisions(path)


def test_a_part_of_a_file_has_these_images_alone() -> None:
    part = only(make_content(), SHA256S[:2])
    assert [image.sha256 for image in part.images] == SHA256S[:2]
    assert len(part.annotations) == 2
