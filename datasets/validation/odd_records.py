"""Records that are not as they should be, read field by field: what is wrong is noted, the rest is kept."""

import json
from typing import Any

from msgspec import Raw

from datasets.validation.findings import Notes, Section, shown
from datasets.validation.forms import (
    MOST_ID,
    NOTHING,
    TOLD,
    UNKNOWN,
    UNKNOWN_AREA,
    UNKNOWN_NAME,
    AnnotationRecord,
    CategoryRecord,
    ImageRecord,
)
from datasets.validation.text import is_finite


class Keys:
    """Ids as integers: an odd one gets a number of its own, so that records which share it still meet."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, Any], int] = {}

    def number(self, value: Any) -> int:
        if type(value) is int and abs(value) < MOST_ID:
            return value
        if isinstance(value, float) and value.is_integer() and abs(value) < MOST_ID:
            return int(value)
        if not isinstance(value, str | int | float):
            return UNKNOWN
        key = (type(value).__name__, value)
        return self._numbers.setdefault(key, MOST_ID + len(self._numbers))


def read_odd_image(number: int, value: Any, keys: Keys, notes: Notes) -> ImageRecord:
    if not isinstance(value, dict):
        notes.add("wrong-record", f"{shown(value)} is no object", "images", number)
        return ImageRecord(UNKNOWN, UNKNOWN_NAME, UNKNOWN, UNKNOWN)
    name, split = value.get("file_name"), value.get("split")
    if not isinstance(name, str):
        notes.add("bad-file-name", f"file_name is {_given(value, 'file_name')}", "images", number)
    sides = {key: value.get(key) for key in ("width", "height")}
    sound = {key: type(side) is int and abs(side) < MOST_ID for key, side in sides.items()}
    wrong = [f"{key} is {_given(value, key)}" for key, is_sound in sound.items() if not is_sound]
    if wrong:
        notes.add("bad-size", " and ".join(wrong), "images", number)
    width, height = (UNKNOWN if wrong else int(value[key]) for key in sides)
    return ImageRecord(
        _own_id(value, "images", number, keys, notes),
        name if isinstance(name, str) else UNKNOWN_NAME,
        width,
        height,
        split if isinstance(split, str) else None,
    )


def read_odd_annotation(number: int, value: Any, keys: Keys, notes: Notes) -> AnnotationRecord:
    if not isinstance(value, dict):
        notes.add("wrong-record", f"{shown(value)} is no object", "annotations", number)
        return AnnotationRecord(UNKNOWN, UNKNOWN, UNKNOWN, TOLD, area=UNKNOWN_AREA)
    area, crowd = value.get("area", float("nan")), value.get("iscrowd", 0)
    if "area" in value and not is_finite(area):
        notes.add("bad-area", f"area is {shown(area)}", "annotations", number)
        area = UNKNOWN_AREA
    if type(crowd) is not int or crowd not in (0, 1):
        notes.add("bad-iscrowd", f"iscrowd is {shown(crowd)}", "annotations", number)
        crowd = UNKNOWN
    return AnnotationRecord(
        _own_id(value, "annotations", number, keys, notes),
        _reference(value, "image_id", number, keys, notes),
        _reference(value, "category_id", number, keys, notes),
        Raw(json.dumps(value["bbox"]).encode()) if "bbox" in value else NOTHING,
        Raw(json.dumps(value["segmentation"]).encode()) if "segmentation" in value else NOTHING,
        float(area),
        crowd,
    )


def read_odd_category(number: int, value: Any, keys: Keys, notes: Notes) -> CategoryRecord:
    if not isinstance(value, dict):
        notes.add("wrong-record", f"{shown(value)} is no object", "categories", number)
        return CategoryRecord(UNKNOWN, UNKNOWN_NAME)
    name = value.get("name")
    if not isinstance(name, str):
        notes.add("bad-category-name", f"name is {_given(value, 'name')}", "categories", number)
        name = UNKNOWN_NAME
    return CategoryRecord(_own_id(value, "categories", number, keys, notes), name)


def _given(value: dict[str, Any], key: str) -> str:
    return shown(value[key]) if key in value else "absent"


def _is_id(value: Any) -> bool:
    return type(value) is int and abs(value) < MOST_ID


def _own_id(value: dict[str, Any], section: Section, number: int, keys: Keys, notes: Notes) -> int:
    if not _is_id(value.get("id")):
        notes.add("bad-id", f"id is {_given(value, 'id')}", section, number)
    return keys.number(value.get("id"))


def _reference(value: dict[str, Any], key: str, number: int, keys: Keys, notes: Notes) -> int:
    if not _is_id(value.get(key)):
        notes.add("bad-reference", f"{key} is {_given(value, key)}", "annotations", number)
    return keys.number(value.get(key))
