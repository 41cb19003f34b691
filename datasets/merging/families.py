"""Which pictures must stay on one side of a split, and on which side they are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from datasets.merging.groups import connected
from datasets.records import Split, View


class Side(Struct, frozen=True, gc=False):
    """A picture's family and split; `tied` are the families of both sides that it holds together."""

    family: str
    split: Split | None
    tied: tuple[str, ...] = ()


def find_sides(views: Mapping[str, Sequence[View]], near: Iterable[tuple[str, str]]) -> dict[str, Side]:
    """The side of every picture, by its SHA-256.

    Families that share a picture, or whose pictures show the same photograph, become one, named by the first of them.
    Where that would join a train family to a test family nothing is joined: pictures that are on one side stay there,
    and one that is on both or on neither gets no split.
    """
    families = {sha256: _families_of(said) for sha256, said in views.items()}
    splits: dict[str, set[Split]] = defaultdict(set)
    for said in views.values():
        for view in said:
            if view.split:
                splits[view.family].add(view.split)
    group_of = _groups(families, near)
    sides = {}
    for sha256, own in families.items():
        group = group_of.get(own[0], own)
        found = {split for family in group for split in splits.get(family, ())}
        if len(found) < 2:
            sides[sha256] = Side(group[0], next(iter(found), None))
        else:
            sides[sha256] = _torn(own, group, splits, {view.split for view in views[sha256] if view.split})
    return sides


def _families_of(views: Sequence[View]) -> list[str]:
    return [views[0].family] if len(views) == 1 else sorted({view.family for view in views})


def _groups(families: Mapping[str, list[str]], near: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The families that belong together, in order, by each of them that has others."""
    edges = [(own[0], other) for own in families.values() for other in own[1:]]
    edges += [(families[a][0], families[b][0]) for a, b in near if a in families and b in families]
    return {family: sorted(group) for group in connected(edges) for family in group}


def _torn(own: list[str], group: list[str], splits: Mapping[str, set[Split]], given: set[Split]) -> Side:
    """The side of a picture whose families are, or would be, on both: that given to it, or to all its families."""
    sides = [given] if len(given) == 1 and len(own) == 1 else [splits.get(family, set()) for family in own]
    if all(len(side) == 1 for side in sides) and len(set().union(*sides)) == 1:
        return Side(own[0], next(iter(sides[0])))
    return Side(own[0], None, tied=tuple(family for family in group if splits.get(family)))
