"""MOT Challenge: a sequence per family, `<split>/<family>/` with `img1/`, `gt/gt.txt`, `gt/labels.txt`, `seqinfo.ini`.

A row is `frame, track, left, top, width, height, considered, class, visibility`: frames and classes count from 1 (a
class's number is its COCO id), pixels from 0 as CVAT and Datumaro have them; track -1 is none. Frames are in the order
of the names that their images were found under.

Not by Datumaro, whose exporter (1.13) makes one sequence of everything, gives tracks other numbers, writes no
seqinfo.ini, keeps coordinates to 0.01 px in float32, re-encodes what is no JPEG, and fails on `occluded: "true"`.
Format: https://arxiv.org/abs/1603.00831
"""

import re
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath

from datasets.coco import Annotation, Image
from datasets.exporting.geometry import upright_box
from datasets.exporting.losses import is_occluded
from datasets.exporting.names import export_name, split_name
from datasets.exporting.selection import Place, Selection
from datasets.exporting.settings import Written, counted
from datasets.exporting.xml import number

_TOLD = {
    "trackless": ("annotations have no track id", "written as track -1"),
    "mixed": ("sequences have images of several sizes or kinds", "seqinfo.ini can name one: that of the first"),
    "single": ("sequences have a single image", "a track has nothing to follow there"),
}
_FRAMES_PER_SECOND = 1


def write_mot_export(selection: Selection, folder: Path, place: Place) -> Written:
    """Fill a folder."""
    told: Counter[str] = Counter()
    families: dict[tuple[str, str], list[Image]] = defaultdict(list)
    for image in selection.dataset.images:
        families[split_name(image), image.family].append(image)
    for (split, _), images in sorted(families.items()):
        ordered = sorted(images, key=_frame_order)
        told.update(_write_sequence(selection, ordered, folder, f"{split}/{_sequence_name(ordered[0])}", place))
    told["trackless"] = sum(annotation.track_id is None for annotation in selection.dataset.annotations)
    return Written(len(selection.dataset.annotations), counted(told, _TOLD))


def _frame_order(image: Image) -> tuple[list[tuple[int, str]], str]:
    """By the name it was found under, numbers in it by their size."""
    name = image.views[0].file_name if image.views else image.source.url or ""
    pieces = re.findall(r"\d+|\D+", name)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces], image.sha256


def _sequence_name(first: Image) -> str:
    stem = re.sub(r"[^\w.-]+", "-", first.family)[:60].lstrip(".")
    return f"{stem}__{first.sha256[:16]}"


def _write_sequence(selection: Selection, images: list[Image], folder: Path, name: str, place: Place) -> Counter[str]:
    """One sequence; what to tell of it."""
    rows = []
    for frame, image in enumerate(images, start=1):
        place(image, f"{name}/img1/{frame:06d}{PurePosixPath(export_name(image)).suffix}")
        annotations = selection.dataset.annotations_of.get(image.sha256, ())
        rows += [_row(frame, annotation) for annotation in annotations]
    truth = folder / name / "gt"
    truth.mkdir(parents=True)
    (truth / "gt.txt").write_text("".join(f"{row}\n" for row in rows))
    (truth / "labels.txt").write_text("\n".join(selection.numbered), encoding="utf-8")
    (folder / name / "seqinfo.ini").write_text(_seqinfo(images, Path(name).name), encoding="utf-8")
    kinds = {(image.width, image.height, PurePosixPath(image.file_name).suffix) for image in images}
    return Counter(mixed=len(kinds) > 1, single=len(images) == 1)


def _row(frame: int, annotation: Annotation) -> str:
    track = -1 if annotation.track_id is None else annotation.track_id
    sides = ",".join(number(value) for value in upright_box(annotation))
    visibility = 0 if is_occluded(annotation) else 1
    return f"{frame},{track},{sides},{int(not annotation.iscrowd)},{annotation.category_id},{visibility}"


def _seqinfo(images: list[Image], name: str) -> str:
    first = images[0]
    entries = {
        "name": name,
        "imDir": "img1",
        "frameRate": _FRAMES_PER_SECOND,
        "seqLength": len(images),
        "imWidth": first.width,
        "imHeight": first.height,
        "imExt": PurePosixPath(first.file_name).suffix,
    }
    return "[Sequence]\n" + "".join(f"{key}={value}\n" for key, value in entries.items())
