"""Do ids name one record each, and do references lead somewhere? And is anything said twice?"""

import json
from collections.abc import Iterator, Sequence

import numpy as np

from datasets.validation.columns import ABSENT, Columns, Flags, Ints, repeats
from datasets.validation.findings import Notes, shown
from datasets.validation.forms import UNKNOWN, UNKNOWN_NAME
from datasets.validation.text import parse_piece

_MOST_CATEGORIES = 20_000


def check_ids(columns: Columns, notes: Notes) -> None:
    """Ids given twice, references to nothing, images without annotations, annotations told twice."""
    records = columns.records
    _check_images(columns, notes)
    again = np.flatnonzero(repeats(columns.annotation_ids))
    notes.add_rows(
        "duplicate-annotation-id",
        "annotations",
        again,
        lambda row: f"id {records.annotations[row].id} is taken by an earlier annotation",
        columns.file_name,
    )
    _check_categories(columns, notes)
    _check_references(columns, notes)
    notes.add_rows(
        "duplicate-annotation",
        "annotations",
        repeated_annotations(columns),
        lambda row: f"same category {records.annotations[row].category_id} and shape as an earlier one on its image",
        columns.file_name,
    )


def _check_images(columns: Columns, notes: Notes) -> None:
    images, used = columns.records.images, np.zeros(len(columns.image_ids) + 1, np.bool_)
    used[columns.image_rows] = True
    first = {image_id: row for row, image_id in reversed(list(enumerate(columns.image_ids.tolist())))}
    for row in np.flatnonzero(repeats(columns.image_ids)).tolist():
        earlier = first[images[row].id]
        same = images[row].file_name == images[earlier].file_name and is_told(images[row].file_name)
        code = "duplicate-image-id" if same or not used[earlier] else "ambiguous-image-id"
        other = shown(images[earlier].file_name)
        notes.add(
            code, f"id {images[row].id} is that of images[{earlier}] {other} too", "images", row, images[row].file_name
        )
    empty = ~used[:-1] & (columns.image_ids != UNKNOWN) & ~repeats(columns.image_ids)
    notes.add_rows(
        "image-without-annotations",
        "images",
        np.flatnonzero(empty),
        lambda row: f"no annotation names image id {images[row].id}",
        lambda row: images[row].file_name,
    )


def _check_categories(columns: Columns, notes: Notes) -> None:
    categories, used = columns.records.categories, np.zeros(len(columns.category_ids) + 1, np.bool_)
    used[columns.category_rows] = True
    first = {category_id: row for row, category_id in reversed(list(enumerate(columns.category_ids.tolist())))}
    for row in np.flatnonzero(repeats(columns.category_ids)).tolist():
        category, earlier = categories[row], first[categories[row].id]
        same = category.name == categories[earlier].name and is_told(category.name)
        code = "duplicate-category-id" if same or not used[earlier] else "ambiguous-category-id"
        names = f"{shown(categories[earlier].name)} and {shown(category.name)}"
        notes.add(code, f"id {category.id} is that of {names}", "categories", row)
    for row in np.flatnonzero(columns.category_ids == 0)[:1].tolist():
        if used[row]:
            notes.add("zero-category-id", f"{shown(categories[row].name)} has id 0", "categories", row)
    notes.add_rows(
        "unused-category",
        "categories",
        np.flatnonzero(~used[:-1] & (columns.category_ids != UNKNOWN) & ~repeats(columns.category_ids)),
        lambda row: f"{shown(categories[row].name)} (id {categories[row].id}) is on no annotation",
    )
    if len(categories) > _MOST_CATEGORIES:
        notes.add("too-many-categories", f"{len(categories)} categories, more than {_MOST_CATEGORIES}")


def _check_references(columns: Columns, notes: Notes) -> None:
    annotations = columns.records.annotations
    known = np.fromiter((annotation.image_id != UNKNOWN for annotation in annotations), np.bool_, len(annotations))
    notes.add_rows(
        "dangling-image-id",
        "annotations",
        np.flatnonzero((columns.image_rows == ABSENT) & known),
        lambda row: f"image_id {annotations[row].image_id} is not in images",
    )
    known = np.fromiter((annotation.category_id != UNKNOWN for annotation in annotations), np.bool_, len(annotations))
    notes.add_rows(
        "dangling-category-id",
        "annotations",
        np.flatnonzero((columns.category_rows == ABSENT) & known),
        lambda row: f"category_id {annotations[row].category_id} is not in categories",
        columns.file_name,
    )


def repeated_annotations(columns: Columns) -> list[int]:
    """Rows of annotations that say what an earlier one says: same image, category, box, segmentation and iscrowd."""
    suspects = np.flatnonzero(_share_a_hash(columns))
    records, seen, found = columns.records.annotations, set(), []
    for row in suspects.tolist():
        record = records[row]
        key = (
            int(columns.image_rows[row]),
            record.category_id,
            tuple(columns.boxes_xywh[row].tolist()),
            _as_written_anew(bytes(record.segmentation)),
            record.iscrowd,
        )
        if key in seen:
            found.append(row)
        seen.add(key)
    return found


def _as_written_anew(piece: bytes) -> str:
    return json.dumps(parse_piece(piece)) if piece else ""


def _share_a_hash(columns: Columns) -> Flags:
    """Annotations that may equal another: their image, category and box mix to the same 64 bits."""
    parts: list[Ints] = [columns.image_rows, columns.category_rows]
    parts += [np.ascontiguousarray(side).view(np.int64) for side in columns.boxes_xywh.T]
    mixed = np.zeros(len(columns.image_rows), np.uint64)
    for part in parts:
        mixed = (mixed ^ part.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed, kind="stable")
    equal = mixed[order[1:]] == mixed[order[:-1]]
    shared = np.zeros(len(mixed), np.bool_)
    shared[order[1:]] |= equal
    shared[order[:-1]] |= equal
    known: Flags = (columns.image_rows != ABSENT) & ~np.isnan(columns.boxes_xywh[:, 0])
    return shared & known


def check_names(columns: Columns, notes: Notes) -> None:
    """Several categories with one name, several images with one file; but not those whose ids are ambiguous."""
    categories, images = columns.records.categories, columns.records.images
    unclear = {categories[row].id for row in _ambiguous(notes, "ambiguous-category-id")}
    for row, first in _repeated_names([category.name for category in categories]):
        ids = {categories[row].id, categories[first].id}
        if len(ids) == 2 and not ids & unclear:
            detail = f"{shown(categories[row].name)} is the name of id {categories[first].id} too"
            notes.add("duplicate-category-name", detail, "categories", row)
    unclear = {images[row].id for row in _ambiguous(notes, "ambiguous-image-id")}
    for row, first in _repeated_names([image.file_name for image in images]):
        ids = {images[row].id, images[first].id}
        if len(ids) == 2 and not ids & unclear:
            detail = f"{shown(images[row].file_name)} is the file of images[{first}] too"
            notes.add("duplicate-file-name", detail, "images", row, images[row].file_name)


def _ambiguous(notes: Notes, code: str) -> list[int]:
    return [finding.index for finding in notes.kept if finding.code == code and finding.index is not None]


def _repeated_names(names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Places of names that stand earlier too, each with the first such place."""
    if len(set(names)) == len(names):
        return
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        earlier = first.setdefault(name, row)
        if earlier != row and is_told(name):
            yield row, earlier


def is_told(name: str) -> bool:
    """Whether a name is one: not blank, and not the mark for a name that could not be read."""
    return bool(name.strip()) and name is not UNKNOWN_NAME
