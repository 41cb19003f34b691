"""From a file's bytes to its records.

A sound file is decoded at once. When a list holds odd records, those alone are read one by one: what is wrong with each
field is noted, and the field counts as unknown, so that every check works on all records and tells a thing once.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import simdjson
from msgspec import Raw, Struct

from datasets.validation.findings import Notes, Section, shown
from datasets.validation.forms import (
    MOST_ID,
    NOTHING,
    AnnotationRecord,
    CategoryRecord,
    ImageRecord,
    Record,
    Records,
)
from datasets.validation.odd_records import Keys, read_odd_annotation, read_odd_category, read_odd_image
from datasets.validation.text import parse_tolerantly, repeats_any, tell_oddities, to_utf8

_ANNOTATION_KEYS = ("image_id", "category_id", "bbox", "segmentation", "area", "iscrowd")


class _Sections(Struct):
    images: Raw = NOTHING
    annotations: Raw = NOTHING
    categories: Raw = NOTHING


def read_records(content: bytes, notes: Notes) -> Records | None:
    """The records in a file's bytes; None where it cannot be read as COCO, with the reason in `notes`."""
    if not content.strip():
        notes.add("json-empty", f"{len(content)} bytes, none of them text")
        return None
    content = to_utf8(content, notes)
    if not content:
        return None
    found = Notes(notes.file, notes.most)
    try:
        records = _from_text(content, found)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # not as msgspec reads JSON, so not sound
        return _tolerantly(content, notes)
    notes.take(found)
    return records


def _from_text(content: bytes, notes: Notes) -> Records | None:
    """The records, if all of the file is JSON that every reader takes. Raises ValueError or MsgspecError if not."""
    _require_strict(content)
    sections = msgspec.json.decode(content, type=_Sections)
    keys = Keys()
    records = Records(
        _decode(sections.images, ImageRecord, "images", read_odd_image, keys, notes),
        _decode(sections.annotations, AnnotationRecord, "annotations", read_odd_annotation, keys, notes),
        _decode(sections.categories, CategoryRecord, "categories", read_odd_category, keys, notes),
    )
    if _may_repeat_keys(content, sections, records):
        try:
            tell_oddities(parse_tolerantly(content, Notes(notes.file)), notes)
        except ValueError:
            return None
    return records


def _may_repeat_keys(content: bytes, sections: _Sections, records: Records) -> bool:
    """Whether a key that matters stands there more often than there are records that could have it."""
    images, annotations = len(records.images), len(records.annotations)
    return (
        repeats_any(content, ("images", "annotations", "categories"), 1)
        or repeats_any(bytes(sections.images), ("file_name", "width", "height"), images)
        or repeats_any(bytes(sections.annotations), _ANNOTATION_KEYS, annotations)
    )


def _require_strict(content: bytes) -> None:
    """Raise ValueError for what msgspec passes over where it need not look: numbers too large, text that is none."""
    try:
        simdjson.Parser().parse(content)
    except RuntimeError as error:
        raise ValueError(str(error)) from None


def _tolerantly(content: bytes, notes: Notes) -> Records | None:
    try:
        value = parse_tolerantly(content, notes)
    except ValueError:
        return None
    tell_oddities(value, notes)
    if not isinstance(value, dict):
        notes.add("not-coco", f"the top level is {shown(value)}, no object")
        return None
    keys = Keys()
    return Records(
        [read_odd_image(*entry, keys, notes) for entry in _entries(value, "images", notes)],
        [read_odd_annotation(*entry, keys, notes) for entry in _entries(value, "annotations", notes)],
        [read_odd_category(*entry, keys, notes) for entry in _entries(value, "categories", notes)],
    )


def _entries(value: dict[str, Any], section: Section, notes: Notes) -> list[tuple[int, Any]]:
    found = value.get(section)
    if isinstance(found, list):
        return list(enumerate(found))
    _tell_section(found, section, notes)
    return []


def _tell_section(found: Any, section: Section, notes: Notes) -> None:
    if found is None:
        notes.add("missing-section", f"'{section}' is absent")
    else:
        notes.add("not-coco", f"'{section}' is {shown(found)}, no list")


def _decode(
    raw: Raw,
    form: type[Record],
    section: Section,
    tolerant: Callable[[int, Any, Keys, Notes], Record],
    keys: Keys,
    notes: Notes,
) -> list[Record]:
    if bytes(memoryview(raw)[:1]) != b"[":
        _tell_section(json.loads(bytes(raw) or b"null"), section, notes)
        return []
    try:
        return _in_range(msgspec.json.decode(raw, type=list[form]))  # type: ignore[valid-type]
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError):
        decoder = msgspec.json.Decoder(form)
        pieces = msgspec.json.decode(raw, type=list[Raw])
        return [_one(number, piece, decoder, tolerant, keys, notes) for number, piece in enumerate(pieces)]


def _in_range(records: list[Record]) -> list[Record]:
    """The records, if all their numbers fit. Raises OverflowError."""
    for name in ("id", "image_id", "category_id", "width", "height", "iscrowd"):
        if records and hasattr(records[0], name):
            values = [getattr(record, name) for record in records]
            if max(values) >= MOST_ID or min(values) <= -MOST_ID:
                raise OverflowError(name)
    return records


def _one(
    number: int,
    piece: Raw,
    decoder: msgspec.json.Decoder[Record],
    tolerant: Callable[[int, Any, Keys, Notes], Record],
    keys: Keys,
    notes: Notes,
) -> Record:
    try:
        return _in_range([decoder.decode(piece)])[0]
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError):
        return tolerant(number, parse_tolerantly(bytes(piece), notes), keys, notes)
