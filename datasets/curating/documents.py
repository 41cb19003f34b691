"""An image as FiftyOne keeps it in MongoDB: our fields, which a sync sets, and those that are the reviewers' own."""

from collections.abc import Iterable
from datetime import datetime
from random import Random
from typing import Any

import msgspec
from bson import ObjectId
from msgspec.structs import replace

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
DECIDED = "decided"
"""The field that tells what a sample showed of decisions when it was made or last read, as JSON; no text for none."""
NO_ONE = Decision()


def tags_of(name: str) -> str:
    """The field with a model's tags."""
    return f"{name}_tags"


def encode_decided(decision: Decision) -> str | None:
    """The text of the field `DECIDED`."""
    told = replace(decision, earlier=0)  # counted for the image, whatever dataset shows it
    return None if told == NO_ONE else msgspec.json.encode(told).decode()


def decode_decided(text: str | None) -> Decision:
    """What a sample showed. What cannot be read was never shown, so that nothing is taken back by it."""
    try:
        return msgspec.json.decode(text, type=Decision) if text else NO_ONE
    except msgspec.DecodeError:
        return NO_ONE


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
        DECIDED: encode_decided(decision),
        **ours,
    }


def changes(ours: Document, held: Document, *, now: datetime) -> Document:
    """What is to be set in a sample that FiftyOne holds; the tags that reviewers gave it and its labels stay.

    Those of a label that is no longer the same go to the sample.
    """
    replaced = {name: held[name] for name in ours if name in held}
    given = {label["_id"]: label["tags"] for label in _labels(replaced) if label.get("tags")}
    for label in _labels(ours):
        label["tags"] = given.pop(label["_id"], [])
    tags = dict.fromkeys([*(held.get("tags") or ()), *(tag for left in given.values() for tag in left)])
    return {**ours, "tags": _with_split(tags, ours["split"]), "last_modified_at": now}


def _with_split(tags: Iterable[str], split: str | None) -> list[str]:
    return [*([split] if split else []), *(tag for tag in tags if tag not in SPLITS)]


def _labels(document: Document) -> Iterable[dict[str, Any]]:
    """Every label of a sample that is in a list of them."""
    for value in document.values():
        for part in value.values() if isinstance(value, dict) else ():
            if isinstance(part, list):
                yield from (label for label in part if isinstance(label, dict) and "_id" in label)
