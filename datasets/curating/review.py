"""What is to be shown of a dataset, put together by image."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec
from msgspec import Struct

from datasets.coco import Annotation, Dataset, Image, Tag
from datasets.decisions import Decision
from datasets.ledger import FateRow
from datasets.merging.conflicts import Conflict
from datasets.split import find_leaks
from datasets.store import ImageStore
from datasets.taxonomy import Taxonomy

MODELS = ("champion", "challenger")
RARE_SHARE = 0.05
"""A class is rare that fewer than this share of the images show."""
_FORM = 1  # to be raised with any change to what `documents` makes of the same content
_ENCODER = msgspec.json.Encoder(enc_hook=float, order="deterministic")  # numpy's numbers are numbers


@dataclass(frozen=True)
class Review:
    """A dataset and what else is known of its images; mappings are by SHA-256.

    `predictions` are by `MODELS`, as datasets whose annotations have scores and whose tags say their `confidence` in
    an attribute. `quarantine` has reasons, `failed_probes` the kinds of planted errors that a person let stand.
    """

    dataset: Dataset
    store: ImageStore
    fates: Iterable[FateRow] = ()
    predictions: Mapping[str, Dataset] = field(default_factory=dict)
    conflicts: Iterable[Conflict] = ()
    quarantine: Mapping[str, str] = field(default_factory=dict)
    failed_probes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)


class Predicted(Struct, frozen=True, gc=False):
    """What a model says of one image."""

    annotations: tuple[Annotation, ...]
    tags: tuple[Tag, ...]


class Shown(Struct, frozen=True, gc=False):
    """All that is shown of one image; `leak` tells what ties it to the other side of the split."""

    filepath: str
    image: Image
    annotations: tuple[Annotation, ...]
    fates: tuple[FateRow, ...]
    predicted: Mapping[str, Predicted]
    conflicts: tuple[str, ...]
    quarantined: str | None
    failed_probes: tuple[str, ...]
    leak: str | None
    rare_classes: tuple[str, ...]

    def digest(self, classes: Sequence[str]) -> str:
        """What tells whether an image has to be shown anew: 32 hex digits."""
        return blake2b(_ENCODER.encode((_FORM, classes, self)), digest_size=16).hexdigest()


def shown_images(review: Review) -> Iterator[Shown]:
    """What is shown of each image that was not deleted, in the dataset's order."""
    dataset = review.dataset.live
    fates, conflicts = defaultdict(list), defaultdict(list)
    for row in review.fates:
        fates[row.sha256].append(row)
    for conflict in review.conflicts:
        conflicts[conflict.sha256].append(_conflict_text(conflict))
    leaks, rare, root = _leaks(dataset), rare_classes(dataset), review.store.root.absolute()
    for image in dataset.images:
        sha256, annotations = image.sha256, dataset.annotations_of.get(image.sha256, ())
        present = {*(a.category_id for a in annotations), *(tag.category_id for tag in image.tags)}
        yield Shown(
            f"{root}/{image.file_name}",
            image,
            tuple(annotations),
            tuple(fates.get(sha256, ())),
            {name: found for name, said in review.predictions.items() if (found := _predicted(said, sha256))},
            tuple(sorted(set(conflicts.get(sha256, ())))),
            review.quarantine.get(sha256),
            tuple(review.failed_probes.get(sha256, ())),
            leaks.get(sha256),
            _names(dataset.taxonomy, present & rare),
        )


def rare_classes(dataset: Dataset) -> set[int]:
    """The classes that some image shows, but fewer than `RARE_SHARE` of them."""
    shown = {(a.sha256, a.category_id) for a in dataset.annotations}
    shown |= {(image.sha256, tag.category_id) for image in dataset.images for tag in image.tags}
    counts = Counter(category_id for _, category_id in shown)
    return {category_id for category_id, count in counts.items() if count < RARE_SHARE * len(dataset.images)}


def _names(taxonomy: Taxonomy, category_ids: Collection[int]) -> tuple[str, ...]:
    return tuple(taxonomy.name(category_id) for category_id in sorted(category_ids))


def _predicted(said: Dataset, sha256: str) -> Predicted | None:
    """What a model says of an image; None where it was not asked."""
    image = said.by_sha256.get(sha256)
    return Predicted(tuple(said.annotations_of.get(sha256, ())), image.tags) if image else None


def _conflict_text(conflict: Conflict) -> str:
    told = f"{conflict.kind}: {' / '.join(conflict.categories)}".rstrip(": ")
    return f"{told} ({', '.join(conflict.sources)})" if conflict.sources else told


def _leaks(dataset: Dataset) -> dict[str, str]:
    found = find_leaks(dataset)
    families = set(found.families)
    told = {i.sha256: f"the family {i.family} is on both sides" for i in dataset.images if i.family in families}
    for pair in found.near:
        for one, other in (pair, pair[::-1]):
            told[one] = f"{other[:16]} on the other side shows the same photograph"
    return told
