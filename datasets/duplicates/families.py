"""Group images that belong together."""

from collections.abc import Iterable

from datasets.duplicates.pairs import SURE_SCORE, Pair


def families(count: int, pairs: Iterable[Pair]) -> list[list[int]]:
    """All of `count` images in groups of the same photograph, each ascending, by first member.

    Sure pairs always join. Of the others, the best first, one is enough to bring in an image that is alone, and two
    are needed to join two families, so that a chain of doubtful pairs does not draw strangers together.
    """
    groups = _Groups(count)
    doubtful: list[Pair] = []
    for pair in sorted(pairs, key=lambda pair: (-pair.score, pair.one, pair.other)):
        link = groups.link(pair)
        if link[0] == link[1]:
            continue
        if pair.score < SURE_SCORE and min(groups.size[link[0]], groups.size[link[1]]) > 1:
            doubtful.append(pair)
            if sum(groups.link(earlier) == link for earlier in doubtful) < 2:
                continue
        groups.join(*link)
    return groups.members()


class _Groups:
    """Disjoint sets of numbers; a set's root is its least number."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))
        self.size = [1] * count

    def root(self, number: int) -> int:
        while self.parent[number] != number:
            self.parent[number] = self.parent[self.parent[number]]
            number = self.parent[number]
        return number

    def link(self, pair: Pair) -> tuple[int, int]:
        """The roots of a pair's two sets, the lesser first."""
        one, other = self.root(pair.one), self.root(pair.other)
        return (one, other) if one < other else (other, one)

    def join(self, one: int, other: int) -> None:
        self.parent[other] = one
        self.size[one] += self.size[other]

    def members(self) -> list[list[int]]:
        found: dict[int, list[int]] = {}
        for number in range(len(self.parent)):
            found.setdefault(self.root(number), []).append(number)
        return list(found.values())
