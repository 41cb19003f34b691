"""An image as FiftyOne keeps it in MongoDB: our fields, which a sync sets, and those that are the reviewers' own."""

from collections.abc import Iterable
from datetime import datetime
from random import Random
from typing import Any

from bson import ObjectId

from datasets.curating.labels import (
    Document,
    Ids,
    classifications,
    detections,
    polylines,
    prelabelled_tags,
    prelabels,
    sample_id,
)
from datasets.curating.measures import corrections, disagreement, hardness
from datasets.curating.review import MODELS, Shown
from datasets.decisions import Decision
from datasets.taxonomy import Taxonomy

TRUTH, OUTLINES, TAGS = "ground_truth", "outlines", "whole_image"
PRELABELS, PRELABELLED_TAGS = "prelabels", "prelabelled_tags"
SPLITS = frozenset(("train", "test"))
"""Tags that are ours; all others are the reviewers'."""
NO_ONE = Decision()


def tags_of(name: str) -> str:
    """The field with a model's tags."""
    return f"{name}_tags"


def our_fields(shown: Shown, taxonomy: Taxonomy, *, digest: str) -> Document:
    """What a sync sets, and replaces when it is other than before."""
    image, source = shown.image, shown.image.source
    ids = Ids(image.sha256)
    return {
        "filepath": shown.filepath,
        "metadata": {"_cls": "ImageMetadata", "width": image.width, "height": image.height, "num_channels": 3},
        "sha256": image.sha256,
        "family": image.family,
        "split": image.split,
        "sources": sorted(_sources(shown)),
        "license": source.license,
        "author": source.author,
        "page_url": source.page_url,
        "url": source.url,
        "retrieved_at": source.retrieved_at,
        "near": list(image.near),
        TRUTH: detections(TRUTH, shown.annotations, image, taxonomy, ids),
        OUTLINES: polylines(OUTLINES, shown.annotations, image, taxonomy, ids),
        TAGS: classifications(TAGS, image.tags, taxonomy, ids),
        PRELABELS: prelabels(PRELABELS, shown.fates, image, ids),
        PRELABELLED_TAGS: prelabelled_tags(PRELABELLED_TAGS, shown.fates, ids),
        **_predictions(shown, taxonomy, ids),
        "corrections": corrections(shown.fates),
        "disagreement": disagreement(shown.predicted),
        "hardness": hardness(image.tags, shown.predicted.get(MODELS[0])),
        "conflicts": list(shown.conflicts),
        "quarantined": shown.quarantined,
        "failed_probes": list(shown.failed_probes),
        "leak": shown.leak,
        "rare_classes": list(shown.rare_classes),
        "content": digest,
    }


def _sources(shown: Shown) -> set[str]:
    views = {view.source for view in shown.image.views}
    return (views | {origin.source for a in shown.annotations for origin in a.origins}) - {""}


def _predictions(shown: Shown, taxonomy: Taxonomy, ids: Ids) -> Document:
    """Both models' boxes and tags; nothing where a model was not asked."""
    told: Document = {}
    for name in MODELS:
        said = shown.predicted.get(name)
        told[name] = said and detections(name, said.annotations, shown.image, taxonomy, ids)
        told[tags_of(name)] = said and classifications(tags_of(name), said.tags, taxonomy, ids, scored=True)
    return told


def new_document(ours: Document, dataset_id: ObjectId, decision: Decision, *, now: datetime) -> Document:
    """A whole sample, with what was decided of the image earlier."""
    return {
        "_id": sample_id(ours["sha256"]),
        "_dataset_id": dataset_id,
        "_media_type": "image",
        "_rand": Random(ours["sha256"]).random(),  # FiftyOne takes a random part of a dataset by it
        "created_at": now,
        "last_modified_at": now,
        "tags": _with_split(decision.marks, ours["split"]),
        "lookalikes": [],
        "quality": decision.quality,
        "notes": decision.notes,
        **ours,
    }


def changes(ours: Document, held: Document, *, now: datetime) -> Document:
    """What is to be set in a sample that FiftyOne holds; the tags that reviewers gave it and its labels stay."""
    given = {label["_id"]: label["tags"] for label in _labels(held) if label.get("tags")}
    for label in _labels(ours):
        label["tags"] = given.get(label["_id"], [])
    return {**ours, "tags": _with_split(held.get("tags", ()), ours["split"]), "last_modified_at": now}


def _with_split(tags: Iterable[str], split: str | None) -> list[str]:
    return [*([split] if split else []), *(tag for tag in tags if tag not in SPLITS)]


def _labels(document: Document) -> Iterable[dict[str, Any]]:
    """Every label of a sample that is in a list of them."""
    for value in document.values():
        for part in value.values() if isinstance(value, dict) else ():
            if isinstance(part, list):
                yield from (label for label in part if isinstance(label, dict) and "_id" in label)
