"""Segmentation masks: `images/` and `masks/<stem>.png`, in a folder per split where there are splits.

A PNG has one byte per pixel of the upright image: a class's COCO id, 0 for background, 255 for unknown; its palette is
Pascal VOC's. Unknown is the inside of a box that has no outline, and, in an image that leaves chosen classes unknown,
whatever is not drawn. Small objects are drawn over large ones. `dataset_meta.json` names the classes, those that were
chosen (`searched_classes`), and by image those of which its pixels do not tell every object (`unknown_classes`).

Datumaro (1.13) reads this layout as `common_semantic_segmentation` and has no exporter for it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from datasets.coco import Annotation, Image, Rle
from datasets.errors import BadDataset
from datasets.exporting.geometry import Pixels, corners, mask_of, mask_of_polygons
from datasets.exporting.losses import polygons_of
from datasets.exporting.names import export_name, split_name
from datasets.exporting.palette import colour
from datasets.exporting.selection import Place, Selection
from datasets.exporting.settings import Written, counted
from datasets.files import write_json
from datasets.rle import Mask

UNKNOWN = 255
META = "dataset_meta.json"
Drawn = tuple[Mask, int]  # and its class
_TOLD = {
    "boxed": ("boxes have no outline", "their inside is 255, unknown"),
    "hidden": ("objects are partly under another", "a pixel has one class"),
    "unsure": ("images leave classes unknown", "what is not drawn in them is 255, unknown, never background"),
    "merged": ("objects", "pixels say a class, not which object"),
}


def write_masks_export(selection: Selection, folder: Path, place: Place) -> Written:
    """Fill a folder. Raises BadDataset when there are too many classes for a byte."""
    if max(selection.shape_ids) >= UNKNOWN:
        raise BadDataset(f"a mask's pixel holds class ids below {UNKNOWN}; the project has more classes than that")
    told: Counter[str] = Counter()
    unknown: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for image in selection.dataset.images:
        name = export_name(image)
        root = split_name(image) if selection.has_splits else "."
        place(image, (Path(root) / "images" / name).as_posix())
        pixels, untold = class_mask(selection, image, told)
        _write_png(folder / root / "masks" / f"{Path(name).stem}.png", pixels)
        unknown[root] |= {Path(name).stem: _names(selection, untold)} if untold else {}
    for root, classes in sorted(unknown.items()):
        write_json(folder / root / META, _meta(selection) | {"unknown_classes": classes})
    drawn = len(selection.dataset.annotations) - told["boxed"]
    told["merged"] = drawn
    return Written(drawn, counted(told, _TOLD))


def class_mask(selection: Selection, image: Image, told: Counter[str]) -> tuple[Pixels, set[int]]:
    """A class id per pixel: (H, W) uint8. And the classes of which they do not tell every object."""
    unknown = selection.unknown_ids(image.sha256)
    boxes, objects = _drawn(selection.dataset.annotations_of.get(image.sha256, ()), image)
    on_top = [*((mask, UNKNOWN) for mask, _ in boxes), *objects]
    owner = np.zeros((image.height, image.width), np.int32)
    for number, (mask, _) in enumerate(on_top, start=1):
        owner[mask.pixels > 0] = number
    visible = np.bincount(owner.ravel(), minlength=len(on_top) + 1)[1 + len(boxes) :].tolist()
    told["unsure"] += bool(unknown)
    told["boxed"] += len(boxes)
    told["hidden"] += sum(seen < mask.area for seen, (mask, _) in zip(visible, objects, strict=True))
    classes = [UNKNOWN if unknown else 0, *(category_id for _, category_id in on_top)]
    gone = [drawn for seen, drawn in zip(visible, objects, strict=True) if not seen]
    return np.array(classes, np.uint8)[owner], unknown | {category_id for _, category_id in (*boxes, *gone)}


def _drawn(annotations: Iterable[Annotation], image: Image) -> tuple[list[Drawn], list[Drawn]]:
    """Boxes without outlines, and outlined objects from the largest to the smallest."""
    boxes, objects = [], []
    for annotation in annotations:
        if isinstance(annotation.segmentation, Rle):
            objects.append((mask_of(annotation.segmentation, image), annotation.category_id))
        elif polygons := polygons_of(annotation):
            objects.append((mask_of_polygons(polygons, image), annotation.category_id))
        else:
            boxes.append((mask_of_polygons([corners(annotation)], image), annotation.category_id))
    return boxes, sorted(objects, key=lambda drawn: -drawn[0].area)


def _write_png(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = PillowImage.fromarray(pixels)
    picture.putpalette([channel for index in range(256) for channel in colour(index)])
    picture.save(path, "PNG")


def _meta(selection: Selection) -> dict[str, object]:
    """Classes in the project's order, so that a place in Datumaro's list is a class's id; the last is 255."""
    names = ["background", *selection.numbered, "ignore"]
    ids = [*range(len(names) - 1), UNKNOWN]
    return {
        "label_map": {str(place): name for place, name in enumerate(names)},
        "segmentation_colors": [colour(number) for number in ids],
        "background_label": "0",
        "unknown_value": UNKNOWN,
        "searched_classes": _names(selection, selection.shape_ids),
    }


def _names(selection: Selection, category_ids: Iterable[int]) -> list[str]:
    return [selection.dataset.taxonomy.name(category_id) for category_id in sorted(category_ids)]
