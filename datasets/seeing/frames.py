"""Which frames of a dataset to look at: a sample that only the seed decides, never a deleted image."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from datasets.coco import Dataset, Image
from datasets.errors import BadDataset
from datasets.merging.conflicts import Conflict
from datasets.split import unit_hash

Only = Literal["conflicts", "merged", "near-duplicates"]
By = Literal["class", "split"]

FRAMES = 48
_MOST_NEAR = 12


@dataclass(frozen=True)
class Group:
    """Frames under one title, by SHA-256; without a title they are all there are."""

    title: str
    sha256s: tuple[str, ...]


def choose_frames(
    dataset: Dataset,
    *,
    number: int = FRAMES,
    seed: int = 0,
    only: Only | None = None,
    by: By | None = None,
    classes: Sequence[str] = (),
    splits: Sequence[str] = (),
    conflicts: Iterable[Conflict] = (),
) -> list[Group]:
    """Up to `number` frames, each once.

    `only` those in conflict, with an object merged from several originals, or (side by side) that show one photograph.
    `classes` and `splits` (`train`, `test`, `none`) leave only frames that have one of them. `by` shares the number
    evenly among classes, rare ones first to choose, or sides of the split. `conflicts` are the version's.

    Raises:
        BadDataset: no frame is left.
        UnknownCategory: a class is not in the dataset's taxonomy.
    """
    shown = {dataset.taxonomy.category_id(name) for name in classes}
    disputed = {conflict.sha256 for conflict in conflicts}
    found = [
        image
        for image in sorted(dataset.images, key=lambda image: unit_hash(image.sha256, seed=seed))
        if not image.deleted
        and (not shown or shown & category_ids(dataset, image))
        and (not splits or (image.split or "none") in splits)
        and (only is None or _is(only, dataset, image, disputed))
    ]
    groups = _near_groups(found, dataset, number) if only == "near-duplicates" else _groups(found, dataset, number, by)
    if not groups:
        wanted = " ".join(filter(None, (only, *classes, *splits)))
        raise BadDataset(f"none of {len(dataset.images)} images can be shown ({wanted or 'all'}); ask for others")
    return groups


def category_ids(dataset: Dataset, image: Image) -> set[int]:
    """The classes that an image shows, as objects or tags."""
    tags = {tag.category_id for tag in image.tags}
    return tags | {annotation.category_id for annotation in dataset.annotations_of.get(image.sha256, ())}


def _is(only: Only, dataset: Dataset, image: Image, disputed: set[str]) -> bool:
    if only == "conflicts":
        return image.sha256 in disputed
    if only == "near-duplicates":
        return any(other in dataset.by_sha256 and not dataset.by_sha256[other].deleted for other in image.near)
    return any(len(annotation.origins) > 1 for annotation in dataset.annotations_of.get(image.sha256, ()))


def _groups(found: Sequence[Image], dataset: Dataset, number: int, by: By | None) -> list[Group]:
    """`found` shared out: to all in one, to sides of the split, or to classes."""
    if by is None:
        groups = {"": [image.sha256 for image in found[:number]]}
    elif by == "split":
        groups = _share_out(
            {s: [i for i in found if (i.split or "none") == s] for s in ("train", "test", "none")}, number
        )
    else:
        ids = {image.sha256: category_ids(dataset, image) for image in found}
        names = enumerate(dataset.taxonomy.names(), start=1)
        groups = _share_out({name: [i for i in found if number_ in ids[i.sha256]] for number_, name in names}, number)
    return [Group(title, tuple(sha256s)) for title, sha256s in groups.items() if sha256s]


def _share_out(candidates: Mapping[str, Sequence[Image]], number: int) -> dict[str, list[str]]:
    """The same number to each title, those with the fewest candidates first; no image twice."""
    titles = sorted((title for title in candidates if candidates[title]), key=lambda title: len(candidates[title]))
    taken: dict[str, list[str]] = {title: [] for title in candidates}
    used: set[str] = set()
    for place, title in enumerate(titles):
        share = max(1, (number - len(used)) // (len(titles) - place)) if len(used) < number else 0
        free = [image.sha256 for image in candidates[title] if image.sha256 not in used]
        taken[title] = free[:share]
        used.update(taken[title])
    return taken


def _near_groups(found: Sequence[Image], dataset: Dataset, number: int) -> list[Group]:
    """Images of one photograph side by side: whole groups, of at most a dozen each, until there are enough."""
    groups: list[Group] = []
    used: set[str] = set()
    for image in found:
        if len(used) < number and image.sha256 not in used:
            together = _reachable(image, dataset)
            used.update(together)
            groups.append(Group(f"{image.family}: {len(together)} images of one photograph", together[:_MOST_NEAR]))
    return groups


def _reachable(image: Image, dataset: Dataset) -> tuple[str, ...]:
    """The image, the ones near it, near those, and so on."""
    found, ahead = {image.sha256: None}, [image]
    while ahead:
        for sha256 in ahead.pop().near:
            other = dataset.by_sha256.get(sha256)
            if other and not other.deleted and sha256 not in found:
                found[sha256] = None
                ahead.append(other)
    return tuple(found)


def conflicts_by_image(conflicts: Iterable[Conflict]) -> Mapping[str, list[str]]:
    """What is disputed on each image, told in a line each."""
    told: dict[str, list[str]] = defaultdict(list)
    for conflict in conflicts:
        about = " / ".join(conflict.categories)
        sources = " against ".join(conflict.sources)
        told[conflict.sha256].append(": ".join(filter(None, (conflict.kind, about, sources, conflict.detail))))
    return told


def class_counts(dataset: Dataset, image: Image) -> dict[int, int]:
    """Objects on an image by category id, in the project's order."""
    counts = Counter(annotation.category_id for annotation in dataset.annotations_of.get(image.sha256, ()))
    return dict(sorted(counts.items()))
