"""Which classes are known on each image, as numbers that can follow pixels through augmentations.

Images annotated for the same classes are one group. A map of groups, (H, W) uint8, lies under each picture and is moved
with it; FULL, where there is no image but only border, stands for everything known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.errors import UnsuitableLabels

FULL = 255


@dataclass(frozen=True)
class KnownClasses:
    """`groups` is each image's; `table` (256, classes) says what each group knows.

    `both` (256, 256) is the group of two images seen through each other: what both know.
    """

    groups: tuple[int, ...]
    table: NDArray[np.bool_]
    both: NDArray[np.uint8]


def group_known(known: Sequence[frozenset[int]], *, classes: int, blended: bool) -> KnownClasses | None:
    """Groups of images by the output indices, below `classes`, that each was annotated for; None where all know all.

    `blended` makes room for any two images on top of each other. Raises UnsuitableLabels when there are too many.
    """
    everything = frozenset(range(classes))
    if all(one >= everything for one in known):
        return None
    found = sorted({one & everything for one in known}, key=sorted)
    kept = dict.fromkeys(found)
    if blended:
        kept.update(dict.fromkeys(one & other for one in found for other in found))
    if len(kept) > FULL:
        raise UnsuitableLabels(
            f"the images know {len(found)} different sets of classes, which give {len(kept)} when blended, of at most "
            f"{FULL}; set mixup to 0, or train on fewer sources"
        )
    number = {one: index for index, one in enumerate(kept)}
    table = np.ones((FULL + 1, classes), np.bool_)
    for one, index in number.items():
        table[index] = [class_id in one for class_id in range(classes)]
    return KnownClasses(tuple(number[one & everything] for one in known), table, _both(number, blended=blended))


def _both(number: dict[frozenset[int], int], *, blended: bool) -> NDArray[np.uint8]:
    both = np.full((FULL + 1, FULL + 1), FULL, np.uint8)
    both[:, FULL] = both[FULL] = np.arange(FULL + 1)
    if blended:
        for one, first in number.items():
            for other, second in number.items():
                both[first, second] = number.get(one & other, first)
    return both
