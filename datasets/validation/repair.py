"""Repair what is safe to repair, into a new file; every change is listed in `repairs.json` beside it.

A file is checked, the repairs for what was found are made, and it is checked again until nothing is left that a repair
can mend. So a repaired file validates without what repairs claim to mend, and repairing it again changes nothing.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datasets.errors import BadDataset, BadInput, Unavailable
from datasets.files import is_disk_full, write_bytes
from datasets.validation.across import Seen
from datasets.validation.draft import Draft, dump
from datasets.validation.findings import Notes, Section
from datasets.validation.images import Picture, Problem, default_workers, read_pictures
from datasets.validation.locate import REPAIRS, dataset_files
from datasets.validation.mend_ids import (
    Known,
    Mender,
    add_sections,
    drop_records,
    drop_repeated,
    mend_references,
    name_categories,
    number_records,
    separate,
    turn_slashes,
    unite,
)
from datasets.validation.mend_shapes import (
    clip_polygons,
    drop_masks,
    keep_polygons,
    mend_areas,
    mend_boxes,
    mend_crowds,
    mend_reshaped_areas,
    mend_sizes,
)
from datasets.validation.opening import read_draft
from datasets.validation.report import Report
from datasets.validation.validate import (
    CheckedFile,
    Progress,
    check_between,
    check_content,
    make_report,
    split_name,
    tell_picture,
)

_STAGES: tuple[Mapping[str, Mender], ...] = (
    {"missing-section": add_sections, "wrong-record": drop_records("wrong-record")},
    {"bad-id": number_records},
    {
        "bad-reference": mend_references,
        "bad-category-name": name_categories,
        "backslash-file-name": turn_slashes,
        "bad-size": mend_sizes,
    },
    {
        "duplicate-image-id": separate("duplicate-image-id", "images", "file_name"),
        "duplicate-category-id": separate("duplicate-category-id", "categories", "name"),
        "duplicate-annotation-id": separate("duplicate-annotation-id", "annotations", ""),
    },
    {
        "duplicate-file-name": unite("duplicate-file-name", "images", "file_name"),
        "duplicate-category-name": unite("duplicate-category-name", "categories", "name"),
        "dangling-image-id": drop_records("dangling-image-id"),
        "bad-iscrowd": mend_crowds,
        "bad-segmentation": keep_polygons("bad-segmentation"),
        "polygon-too-short": keep_polygons("polygon-too-short"),
        "polygon-odd": keep_polygons("polygon-odd"),
        "polygon-not-finite": keep_polygons("polygon-not-finite"),
        "rle-broken": drop_masks,
    },
    {
        **{code: mend_boxes(code) for code in ("bad-bbox", "bbox-not-finite", "bbox-negative", "bbox-empty")},
        "bbox-outside": mend_boxes("bbox-outside", needs_size=True),
        "bbox-partly-outside": mend_boxes("bbox-partly-outside", needs_size=True),
        "polygon-outside": clip_polygons,
    },
    {"duplicate-annotation": drop_repeated},
    {code: mend_areas(code) for code in ("missing-area", "bad-area", "area-mismatch")},
)
_MOST_ROUNDS = 40


@dataclass(frozen=True)
class _Repaired:
    """A file's new content, and its validation."""

    source_sha256: str
    relative: Path
    content: bytes
    draft: Draft
    checked: CheckedFile
    seen: list[Seen]


def repair_dataset(
    path: Path,
    out: Path,
    *,
    pixels: bool = True,
    workers: int | None = None,
    most: int = 1000,
    on_progress: Progress | None = None,
) -> Report:
    """Write a repaired copy of a COCO file, a folder with one, or a folder of splits, and what is left to mend.

    `out` is a folder, which gets the files under their own names, or for a single file a name that ends in `.json`.
    `repairs.json` beside them lists every change. Images stay where they are. When `pixels` is true they are read, once
    each: sizes that nobody declared come from them, and boxes are left alone where the declared size is wrong.

    Raises:
        BadDataset: there is no COCO file, or one cannot be read as COCO at all; nothing is written then.
        BadInput: `out` would replace something that no repair made.
    """
    files = dataset_files(path)
    root = path if path.is_dir() else path.parent
    places = _destinations(files, root, out)
    total, repaired = _Counter(on_progress), list[_Repaired]()
    for file in files:
        draft, original = read_draft(file, root)
        pictures = _read_pictures(file, draft, workers, total) if pixels else {}
        repaired.append(_repair(file, root, draft, original, pictures, most))
    _write(path, out, repaired, places)
    checked, seen = [file.checked for file in repaired], [image for file in repaired for image in file.seen]
    check_between(checked, seen)
    report = make_report(path, checked, pictures=len(seen))
    return replace(report, repairs=tuple(change for file in repaired for change in file.draft.changes))


class _Counter:
    """Tells how many of how many images are read; their number grows with each file that is opened."""

    def __init__(self, on_progress: Progress | None) -> None:
        self.on_progress, self.done, self.total = on_progress, 0, 0

    def read(self) -> None:
        self.done += 1
        if self.on_progress is not None:
            self.on_progress(self.done, self.total)


def _destinations(files: Sequence[Path], root: Path, out: Path) -> list[Path]:
    if out.suffix == ".json":
        if len(files) > 1:
            raise BadInput(f"{out} is one file and {root} has {len(files)}; give a folder")
        places = [out]
    else:
        places = [out / file.relative_to(root) for file in files]
    for place in places:
        if any(place.exists() and place.samefile(file) for file in files):
            raise BadInput(f"{place} is what is to be repaired; repairs go into a new file, give another place")
        if place.exists() and not (_listing(out)).exists():
            raise BadInput(f"{place} is there already and no repair made it; give another place, or remove it")
    return places


def _listing(out: Path) -> Path:
    return (out.parent if out.suffix == ".json" else out) / REPAIRS


def _read_pictures(
    file: Path, draft: Draft, workers: int | None, counter: _Counter
) -> dict[str, Picture | Problem | None]:
    names = [image.get("file_name") for _, image in draft.everything("images")]
    wanted = list(dict.fromkeys(name.replace("\\", "/") for name in names if isinstance(name, str)))
    counter.total += len(wanted)
    pictures = {}
    found = read_pictures(file.parent, wanted, workers=workers or default_workers())
    for name, picture in zip(wanted, found, strict=True):
        pictures[name] = picture
        counter.read()
    return pictures


def _repair(
    file: Path,
    root: Path,
    draft: Draft,
    original: bytes,
    pictures: Mapping[str, Picture | Problem | None],
    most: int,
) -> _Repaired:
    known = {name: picture for name, picture in pictures.items() if isinstance(picture, Picture)}
    for _ in range(_MOST_ROUNDS):
        content = draft.content() if draft.changes else original
        notes = Notes(draft.file)
        found = check_content(content, notes)
        if found is None:
            raise BadDataset(f"{file}: {notes.kept[-1].detail}; mend the file by hand")
        if not _mend(draft, notes, Known(known, found[1])):
            break
        draft.settle()
    else:
        raise BadDataset(f"{file} still changes after {_MOST_ROUNDS} rounds of repairs; mend it by hand")
    columns, split = found[0], split_name(file, root)
    checked = CheckedFile(file.parent, split, hashlib.sha256(content).hexdigest(), columns, notes.capped(most))
    seen = [
        image
        for row, record in enumerate(columns.records.images if pictures else ())
        for image in tell_picture(checked, columns, row, pictures.get(record.file_name))
    ]
    return _Repaired(hashlib.sha256(original).hexdigest(), file.relative_to(root), content, draft, checked, seen)


def _mend(draft: Draft, notes: Notes, known: Known) -> bool:
    """Make the repairs of the first stage that has any; whether there were."""
    rows: dict[str, dict[Section | None, list[int]]] = defaultdict(lambda: defaultdict(list))
    for finding in notes.kept:
        rows[finding.code][finding.section].append(finding.index or 0)
    for stage in _STAGES:
        before = len(draft.changes)
        for code, mend in stage.items():
            if code in rows:
                mend(draft, rows[code], known)
        if len(draft.changes) > before:
            return True
    before = len(draft.changes)
    mend_reshaped_areas(draft, known)
    return len(draft.changes) > before


def _write(path: Path, out: Path, repaired: Sequence[_Repaired], places: Sequence[Path]) -> None:
    listing = {
        "source": str(path),
        "files": [
            {
                "file": place.name if len(places) == 1 else str(file.relative),
                "source_sha256": file.source_sha256,
                "sha256": file.checked.sha256,
            }
            for file, place in zip(repaired, places, strict=True)
        ],
        "changes": [change.to_dict() for file in repaired for change in file.draft.changes],
    }
    try:
        for file, place in zip(repaired, places, strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(place, file.content)
        write_bytes(_listing(out), dump(listing, REPAIRS))
    except OSError as error:
        if is_disk_full(error):
            raise Unavailable(f"the disk under {out} is full; free some space and run the same command again") from None
        raise BadInput(f"{out} cannot be written: {error.strerror}; give another place") from None
