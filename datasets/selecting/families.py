"""Which images people label next: new families first, otherwise at random by a seeded hash."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from datasets.coco import Image
from datasets.split import unit_hash


def select(images: Iterable[Image], *, taken: Collection[str], budget: int, seed: int) -> list[Image]:
    """At most `budget` images whose SHA-256 is not in `taken`.

    Families with the fewest images taken come first, since two photographs of one car teach less than one each of
    two; ties are broken by hash, so the same inputs give the same choice in any order.
    """
    by_family: dict[str, list[Image]] = defaultdict(list)
    done: dict[str, int] = defaultdict(int)
    for image in images:
        if image.sha256 in taken:
            done[image.family] += 1
        else:
            by_family[image.family].append(image)
    ranked = [
        (done[family] + position, unit_hash(image.sha256, seed=seed), image)
        for family, members in by_family.items()
        for position, image in enumerate(sorted(members, key=lambda image: unit_hash(image.sha256, seed=seed)))
    ]
    ranked.sort(key=lambda entry: entry[:2])
    return [image for _, _, image in ranked[:budget]]
