"""Group images that belong together."""

from collections import defaultdict
from collections.abc import Iterable

from datasets.duplicates.pairs import SURE_SCORE, Pair


def families(count: int, pairs: Iterable[Pair]) -> list[list[int]]:
    """All of `count` images in groups of the same photograph, each ascending, by first member.

    Sure pairs always join. Of the others, the best first, one is enough to bring in an image that is alone, and two
    are needed to join two families, so that a chain of doubtful pairs does not draw strangers together.
    """
    group_of = {number: [number] for number in range(count)}
    doubts = defaultdict[int, list[int]](list)
    for pair in sorted(pairs, key=lambda pair: (-pair.score, pair.one, pair.other)):
        small, large = sorted((group_of[pair.one], group_of[pair.other]), key=len)
        if small is large:
            continue
        if pair.score < SURE_SCORE and len(small) > 1:
            doubts[pair.one].append(pair.other)
            doubts[pair.other].append(pair.one)
            if sum(group_of[other] is large for number in small for other in doubts[number]) < 2:
                continue
        large.extend(small)
        group_of.update(dict.fromkeys(small, large))
    return [sorted(group) for group in {id(group): group for group in group_of.values()}.values()]
