"""Making a FiftyOne dataset show exactly the images of a review, and nothing twice.

A sample's id is the beginning of its image's hash, and each sample has a digest of what it was made from. So a sync
reads the digests, writes what is new or other, and removes what is gone. What reviewers added stays, and no image is
removed before what they decided of it was read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from datasets.coco import Dataset
from datasets.collecting import no_cycle_collection
from datasets.curating.appearance import arrange
from datasets.curating.documents import NO_ONE, changes, new_document, our_fields
from datasets.curating.labels import Document, sample_id, shown_attributes
from datasets.curating.reading import has_unread
from datasets.curating.review import Review, Shown, shown_images
from datasets.curating.schema import CONTENT, declare_fields
from datasets.curating.views import save_views
from datasets.errors import BadInput

_AT_ONCE = 1000


@dataclass(frozen=True)
class Synced:
    """How many images FiftyOne shows, and how many of them were new, changed, or are no longer there."""

    images: int
    added: int
    changed: int
    removed: int


def sync(fo: Any, name: str, review: Review, *, info: Mapping[str, Any] = MappingProxyType({})) -> Synced:
    """Make or update FiftyOne's dataset `name`, whose `info` will hold these entries.

    Raises:
        BadInput: a dataset of that name is there which was not made by this, or which would lose decisions that were
            not read; nothing is changed.
    """
    with no_cycle_collection():
        dataset = _open(fo, name, review)
        held = {row["_id"]: row.get(CONTENT) for row in dataset._sample_collection.find({}, {CONTENT: 1})}
        classes = review.dataset.taxonomy.names()
        wanted = {sample_id(shown.image.sha256): (shown, shown.digest(classes)) for shown in shown_images(review)}
        new = [(shown, digest) for key, (shown, digest) in wanted.items() if key not in held]
        other = [(shown, digest) for key, (shown, digest) in wanted.items() if held.get(key, digest) != digest]
        gone = [key for key in held if key not in wanted]
        if gone:
            _remove(dataset, review, [str(key) for key in gone])
        _insert(dataset, review, new)
        _update(dataset, review, other)
        if new or other or gone or any(dataset.info.get(key) != value for key, value in info.items()):
            dataset.info.update(info)
            dataset.save()  # tells an open App
        save_views(fo, dataset, review.dataset.taxonomy)
    return Synced(len(wanted), len(new), len(other), len(gone))


def _open(fo: Any, name: str, review: Review) -> Any:
    """The dataset of that name with all its fields, made where it is missing, or finished where a kill left it."""
    made = not fo.dataset_exists(name)
    dataset = fo.Dataset(name, persistent=True) if made else fo.load_dataset(name)
    if not made and len(dataset) and CONTENT not in dataset.get_field_schema():
        raise BadInput(f"FiftyOne's dataset {name!r} was not made by carloop curate; choose another name for this one")
    if dataset.media_type is None:
        dataset.media_type = "image"
    if not dataset.default_classes:
        dataset.default_classes = review.dataset.taxonomy.names()
    declare_fields(fo, dataset, _attributes([review.dataset, *review.predictions.values()]))
    if not dataset.app_config.sidebar_groups:
        arrange(fo, dataset)
    return dataset


def _attributes(datasets: Sequence[Dataset]) -> set[str]:
    names = {name for dataset in datasets for a in dataset.annotations for name in a.attributes}
    return set(shown_attributes(dict.fromkeys(names, "0")))


def _remove(dataset: Any, review: Review, gone: Sequence[str]) -> None:
    if has_unread(dataset.select(gone), review.decisions, info=dataset.info):
        raise BadInput(
            f"FiftyOne's dataset {dataset.name!r} shows {len(gone):,} images that this would remove, with decisions "
            f"that were not taken back; read them by carloop curate read {dataset.name}, then sync again"
        )
    dataset.delete_samples(gone)


def _insert(dataset: Any, review: Review, new: Sequence[tuple[Shown, str]]) -> None:
    now, dataset_id = datetime.now(UTC), dataset._doc.id
    for several in _batches(new):
        decided = ((ours, review.decisions.get(ours["sha256"], NO_ONE)) for ours in _ours(review, several))
        documents = [new_document(ours, dataset_id, decision, now=now) for ours, decision in decided]
        dataset._sample_collection.insert_many(documents, ordered=False)


def _update(dataset: Any, review: Review, other: Sequence[tuple[Shown, str]]) -> None:
    now = datetime.now(UTC)
    for several in _batches(other):
        held = _read_held(dataset, [sample_id(shown.image.sha256) for shown, _ in several])
        updates = [
            UpdateOne({"_id": key}, {"$set": changes(ours, held.get(key, {}), now=now)})
            for ours in _ours(review, several)
            for key in [sample_id(ours["sha256"])]
        ]
        dataset._sample_collection.bulk_write(updates, ordered=False)


def _batches(several: Sequence[tuple[Shown, str]]) -> Iterator[Sequence[tuple[Shown, str]]]:
    return (several[start : start + _AT_ONCE] for start in range(0, len(several), _AT_ONCE))


def _ours(review: Review, several: Sequence[tuple[Shown, str]]) -> Iterator[Document]:
    taxonomy = review.dataset.taxonomy
    return (our_fields(shown, taxonomy, digest=digest) for shown, digest in several)


def _read_held(dataset: Any, keys: Sequence[ObjectId]) -> Mapping[ObjectId, Document]:
    return {row["_id"]: row for row in dataset._sample_collection.find({"_id": {"$in": list(keys)}})}
