"""Ultralytics YOLO: `data.yaml`, `images/<split>/`, `labels/<split>/`; rows are normalised by the upright image.

A row is `class cx cy w h`, or `class x1 y1 x2 y2 …` for outlines. A class's id is its COCO id minus one, whatever is
chosen. Boxes are clipped: Ultralytics drops a whole image for one box out of bounds. Images that were searched for none
of the chosen classes are left out, since an image without rows is background.

Not by Datumaro, whose exporter (1.13) wants both a train and a val subset and no other, writes no outlines, clips
nothing, and keeps coordinates to 0.01 px in float32.
Format: https://docs.ultralytics.com/datasets/detect/
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from datasets.coco import Annotation, Image, Rle
from datasets.errors import BadDataset
from datasets.exporting.geometry import Polygon, corners, join_polygons, mask_of, outlines, upright_box
from datasets.exporting.losses import polygons_of
from datasets.exporting.names import UNSPLIT, export_name
from datasets.exporting.selection import Place, Selection
from datasets.exporting.settings import ExportSettings, Loss, Written, counted
from datasets.files import write_bytes
from datasets.geometry import clip_box, clip_polygon
from datasets.split import unit_hash

DATA = "data.yaml"
_LEAST_SIDE = 10
_TOLD = {
    "silent": ("images were searched for none of the classes", "left out: YOLO would read them as background"),
    "outside": ("annotations lie outside their image", "left out: Ultralytics drops a whole image for one"),
    "clipped": ("annotations reach out of their image", "clipped to it"),
    "boxed": ("boxes", "written as outlines of four corners: Ultralytics takes no rows of both kinds"),
    "joined": ("outlines of several parts", "their parts are joined by bridges of no width"),
    "filled": ("holes in masks", "YOLO has none; they are filled"),
    "traced": ("masks", "written as outlines, within a quarter of a pixel"),
    "doubled": ("annotations equal another of their image", "Ultralytics keeps one of each"),
    "small": ("images have a side under 10 px", "Ultralytics leaves them out"),
    "unsplit": ("images belong to no split", f"they lie in {UNSPLIT}, which Ultralytics passes over"),
}


def write_yolo_export(selection: Selection, folder: Path, place: Place) -> Written:
    """Fill a folder. Raises BadDataset when no image was searched for any of the chosen classes."""
    told: Counter[str] = Counter()
    used: Counter[str] = Counter()
    shape_ids, written = set(selection.shape_ids), 0
    for image in selection.dataset.images:
        annotations = selection.dataset.annotations_of.get(image.sha256, ())
        if not annotations and not selection.dataset.known_category_ids(image.sha256) & shape_ids:
            told["silent"] += 1
            continue
        split, name = yolo_split(image, selection.settings), export_name(image)
        place(image, f"images/{split}/{name}")
        rows = label_rows(image, annotations, polygons=selection.settings.polygons, told=told)
        label = folder / "labels" / split / f"{Path(name).stem}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("".join(f"{row}\n" for row in rows))
        told["small"] += min(image.width, image.height) < _LEAST_SIDE
        used[split] += 1
        written += len(rows)
    if not used:
        raise BadDataset(
            f"none of {told['silent']} images was searched for {', '.join(selection.numbered)}, "
            "and YOLO would read them all as background; label some first"
        )
    told["unsplit"] = used[UNSPLIT] if len(used) > 1 else 0
    write_bytes(folder / DATA, _data_yaml(selection, used).encode())
    return Written(written, (*counted(told, _TOLD), *_validation(used)))


def yolo_split(image: Image, settings: ExportSettings) -> str:
    """train, val, test or unsplit. A family is either trained on or validated on, whatever else is in the dataset."""
    if image.split == "train" and unit_hash(image.family, seed=settings.seed) < settings.val_fraction:
        return "val"
    return image.split or UNSPLIT


def _data_yaml(selection: Selection, used: Counter[str]) -> str:
    import yaml

    entries: dict[str, object] = {split: f"images/{folder}" for split, folder in _folders(used).items()}
    entries["names"] = dict(enumerate(selection.numbered))
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)


def _folders(used: Counter[str]) -> dict[str, str]:
    """Which folder is which split: Ultralytics demands train and val, so one may stand in for another."""
    train = next((split for split in ("train", UNSPLIT, "val", "test") if used[split]), "train")
    val = next((split for split in ("val", "test") if used[split]), train)
    return {"train": train, "val": val} | {split: split for split in ("test", UNSPLIT) if used[split]}


def _validation(used: Counter[str]) -> list[Loss]:
    """A warning where images to validate on are those of another split."""
    val = _folders(used)["val"]
    if val == "val":
        return []
    return [
        Loss(f"images of {val} stand in for val", used[val], "Ultralytics demands one; val_fraction keeps some apart")
    ]


def label_rows(image: Image, annotations: Sequence[Annotation], *, polygons: bool, told: Counter[str]) -> list[str]:
    """A label file's rows; what was not written as it is gets counted in `told`."""
    rows = []
    for annotation in annotations:
        if annotation.iscrowd:
            continue
        numbers = _outline(annotation, image, told) if polygons else _box(annotation, image, told)
        if numbers:
            rows.append(" ".join([str(annotation.category_id - 1), *(f"{number:.9g}" for number in numbers)]))
    told["doubled"] += len(rows) - len(set(rows))
    return rows


def _box(annotation: Annotation, image: Image, told: Counter[str]) -> tuple[float, ...]:
    upright = upright_box(annotation)
    inside = clip_box(upright, image.width, image.height)
    if inside is None:
        told["outside"] += 1
        return ()
    told["clipped"] += inside != upright and _differs(inside, upright)
    x, y, width, height = inside
    return (
        (x + width / 2) / image.width, (y + height / 2) / image.height, width / image.width, height / image.height
    )  # fmt: skip


def _outline(annotation: Annotation, image: Image, told: Counter[str]) -> tuple[float, ...]:
    parts = _parts(annotation, image, told)
    if not parts:
        told["boxed"] += 1
        parts = [corners(annotation)]
    inside = [inner for part in parts if (inner := clip_polygon(part, image.width, image.height))]
    if not inside:
        told["outside"] += 1
        return ()
    told["clipped"] += inside != parts
    told["joined"] += len(inside) > 1
    sides = itertools.cycle((image.width, image.height))
    return tuple(value / side for value, side in zip(join_polygons(inside), sides, strict=False))


def _parts(annotation: Annotation, image: Image, told: Counter[str]) -> list[Polygon]:
    if not isinstance(annotation.segmentation, Rle):
        return list(polygons_of(annotation))
    parts, holes = outlines(mask_of(annotation.segmentation, image))
    told["traced"] += bool(parts)
    told["filled"] += holes
    return parts


def _differs(inside: Sequence[float], whole: Sequence[float]) -> bool:
    return any(abs(one - other) > 0.01 for one, other in zip(inside, whole, strict=True))
