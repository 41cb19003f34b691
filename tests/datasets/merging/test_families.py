"""On which side of a split pictures are: families that belong together stay together, and no picture is moved."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from datasets.merging.families import Side, find_sides
from datasets.merging.groups import connected
from datasets.records import Split, View

PICTURES, FAMILIES = "abcdef", ("car 1", "car 2", "car 3", "car 4")
SPLITS: tuple[Split | None, ...] = (None, "train", "test")


def view(family: str, split: Split | None = None, source: str = "cvat") -> View:
    return View(source, "a.jpg", family, split)


Views = Mapping[str, Sequence[View]]
VIEWS = st.dictionaries(
    st.sampled_from(PICTURES),
    st.lists(st.builds(view, st.sampled_from(FAMILIES), st.sampled_from(SPLITS)), min_size=1, max_size=3),
)
NEAR = st.lists(st.tuples(st.sampled_from(PICTURES), st.sampled_from(PICTURES)), max_size=5)


def test_a_picture_keeps_its_family_and_side() -> None:
    assert find_sides({"a": [view("car 1", "test")], "b": [view("car 2")]}, []) == {
        "a": Side("car 1", "test"),
        "b": Side("car 2", None),
    }


def test_a_family_that_is_on_one_side_takes_its_new_pictures_there() -> None:
    sides = find_sides({"a": [view("car 1", "test")], "b": [view("car 1")]}, [])
    assert sides["b"] == Side("car 1", "test")


def test_families_that_share_a_picture_are_one_named_by_the_first() -> None:
    sides = find_sides({"a": [view("car 2"), view("car 1")], "b": [view("car 2", "train")], "c": [view("car 1")]}, [])
    assert sides == {letter: Side("car 1", "train") for letter in "abc"}


def test_families_whose_pictures_show_one_photograph_are_one() -> None:
    views = {"a": [view("car 3")], "b": [view("car 2", "test")], "c": [view("car 1")]}
    assert find_sides(views, [("a", "b"), ("c", "b")]) == {letter: Side("car 1", "test") for letter in "abc"}


def test_likeness_to_a_picture_that_is_not_there_means_nothing() -> None:
    assert find_sides({"a": [view("car 1")]}, [("a", "z"), ("z", "y")]) == {"a": Side("car 1", None)}


def test_nothing_is_joined_across_the_split_and_both_sides_stay() -> None:
    views = {"a": [view("car 1", "train")], "b": [view("car 2", "test")]}
    assert find_sides(views, [("a", "b")]) == {"a": Side("car 1", "train"), "b": Side("car 2", "test")}


def test_a_new_picture_between_both_sides_goes_to_neither_and_names_who_ties_it() -> None:
    views = {"a": [view("car 1", "train")], "b": [view("car 2", "test")], "c": [view("car 3")]}
    sides = find_sides(views, [("a", "c"), ("b", "c")])
    assert sides["c"] == Side("car 3", None, tied=("car 1", "car 2"))
    assert (sides["a"].split, sides["b"].split) == ("train", "test")


def test_a_picture_that_sources_put_on_both_sides_goes_to_neither() -> None:
    sides = find_sides({"a": [view("car 1", "train"), view("car 2", "test")]}, [])
    assert sides["a"] == Side("car 1", None, tied=("car 1", "car 2"))


def test_a_new_picture_of_a_family_on_both_sides_goes_to_neither() -> None:
    views = {"a": [view("car 1", "train")], "b": [view("car 1", "test")], "c": [view("car 1")]}
    assert find_sides(views, [])["c"] == Side("car 1", None, tied=("car 1",))


def test_a_picture_of_a_family_on_both_sides_stays_where_it_is() -> None:
    views = {"a": [view("car 1", "train")], "b": [view("car 1", "test")]}
    sides = find_sides(views, [])
    assert (sides["a"].split, sides["b"].split) == ("train", "test")


@given(views=VIEWS, near=NEAR)
def test_a_picture_changes_sides_in_no_case(views: Views, near: list[tuple[str, str]]) -> None:
    for letter, side in find_sides(views, near).items():
        had = {one.split for one in views[letter] if one.split}
        assert not had or side.split is None or side.split in had


@given(views=VIEWS, near=NEAR)
def test_no_family_comes_to_be_on_both_sides(views: Views, near: list[tuple[str, str]]) -> None:
    before = _sides_of_families((one.family, one.split) for said in views.values() for one in said)
    after = _sides_of_families((side.family, side.split) for side in find_sides(views, near).values())
    assert all(len(found) < 2 or len(before[family]) == 2 for family, found in after.items())


def _sides_of_families(told: Iterable[tuple[str, Split | None]]) -> dict[str, set[Split]]:
    splits: dict[str, set[Split]] = defaultdict(set)
    for family, split in told:
        splits[family].update([split] if split else [])
    return splits


@given(views=VIEWS, near=NEAR)
def test_what_belongs_together_shares_a_family_unless_it_is_tied_across_the_split(
    views: Views, near: list[tuple[str, str]]
) -> None:
    edges = [(f"picture {letter}", one.family) for letter, said in views.items() for one in said]
    edges += [(f"picture {a}", f"picture {b}") for a, b in near if a in views and b in views]
    sides = find_sides(views, near)
    for group in connected(edges):
        pictures = [letter for letter in views if f"picture {letter}" in group]
        splits = {one.split for letter in pictures for one in views[letter] if one.split}
        families = {sides[letter].family for letter in pictures}
        if len(splits) < 2:
            assert families == {min(one.family for letter in pictures for one in views[letter])}
            assert {sides[letter].split for letter in pictures} == (splits or {None})
        assert any(sides[letter].tied for letter in pictures) <= (len(splits) == 2)


@given(data=st.data(), views=VIEWS, near=NEAR)
def test_order_and_repetition_change_nothing(data: st.DataObject, views: Views, near: list[tuple[str, str]]) -> None:
    letters = data.draw(st.permutations(list(views)))
    shuffled = {letter: data.draw(st.permutations([*views[letter], views[letter][0]])) for letter in letters}
    turned = [(b, a) for a, b in data.draw(st.permutations([*near, *near[:1]]))]
    assert find_sides(shuffled, turned) == find_sides(views, near)


@given(edges=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20))
def test_groups_are_disjoint_and_hold_every_edge(edges: list[tuple[int, int]]) -> None:
    groups = connected(edges)
    assert sorted(member for group in groups for member in group) == sorted({end for edge in edges for end in edge})
    assert all(any(a in group and b in group for group in groups) for a, b in edges)


def test_a_chain_of_a_hundred_thousand_is_one_group() -> None:
    (group,) = connected((number, number + 1) for number in range(100_000))
    assert len(group) == 100_001
