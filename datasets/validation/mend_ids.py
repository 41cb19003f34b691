"""Repairs of ids, references, names and whole records. Each takes the rows in which a check found its code."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets.validation.draft import SECTIONS, Draft, is_id
from datasets.validation.findings import Section
from datasets.validation.ids import is_told
from datasets.validation.images import Picture
from datasets.validation.shapes import Shapes
from datasets.validation.text import is_finite, is_number

_NAMED_BY: Mapping[Section, str] = {"images": "image_id", "categories": "category_id"}


@dataclass(frozen=True)
class Known:
    """What menders may look at: image files that were read, by name, and the shapes that the checks worked out."""

    pictures: Mapping[str, Picture]
    shapes: Shapes


Rows = Mapping[Section | None, Sequence[int]]
Mender = Callable[[Draft, Rows, Known], None]


def add_sections(draft: Draft, _rows: Rows, _known: Known) -> None:
    for section in SECTIONS:
        if draft.document.get(section) is None:
            draft.document[section] = []
            draft.tell("missing-section", section, None, [])


def drop_records(code: str) -> Mender:
    """Take records out that nothing can be made of."""

    def mend(draft: Draft, rows: Rows, _known: Known) -> None:
        for section in SECTIONS:
            for row in rows.get(section, ()):
                draft.drop(code, section, row)

    return mend


def number_records(draft: Draft, rows: Rows, _known: Known) -> None:
    for section in SECTIONS:
        taken = {record["id"] for _, record in draft.everything(section) if is_id(record.get("id"))}
        free, new_ids = draft.free_ids(section), dict[tuple[str, Any], int]()
        for row, record in draft.live(section, rows.get(section, ())):
            before, wanted = record.get("id"), as_integer(record.get("id"))
            new = wanted if wanted is not None and wanted not in taken else free()
            while new in taken:
                new = free()
            taken.add(new)
            draft.put("bad-id", section, row, "id", new)
            if isinstance(before, str | int | float):
                new_ids.setdefault((type(before).__name__, before), new)
        if new_ids and section in _NAMED_BY:
            _follow(draft, _NAMED_BY[section], new_ids)


def _follow(draft: Draft, key: str, new_ids: Mapping[tuple[str, Any], int]) -> None:
    for row, annotation in draft.everything("annotations"):
        named = annotation.get(key)
        if isinstance(named, str | int | float) and (type(named).__name__, named) in new_ids:
            draft.put("bad-id", "annotations", row, key, new_ids[type(named).__name__, named])


def mend_references(draft: Draft, rows: Rows, _known: Known) -> None:
    names = {r.get("name"): r["id"] for _, r in draft.everything("categories") if isinstance(r.get("name"), str)}
    for row, annotation in draft.live("annotations", rows.get("annotations", ())):
        for key in ("image_id", "category_id"):
            named = annotation.get(key)
            if is_id(named):
                continue
            number = as_integer(named)
            if number is None and key == "category_id" and isinstance(named, str):
                number = names.get(named)
            if number is None:
                draft.drop("bad-reference", "annotations", row)
                break
            draft.put("bad-reference", "annotations", row, key, number)


def as_integer(value: Any) -> int | None:
    """The integer that a text or a whole float stands for, None if it stands for none."""
    if isinstance(value, str) and len(value) < 19 and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    if isinstance(value, float) and is_finite(value) and value.is_integer():
        return int(value)
    return None


def separate(code: str, section: Section, name_key: str) -> Mender:
    """Records that share an id: those of the same name become one, the later ones of others get a new id."""

    def mend(draft: Draft, rows: Rows, _known: Known) -> None:
        free, first = draft.free_ids(section), dict[int, int]()
        for row, record in draft.everything(section):
            first.setdefault(record["id"], row)
        for row, record in draft.live(section, rows.get(section, ())):
            earlier = first[record["id"]]
            name = record.get(name_key)
            if isinstance(name, str) and is_told(name) and draft.records(section)[earlier].get(name_key) == name:
                _join(code, draft, section, earlier, row)
            else:
                draft.put(code, section, row, "id", free())

    return mend


def _join(code: str, draft: Draft, section: Section, earlier: int, row: int) -> None:
    """Drop a record after giving an earlier one what only this one says."""
    for key, value in draft.records(section)[row].items():
        if key not in draft.records(section)[earlier]:
            draft.put(code, section, earlier, key, value)
    draft.drop(code, section, row)


def unite(code: str, section: Section, name_key: str) -> Mender:
    """Records with several ids and one name: the first stays, and what named the others names it."""

    def mend(draft: Draft, rows: Rows, _known: Known) -> None:
        first: dict[str, int] = {}
        for row, record in draft.everything(section):
            if isinstance(record.get(name_key), str):
                first.setdefault(record[name_key], row)
        new_ids: dict[int, int] = {}
        for row, record in draft.live(section, rows.get(section, ())):
            earlier = first[record[name_key]]
            new_ids[record["id"]] = draft.records(section)[earlier]["id"]
            _join(code, draft, section, earlier, row)
        for row, annotation in draft.everything("annotations"):
            named = annotation.get(_NAMED_BY[section])
            if is_id(named) and named in new_ids:
                draft.put(code, "annotations", row, _NAMED_BY[section], new_ids[named])
        if section == "categories":
            _follow_on_images(code, draft, new_ids)

    return mend


def _follow_on_images(code: str, draft: Draft, new_ids: Mapping[int, int]) -> None:
    """Category ids that images have themselves: LVIS's lists, and the tags of Carloop's own files."""

    def renamed(value: Any) -> Any:
        return new_ids.get(value, value) if is_id(value) else value

    for row, image in draft.everything("images"):
        for key in ("neg_category_ids", "not_exhaustive_category_ids"):
            if isinstance(image.get(key), list):
                draft.put(code, "images", row, key, [renamed(value) for value in image[key]])
        if isinstance(image.get("tags"), list):
            tags = [
                {**tag, "category_id": renamed(tag["category_id"])}
                if isinstance(tag, dict) and "category_id" in tag
                else tag
                for tag in image["tags"]
            ]
            draft.put(code, "images", row, "tags", tags)


def name_categories(draft: Draft, rows: Rows, _known: Known) -> None:
    for row, category in draft.live("categories", rows.get("categories", ())):
        name = category.get("name")
        said = str(name) if is_number(name) else f"category {category.get('id')}"
        draft.put("bad-category-name", "categories", row, "name", said)


def turn_slashes(draft: Draft, rows: Rows, _known: Known) -> None:
    for row, image in draft.live("images", rows.get("images", ())):
        draft.put("backslash-file-name", "images", row, "file_name", image["file_name"].replace("\\", "/"))


def drop_repeated(draft: Draft, rows: Rows, _known: Known) -> None:
    repeated = set(rows.get("annotations", ()))
    first: dict[str, int] = {}
    for row, annotation in draft.everything("annotations"):
        key = _content(annotation)
        if row in repeated and key in first:
            _join("duplicate-annotation", draft, "annotations", first[key], row)
        first.setdefault(key, row)


def _content(annotation: Mapping[str, Any]) -> str:
    bbox = annotation.get("bbox")
    sides = [float(side) for side in bbox] if isinstance(bbox, list) and all(map(is_number, bbox)) else bbox
    keys = ("image_id", "category_id", "segmentation")
    return json.dumps([sides, annotation.get("iscrowd", 0), *(annotation.get(key, "") for key in keys)])
