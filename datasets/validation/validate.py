"""Validate a dataset in COCO format: every problem found at once, each with its place and remedy."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.validation.across import Labels, NearPairs, Seen, check_copies, check_same
from datasets.validation.boxes import check_areas, check_boxes, check_crowds, check_sizes
from datasets.validation.columns import Columns, make_columns
from datasets.validation.findings import Notes
from datasets.validation.ids import check_ids, check_names
from datasets.validation.images import Picture, Problem, check_picture, default_workers, read_pictures
from datasets.validation.locate import dataset_files, read_content
from datasets.validation.names import check_category_names, check_file_names
from datasets.validation.records import read_records
from datasets.validation.report import FileSummary, Report
from datasets.validation.shapes import Shapes, check_shapes

Progress = Callable[[int, int], None]
MOST = 1000


@dataclass(frozen=True)
class CheckedFile:
    """A COCO file after the checks that need no pixels; `columns` is None when it could not be read as COCO."""

    folder: Path
    split: str
    sha256: str
    columns: Columns | None
    notes: Notes


def validate_dataset(
    path: Path,
    *,
    pixels: bool = True,
    near_pairs: NearPairs | None = None,
    workers: int | None = None,
    most: int = MOST,
    on_progress: Progress | None = None,
) -> Report:
    """Check a COCO file, a folder with one, or a folder of splits.

    Image files are read when `pixels` is true, by `workers` threads, each once; `on_progress` is told how many of how
    many are done. `near_pairs` says which of the images at some paths are nearly alike. At most `most` findings of a
    code are kept for each file; all are counted.

    Raises:
        BadDataset: there is no COCO file at `path`, or it cannot be opened. What is wrong inside is a finding.
    """
    files = dataset_files(path)
    root = path if path.is_dir() else path.parent
    checked = [check_file(file, root, read_content(file), most=most, split=split_name(file, root)) for file in files]
    seen = check_pictures(checked, workers=workers, on_progress=on_progress) if pixels else []
    check_between(checked, seen, near_pairs)
    return make_report(path, checked, pictures=len(seen))


def split_name(file: Path, root: Path) -> str:
    """The split that a COCO file is, by its folder; empty for the only one."""
    return "" if file.parent == root else file.parent.name


def check_between(checked: Sequence[CheckedFile], seen: Sequence[Seen], near_pairs: NearPairs | None = None) -> None:
    """Compare images with each other, over all files; `seen` are those whose pictures were read."""
    labels = Labels()
    check_same(seen, labels)
    check_copies(seen or _unread(checked), labels, near_pairs)


def check_file(file: Path, root: Path, content: bytes, *, most: int | None, split: str = "") -> CheckedFile:
    """Check one file's content; its images lie in the file's folder, and places are told relative to `root`."""
    notes = Notes(str(file.relative_to(root)), most)
    found = check_content(content, notes)
    return CheckedFile(file.parent, split, hashlib.sha256(content).hexdigest(), found[0] if found else None, notes)


def check_content(content: bytes, notes: Notes) -> tuple[Columns, Shapes] | None:
    """All checks that need no pixels. None when the content cannot be read as COCO."""
    records = read_records(content, notes)
    if records is None:
        return None
    columns = make_columns(records, notes)
    check_ids(columns, notes)
    check_names(columns, notes)
    check_file_names(records, notes)
    check_category_names(records, notes)
    check_sizes(columns, notes)
    check_boxes(columns, notes)
    shapes = check_shapes(columns, notes)
    check_areas(columns, shapes.low, shapes.high, notes)
    check_crowds(columns, shapes.has_polygons, shapes.has_mask, notes)
    return columns, shapes


def check_pictures(
    checked: Sequence[CheckedFile], *, workers: int | None = None, on_progress: Progress | None = None
) -> list[Seen]:
    """Read every image file once and note what is wrong; the ones that decode are returned."""
    files = [(file, file.columns) for file in checked if file.columns is not None]
    total = sum(len(columns.records.images) for _, columns in files)
    seen: list[Seen] = []
    read = itertools.count(1)
    for file, columns in files:
        names = [image.file_name for image in columns.records.images]
        pictures = read_pictures(file.folder, names, workers=workers or default_workers())
        for row, found in enumerate(pictures):
            seen += tell_picture(file, columns, row, found)
            if on_progress is not None:
                on_progress(next(read), total)
    return seen


def tell_picture(file: CheckedFile, columns: Columns, row: int, found: Picture | Problem | None) -> list[Seen]:
    """Note what is wrong with one image's file; the picture if there is one."""
    image = columns.records.images[row]
    if isinstance(found, Problem):
        file.notes.add(found.code, found.detail, "images", row, image.file_name)
    if not isinstance(found, Picture):
        return []
    check_picture(columns, row, found, file.notes)
    return [Seen(columns, file.notes, row, image.split or file.split, found)]


def _unread(checked: Sequence[CheckedFile]) -> list[Seen]:
    return [
        Seen(file.columns, file.notes, row, image.split or file.split)
        for file in checked
        if file.columns is not None
        for row, image in enumerate(file.columns.records.images)
        if ".rf." in image.file_name
    ]


def make_report(path: Path, checked: Sequence[CheckedFile], *, pictures: int = 0) -> Report:
    """What the files' notes say together."""
    counts = sum((file.notes.counts for file in checked), Counter[str]())
    findings = tuple(finding for file in checked for finding in file.notes.kept)
    return Report(path, tuple(_summary(file) for file in checked), findings, dict(counts), pictures)


def _summary(file: CheckedFile) -> FileSummary:
    if file.columns is None:
        return FileSummary(file.notes.file, file.sha256, 0, 0, 0)
    records = file.columns.records
    return FileSummary(
        file.notes.file, file.sha256, len(records.images), len(records.annotations), len(records.categories)
    )
