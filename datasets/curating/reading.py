"""What reviewers said in FiftyOne, read back: tags, notes, and a quality of 1 to 5.

A quality or a note may also be given as a tag, `quality:4` or `note:the door is ajar`, for a tag is what the App makes
easiest.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pymongo import UpdateOne

from datasets.curating.documents import (
    DECIDED,
    OUTLINES,
    PRELABELLED_TAGS,
    PRELABELS,
    SPLITS,
    TAGS,
    TRUTH,
    decode_decided,
    encode_decided,
    tags_of,
)
from datasets.curating.labels import sample_id
from datasets.curating.review import MODELS
from datasets.curating.schema import CONTENT, declare_fields
from datasets.decisions import MARKS, QUALITIES, Decision, keep_decisions, updated
from datasets.errors import BadInput

_IGNORED = "ignored_tags"
"""What a FiftyOne dataset's `info` calls the tags of other meaning."""
_QUALITY, _NOTE = "quality:", "note:"
_LABEL_TAGS = (
    *(f"{name}.detections.tags" for name in (TRUTH, PRELABELS, *MODELS)),
    *(f"{name}.classifications.tags" for name in (TAGS, PRELABELLED_TAGS, *map(tags_of, MODELS))),
    f"{OUTLINES}.polylines.tags",
)


class _Said(NamedTuple):
    """One sample as reviewers left it; `label_tags` are those of its labels, by field."""

    sha256: str
    tags: Sequence[str] | None
    quality: int | None
    notes: str | None
    label_tags: Sequence[Sequence[Sequence[str] | None] | None]


def load_review(fo: Any, name: str) -> Any:
    """FiftyOne's dataset of that name. Raises BadInput when there is none, or it is none of ours."""
    names = fo.list_datasets()
    if name not in names:
        told = ", ".join(names) or "none"
        raise BadInput(f"FiftyOne has no dataset {name!r}, it has: {told}; make one by carloop curate sync")
    dataset = fo.load_dataset(name)
    if CONTENT not in dataset.get_field_schema():
        raise BadInput(f"FiftyOne's dataset {name!r} was not made by carloop curate; name one that was")
    declare_fields(fo, dataset, ())  # one that was made before may lack some
    return dataset


def take_back(dataset: Any, path: Path, *, ignored: Collection[str] = ()) -> tuple[set[str], Mapping[str, Decision]]:
    """Keep in a file of decisions what reviewers changed in a dataset since it was last read.

    Another dataset may show the same images: what was decided there stays. Gives the images that are shown, by
    SHA-256, and all decisions. When it ends half-way, the next time takes back the same.

    Raises:
        BadInput: as `read_shown`.
        BadDataset: the file is broken.
    """
    shown, before = read_shown(dataset, ignored=ignored), _read_before(dataset)
    decisions = keep_decisions(path, shown, before=before)
    _note_read(dataset, {sha256: one for sha256, one in shown.items() if one != before[sha256]})
    if dataset.info.get(_IGNORED, []) != (told := sorted(ignored)):
        dataset.info[_IGNORED] = told
        dataset.save()
    return set(shown), decisions


def _note_read(dataset: Any, read: Mapping[str, Decision]) -> None:
    updates = [
        UpdateOne({"_id": sample_id(sha256)}, {"$set": {DECIDED: encode_decided(decision)}})
        for sha256, decision in read.items()
    ]
    if updates:
        dataset._sample_collection.bulk_write(updates, ordered=False)


def _read_before(samples: Any) -> dict[str, Decision]:
    """What was decided of each image, by SHA-256, as the sample showed it when it was made or last read."""
    return {sha256: decode_decided(text) for sha256, text in zip(*samples.values(["sha256", DECIDED]), strict=True)}


def has_unread(samples: Any, known: Mapping[str, Decision], *, info: Mapping[str, Any]) -> bool:
    """Whether reading these samples of a dataset with this `info` would change what is known, or is refused."""
    try:
        shown = read_shown(samples, ignored=info.get(_IGNORED, ()))
    except BadInput:
        return True
    here = {sha256: known[sha256] for sha256 in shown if sha256 in known}
    return updated(here, shown, before=_read_before(samples)) != here


def read_shown(dataset: Any, *, ignored: Collection[str] = ()) -> dict[str, Decision]:
    """What is decided of each image of a review, by SHA-256; an image without any word has an empty decision.

    A label that is tagged `relabel` sends its image. `ignored` are tags of other meaning.

    Raises:
        BadInput: a tag that nobody knows, or a quality that is none; nothing is decided.
    """
    sha256s, tags, qualities, notes, *labels = dataset.values(["sha256", "tags", "quality", "notes", *_LABEL_TAGS])
    said = map(_Said, sha256s, tags, qualities, notes, zip(*labels, strict=True))
    return {one.sha256: _decision(one, frozenset(ignored)) for one in said}


def _decision(said: _Said, ignored: frozenset[str]) -> Decision:
    on_labels = {tag for field in said.label_tags for tags in field or () for tag in tags or ()}
    given = [tag for tag in {*(said.tags or ()), *on_labels} if tag not in SPLITS | ignored]
    unknown = sorted(tag for tag in given if tag not in MARKS and not tag.startswith((_QUALITY, _NOTE)))
    if unknown:
        raise BadInput(
            f"image {said.sha256[:16]} has the tag {unknown[0]!r}, which nobody knows; known are {', '.join(MARKS)}, "
            f"{_QUALITY}1 to {_QUALITY}5 and {_NOTE}TEXT; correct it in FiftyOne, or name it by --ignore-tag"
        )
    return Decision(tuple(mark for mark in MARKS if mark in given), _quality(said, given), _notes(said, given))


def _quality(said: _Said, given: Iterable[str]) -> int | None:
    """The quality that a tag gives, or else the field."""
    told = sorted({tag.removeprefix(_QUALITY).strip() for tag in given if tag.startswith(_QUALITY)})
    told = told or ([] if said.quality is None else [str(said.quality)])
    if not told:
        return None
    if len(told) > 1 or told[0] not in map(str, QUALITIES):
        raise BadInput(
            f"image {said.sha256[:16]} has the quality {' and '.join(map(repr, told))}; give it one of 1 to 5 in "
            "FiftyOne"
        )
    return int(told[0])


def _notes(said: _Said, given: Iterable[str]) -> str | None:
    told = [said.notes or "", *sorted(tag.removeprefix(_NOTE) for tag in given if tag.startswith(_NOTE))]
    return "\n".join(filter(None, (text.strip() for text in told))) or None


def counts_of(decisions: Mapping[str, Decision]) -> dict[str, int]:
    """How many images have each mark, a quality, or notes."""
    counts: dict[str, int] = {
        str(mark): sum(mark in decision.marks for decision in decisions.values()) for mark in MARKS
    }
    rated = sum(decision.quality is not None for decision in decisions.values())
    return {**counts, "rated": rated, "noted": sum(bool(decision.notes) for decision in decisions.values())}
