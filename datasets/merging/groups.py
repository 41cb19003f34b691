"""Disjoint sets: what belongs together, directly or through others."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import TypeVar

Member = TypeVar("Member", bound=Hashable)


def connected(edges: Iterable[tuple[Member, Member]]) -> list[set[Member]]:
    """The groups that the edges make, each of two or more members unless an edge joins one to itself."""
    parent: dict[Member, Member] = {}

    def root(member: Member) -> Member:
        parent.setdefault(member, member)
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for one, other in edges:
        parent[root(one)] = root(other)
    groups: dict[Member, set[Member]] = defaultdict(set)
    for member in parent:
        groups[root(member)].add(member)
    return list(groups.values())
