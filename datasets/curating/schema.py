"""The fields that our datasets have in FiftyOne."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from datasets.curating.documents import DECIDED, OUTLINES, PRELABELLED_TAGS, PRELABELS, TAGS, TRUTH, tags_of
from datasets.curating.review import MODELS

CONTENT = "content"
_TEXTS = (
    "sha256", "family", "split", "license", "author", "page_url", "url", "retrieved_at", "quarantined", "leak", "notes",
    CONTENT, DECIDED,
)  # fmt: skip
_NUMBERS = ("disagreement", "hardness", "uniqueness", "mistakenness")
_COUNTS = ("corrections", "quality", "possible_missing", "possible_spurious")
_LISTS = ("sources", "near", "conflicts", "failed_probes", "rare_classes", "lookalikes")
_TOLD = ("model", "verdict", "became")


def declare_fields(fo: Any, dataset: Any, attributes: Collection[str]) -> None:
    """Give a dataset the fields that it lacks, all at once; `attributes` are those of objects."""
    _declare(dataset, _fields(fo))
    _declare(dataset, _parts(fo, attributes))


def declare_evaluations(fo: Any, dataset: Any, keys: Mapping[str, str]) -> None:
    """The fields of evaluation runs, by key with the field of predictions, before FiftyOne adds them one by one."""
    _declare(dataset, (field for key, predicted in keys.items() for field in _evaluation(fo, key, predicted)))


def _declare(dataset: Any, fields: Iterable[tuple[str, Any]]) -> None:
    there = dataset.get_field_schema(flat=True)
    if missing := {path: field for path, field in fields if path not in there}:
        dataset._merge_sample_field_schema(missing)  # add_sample_field takes a fifth of a second for each


def _evaluation(fo: Any, key: str, predicted: str) -> Iterator[tuple[str, Any]]:
    yield from ((f"{key}_{count}", fo.IntField()) for count in ("tp", "fp", "fn"))
    for name in (TRUTH, predicted):
        yield from ((f"{name}.detections.{key}{end}", fo.StringField()) for end in ("", "_id"))
        yield f"{name}.detections.{key}_iou", fo.FloatField()


def _fields(fo: Any) -> Iterator[tuple[str, Any]]:
    kinds = ((_TEXTS, fo.StringField), (_NUMBERS, fo.FloatField), (_COUNTS, fo.IntField))
    yield from ((name, kind()) for names, kind in kinds for name in names)
    yield from ((name, fo.ListField(fo.StringField())) for name in _LISTS)
    labels = {
        **dict.fromkeys((TRUTH, PRELABELS, *MODELS), fo.Detections),
        **dict.fromkeys((TAGS, PRELABELLED_TAGS, *map(tags_of, MODELS)), fo.Classifications),
        OUTLINES: fo.Polylines,
    }
    yield from ((name, fo.EmbeddedDocumentField(kind)) for name, kind in labels.items())


def _parts(fo: Any, attributes: Collection[str]) -> Iterator[tuple[str, Any]]:
    """What our labels have beside what FiftyOne's own have."""
    for name in (TRUTH, *MODELS):
        yield f"{name}.detections.drawn_by", fo.StringField()
        for attribute in sorted(attributes):
            yield f"{name}.detections.{attribute}", fo.FloatField() if attribute == "rotation" else fo.StringField()
    for name in (f"{PRELABELS}.detections", f"{PRELABELLED_TAGS}.classifications"):
        yield from ((f"{name}.{told}", fo.StringField()) for told in _TOLD)
    yield f"{PRELABELS}.detections.iou", fo.FloatField()
